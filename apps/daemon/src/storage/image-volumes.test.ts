import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { importBusybox } from '../testing/containers.ts';
import { startTestDaemon, type TestDaemon } from '../testing/daemon.ts';

let daemon: TestDaemon;
let fingerprint = '';
beforeAll(async () => {
  daemon = await startTestDaemon();
  await importBusybox(daemon);
  await daemon.run('POST', '/1.0/storage-pools', { name: 'tree', driver: 'btrfs', config: { size: '300MiB' } });
  fingerprint = z
    .looseObject({ target: z.string() })
    .parse(await daemon.run('GET', '/1.0/images/aliases/busybox')).target;
});
afterAll(() => daemon[Symbol.asyncDispose]());

const create = (name: string, pool: string): Promise<unknown> =>
  daemon.run('POST', '/1.0/instances', {
    name,
    devices: { root: { type: 'disk', path: '/', pool } },
    source: { type: 'image', alias: 'busybox' },
  });
const volumes = z.array(z.looseObject({ type: z.string(), name: z.string(), created_at: z.string() }));
const volumesOf = async (pool: string) =>
  volumes.parse(await daemon.run('GET', `/1.0/storage-pools/${pool}/volumes?recursion=1`));
const listed = async (pool: string): Promise<string[]> =>
  (await volumesOf(pool)).map(({ type, name }) => `${type} ${name}`);
const image = (): string => `/1.0/storage-pools/tree/volumes/image/${fingerprint}`;
const sql = (query: string): Promise<unknown> => daemon.run('POST', '/internal/sql', { database: 'global', query });

test('[05.5 05.54 05.55 05.159 05.160] an image is unpacked with its first instance in a pool that clones, once, and nowhere else', async () => {
  await create('iv-plain', 'default');
  expect(await listed('default')).toEqual(['container iv-plain']);
  expect(await listed('tree')).toEqual([]);
  await create('iv-one', 'tree');
  expect(await listed('tree')).toEqual(['container iv-one', `image ${fingerprint}`]);
  const unpacked = (await volumesOf('tree')).find(({ type }) => type === 'image');
  await create('iv-two', 'tree');
  expect((await volumesOf('tree')).find(({ type }) => type === 'image')).toEqual(unpacked);
  expect(readdirSync(join(daemon.folder, 'storage-pools/tree/images'))).toEqual([fingerprint]);
  // Instances are snapshots of it.
  const shown = execFileSync('btrfs', [
    'subvolume',
    'show',
    join(daemon.folder, 'storage-pools/tree/images', fingerprint),
  ]);
  const instance = execFileSync('btrfs', [
    'subvolume',
    'show',
    join(daemon.folder, 'storage-pools/tree/containers/iv-two'),
  ]);
  const uuid = /\n\s+UUID:\s+(\S+)/.exec(String(shown))?.[1] ?? 'none';
  expect(String(instance)).toMatch(new RegExp(`Parent UUID:\\s+${uuid}`));
  for (const name of ['iv-plain', 'iv-two']) await daemon.run('DELETE', `/1.0/instances/${name}`);
  expect(await listed('tree')).toEqual(['container iv-one', `image ${fingerprint}`]);
  expect(await listed('default')).toEqual([]);
});

test('[05.56 05.256] an image volume can be deleted by hand, which harms no instance, and is made again when needed', async () => {
  await daemon.run('DELETE', image());
  expect(await listed('tree')).toEqual(['container iv-one']);
  expect(readdirSync(join(daemon.folder, 'storage-pools/tree/images'))).toEqual([]);
  expect(await daemon.run('GET', `/1.0/images/${fingerprint}`)).toMatchObject({ fingerprint });
  expect(readdirSync(join(daemon.folder, 'storage-pools/tree/containers/iv-one/rootfs'))).toContain('bin');
  await expect(daemon.run('DELETE', image())).rejects.toMatchObject({ status: 404 });
  await create('iv-three', 'tree');
  expect(await listed('tree')).toContain(`image ${fingerprint}`);
});

test('[05.56 05.277 05.284] ten days after its last use, as cached images do, it goes; when an image is used it stays', async () => {
  const day = 24 * 3600_000;
  /** The daemon looks when it starts. */
  const after = async (volumeDays: number, useDays: number): Promise<void> => {
    await sql(`UPDATE storage_volumes SET creation_date = ${Date.now() - volumeDays * day} WHERE type = 'image'`);
    await sql(`UPDATE images SET last_use_date = ${Date.now() - useDays * day}`);
    await daemon.restart();
  };
  await after(30, 9);
  await expect.poll(() => listed('tree'), { timeout: 2000 }).toContain(`image ${fingerprint}`);
  await after(30, 11);
  await expect.poll(() => listed('tree')).not.toContain(`image ${fingerprint}`);
  expect(await listed('tree')).toEqual(['container iv-one', 'container iv-three']);
  expect(await daemon.run('GET', `/1.0/images/${fingerprint}`)).toMatchObject({ fingerprint });
  // Unpacked a moment ago for an instance that is being made, whenever the last one was.
  await create('iv-four', 'tree');
  await daemon.run('PATCH', '/1.0', { config: { 'images.remote_cache_expiry': '3' } });
  await after(2, 11);
  await expect.poll(() => listed('tree'), { timeout: 2000 }).toContain(`image ${fingerprint}`);
  await after(4, 4);
  await expect.poll(() => listed('tree')).not.toContain(`image ${fingerprint}`);
});
