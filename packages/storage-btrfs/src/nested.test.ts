import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { StoragePool, Volume } from '@lxd-ts/driver-kit';
import { type TestContext, testContext } from '@lxd-ts/driver-kit/testing';
import { run } from '@lxd-ts/host';
import { btrfs } from '@lxd-ts/storage-btrfs';
import { expect, it } from 'vitest';
import { makeSubvolume } from './subvolumes.ts';

/** A pool with a container that has subvolumes in it, one of them read-only with another inside, as a nested server makes them. */
const nestedContainer = async (context: TestContext): Promise<{ pool: StoragePool; container: Volume }> => {
  const spec = {
    name: 'pool',
    config: { size: '300MiB' },
    path: join(context.directory, 'pools/pool'),
    disks: join(context.directory, 'disks'),
  };
  const pool = await btrfs.open({ ...spec, config: await btrfs.create(spec) });
  context.defer('close the pool', async () => pool[Symbol.asyncDispose]());
  const container: Volume = { type: 'container', content: 'filesystem', project: 'default', name: 'c1', config: {} };
  await pool.createVolume(container, async ({ path }) => {
    await mkdir(join(path, 'rootfs/var/lib'), { recursive: true });
    await writeFile(join(path, 'rootfs/outer'), 'outer');
    const nested = join(path, 'rootfs/var/lib/nested pool');
    await run(['btrfs', 'subvolume', 'create', nested]);
    await writeFile(join(nested, 'inner'), 'inner');
    // Names on disk are bytes.
    await run(['btrfs', 'subvolume', 'create', join(nested, 'däta')]);
    await writeFile(join(nested, 'däta/layer'), 'layer');
    await run(['btrfs', 'subvolume', 'create', join(nested, 'däta/deep')]);
    await writeFile(join(nested, 'däta/deep/deepest'), 'deepest');
    await run(['btrfs', 'property', 'set', join(nested, 'däta'), 'ro', 'true']);
  });
  return { pool, container };
};

/** The files of the container with their contents, and which subvolumes are read-only. */
const look = async (path: string): Promise<unknown> => {
  const nested = join(path, 'rootfs/var/lib/nested pool');
  const text = (name: string): Promise<string> => readFile(join(path, 'rootfs', name), 'utf8');
  const readOnly = async (name: string): Promise<boolean> =>
    (await run(['btrfs', 'property', 'get', join(nested, name), 'ro'])).stdout.trim() === 'ro=true';
  return {
    files: await Promise.all(
      [
        'outer',
        'var/lib/nested pool/inner',
        'var/lib/nested pool/däta/layer',
        'var/lib/nested pool/däta/deep/deepest',
      ].map(text),
    ),
    readOnly: await Promise.all(['', 'däta', 'däta/deep'].map(readOnly)),
  };
};

const whole = { files: ['outer', 'inner', 'layer', 'deepest'], readOnly: [false, true, false] };

const subvolumes = async (pool: StoragePool): Promise<string[]> =>
  (await run(['btrfs', 'subvolume', 'list', pool.path])).stdout.split('\n').filter(Boolean);

it('[05.173 05.175] subvolumes inside a container are in its snapshots and copies, and come back with a restore', async () => {
  await using context = await testContext('lxd-ts-btrfs-nested');
  const { pool, container } = await nestedContainer(context);
  const path = join(pool.path, 'containers/c1');
  await pool.createSnapshot({ ...container, snapshot: 's0' });
  expect(await look(join(pool.path, 'containers-snapshots/c1/s0'))).toEqual(whole);
  {
    await using mount = await pool.mountVolume({ ...container, snapshot: 's0' });
    const inner = join(mount.path, 'rootfs/var/lib/nested pool/inner');
    await expect(writeFile(inner, 'changed')).rejects.toThrow('EROFS');
  }
  await writeFile(join(path, 'rootfs/var/lib/nested pool/inner'), 'changed');
  await pool.copyVolume({ ...container, name: 'c2' }, container, ['s0']);
  await pool.copyVolume({ ...container, name: 'c3' }, { ...container, snapshot: 's0' }, []);
  const changed = { ...whole, files: ['outer', 'changed', 'layer', 'deepest'] };
  expect(await look(join(pool.path, 'containers/c2'))).toEqual(changed);
  expect(await look(join(pool.path, 'containers/c3'))).toEqual(whole);
  await run(['btrfs', 'subvolume', 'create', join(path, 'rootfs/newer')]);
  await pool.restoreVolume(container, 's0');
  expect(await look(path)).toEqual(whole);
  expect(await readdir(join(path, 'rootfs'))).not.toContain('newer');
});

it('a container with subvolumes in it is deleted with all of them', async () => {
  await using context = await testContext('lxd-ts-btrfs-nested');
  const { pool, container } = await nestedContainer(context);
  await pool.createSnapshot({ ...container, snapshot: 's0' });
  expect((await subvolumes(pool)).length).toBe(8);
  await pool.deleteSnapshot({ ...container, snapshot: 's0' });
  expect((await subvolumes(pool)).length).toBe(4);
  await pool.deleteVolume(container);
  expect(await subvolumes(pool)).toEqual([]);
});

it('a fill that fails after it made subvolumes leaves none', async () => {
  await using context = await testContext('lxd-ts-btrfs-nested');
  const { pool, container } = await nestedContainer(context);
  const before = await subvolumes(pool);
  const fill = async ({ path }: { path: string }): Promise<void> => {
    await run(['btrfs', 'subvolume', 'create', join(path, 'inside')]);
    throw new Error('no more');
  };
  await expect(pool.createVolume({ ...container, name: 'c2' }, fill)).rejects.toThrow('no more');
  expect(await subvolumes(pool)).toEqual(before);
});

it('[05.161 05.165 05.166] subvolumes inside a container are sent along, in full and after differences of the container', async () => {
  await using context = await testContext('lxd-ts-btrfs-nested');
  const { pool, container } = await nestedContainer(context);
  const transfer = async (from: Volume, base: string | undefined, to: Volume): Promise<void> => {
    const stream = new PassThrough();
    await Promise.all([pool.send?.(from, base, stream), pool.receive?.(to, base, stream)]);
  };
  const copy = { ...container, name: 'c2' };
  await pool.createSnapshot({ ...container, snapshot: 's0' });
  await transfer({ ...container, snapshot: 's0' }, undefined, { ...copy, snapshot: 's0' });
  await writeFile(join(pool.path, 'containers/c1/rootfs/outer'), 'newer');
  await writeFile(join(pool.path, 'containers/c1/rootfs/var/lib/nested pool/inner'), 'newer too');
  await pool.createSnapshot({ ...container, snapshot: '1' });
  await transfer({ ...container, snapshot: '1' }, 's0', { ...copy, snapshot: '1' });
  await transfer(container, '1', copy);
  const newer = { ...whole, files: ['newer', 'newer too', 'layer', 'deepest'] };
  expect(await look(join(pool.path, 'containers-snapshots/c2/s0'))).toEqual(whole);
  expect(await look(join(pool.path, 'containers-snapshots/c2/1'))).toEqual(newer);
  expect(await look(join(pool.path, 'containers/c2'))).toEqual(newer);
  expect(await readdir(join(pool.path, '.incomplete'))).toEqual([]);
});

it('many subvolumes beside each other are all found', async () => {
  await using context = await testContext('lxd-ts-btrfs-nested');
  const { pool, container } = await nestedContainer(context);
  const many = { ...container, name: 'many' };
  // More than one call to the kernel tells of (255).
  await pool.createVolume(many, async ({ path }) => {
    for (let at = 0; at < 300; at++) await makeSubvolume(join(path, `s${at}`));
  });
  await pool.createSnapshot({ ...many, snapshot: 's0' });
  const before = (await subvolumes(pool)).length;
  expect(before).toBe(4 + 2 * 301);
  await pool.deleteSnapshot({ ...many, snapshot: 's0' });
  await pool.deleteVolume(many);
  expect((await subvolumes(pool)).length).toBe(4);
});
