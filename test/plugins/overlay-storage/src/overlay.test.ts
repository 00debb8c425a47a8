import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assertPlugin, type PoolSpec, type StoragePool, type Volume } from '@lxd-ts/driver-kit';
import { type TestContext, testContext } from '@lxd-ts/driver-kit/testing';
import { isMountPoint, run } from '@lxd-ts/host';
import { expect, it } from 'vitest';
import { overlay } from './driver.ts';
import plugin from './index.ts';

const image: Volume = { type: 'image', content: 'filesystem', project: 'default', name: 'a'.repeat(64), config: {} };
const container: Volume = { ...image, type: 'container', name: 'c1' };

const openIn = async ({ directory }: TestContext): Promise<{ pool: StoragePool; spec: PoolSpec }> => {
  const asked = { name: 'pool', path: join(directory, 'pools/pool'), disks: join(directory, 'disks'), config: {} };
  const spec = { ...asked, config: await overlay.create(asked) };
  return { pool: await overlay.open(spec), spec };
};

const inside = async <T>(pool: StoragePool, volume: Volume, use: (path: string) => Promise<T>): Promise<T> => {
  await using mount = await pool.mountVolume(volume);
  return await use(mount.path);
};

const layersOf = async (pool: StoragePool): Promise<string[]> =>
  (await readdir(join(pool.path, 'layers'))).filter((id) => id !== 'empty');

it('is a plug-in', () => {
  assertPlugin(plugin);
  expect(plugin.drivers.map(({ kind }) => kind)).toEqual(['storage']);
});

it('copies an image without copying its data', async () => {
  await using context = await testContext('overlay');
  const { pool } = await openIn(context);
  await pool.createVolume(image, ({ path }) => writeFile(join(path, 'big'), Buffer.alloc(20_000_000, 1)));
  const written = async (): Promise<number> =>
    Number((await run(['du', '-sx', '--bytes', pool.path])).stdout.split('\t')[0]);
  const before = await written();
  for (let at = 0; at < 9; at++) await pool.copyVolume({ ...container, name: `c${at}` }, image, []);
  expect((await written()) - before).toBeLessThan(1_000_000);
  expect(await inside(pool, { ...container, name: 'c5' }, (path) => readdir(path))).toEqual(['big']);
});

it('keeps every state of a volume with more snapshots than one mount has room for', async () => {
  await using context = await testContext('overlay');
  const { pool } = await openIn(context);
  await pool.createVolume(container, ({ path }) => writeFile(join(path, 'first'), 'x'));
  const count = 150;
  for (let at = 0; at < count; at++) {
    await inside(pool, container, async (path) => {
      await writeFile(join(path, 'state'), String(at));
      await writeFile(join(path, `of-${at}`), '');
      if (at > 0) await rm(join(path, `of-${at - 1}`));
    });
    await pool.createSnapshot({ ...container, snapshot: `s${at}` });
  }
  for (const at of [0, 1, 70, count - 1]) {
    const names = await inside(pool, { ...container, snapshot: `s${at}` }, (path) => readdir(path));
    expect(names.sort()).toEqual(['first', `of-${at}`, 'state']);
  }
  await pool.restoreVolume(container, 's42');
  expect(await inside(pool, container, (path) => readFile(join(path, 'state'), 'utf8'))).toBe('42');
  for (let at = 0; at < count; at++) await pool.deleteSnapshot({ ...container, snapshot: `s${at}` });
  expect(await inside(pool, container, (path) => readFile(join(path, 'state'), 'utf8'))).toBe('42');
  await pool.deleteVolume(container);
  expect(await layersOf(pool)).toEqual([]);
});

it('directories that come from the image can be renamed, emptied and made anew', async () => {
  await using context = await testContext('overlay');
  const { pool } = await openIn(context);
  await pool.createVolume(image, async ({ path }) => {
    await mkdir(join(path, 'etc/deep'), { recursive: true });
    await writeFile(join(path, 'etc/deep/file'), 'from the image');
  });
  await pool.copyVolume(container, image, []);
  await inside(pool, container, async (path) => {
    await rename(join(path, 'etc'), join(path, 'moved'));
    await mkdir(join(path, 'etc'));
  });
  await pool.createSnapshot({ ...container, snapshot: 's0' });
  await inside(pool, container, (path) => rm(join(path, 'moved'), { recursive: true }));
  await pool.copyVolume({ ...container, name: 'c2' }, { ...container, snapshot: 's0' }, []);
  await pool.deleteVolume(image);
  const copy = { ...container, name: 'c2' };
  expect(await inside(pool, copy, (path) => readFile(join(path, 'moved/deep/file'), 'utf8'))).toBe('from the image');
  expect(await inside(pool, copy, (path) => readdir(join(path, 'etc')))).toEqual([]);
  expect(await inside(pool, container, (path) => readdir(path))).toEqual(['etc']);
});

it('a snapshot or copy of a volume in use does not change with it', async () => {
  await using context = await testContext('overlay');
  const { pool } = await openIn(context);
  await pool.createVolume(container, ({ path }) => writeFile(join(path, 'gone'), ''));
  await pool.createSnapshot({ ...container, snapshot: 'before' });
  await inside(pool, container, async (path) => {
    await rm(join(path, 'gone'));
    await writeFile(join(path, 'f'), 'one');
    await pool.createSnapshot({ ...container, snapshot: 's0' });
    await pool.copyVolume({ ...container, name: 'c2' }, container, ['before', 's0']);
    await writeFile(join(path, 'f'), 'two');
    await writeFile(join(path, 'later'), '');
  });
  for (const one of [
    { ...container, snapshot: 's0' },
    { ...container, name: 'c2' },
  ]) {
    expect(await inside(pool, one, (path) => readdir(path))).toEqual(['f']);
    expect(await inside(pool, one, (path) => readFile(join(path, 'f'), 'utf8'))).toBe('one');
  }
  expect(await inside(pool, container, (path) => readdir(path))).toEqual(['f', 'later']);
});

it('what a killed daemon had begun is cleared, and what it left mounted is taken over', async () => {
  await using context = await testContext('overlay');
  const { pool, spec } = await openIn(context);
  await pool.createVolume(container, ({ path }) => writeFile(join(path, 'f'), 'here'));
  const left = await pool.mountVolume(container);
  await mkdir(join(pool.path, 'layers/0123456789ab'));
  const after = await overlay.open(spec);
  expect(await layersOf(after)).toHaveLength(1);
  expect(await inside(after, container, (path) => readFile(join(path, 'f'), 'utf8'))).toBe('here');
  expect(await isMountPoint(left.path)).toBe(false);
});
