/** An OSD pool without room: what is told, what stays, and that all works again when there is room. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoragePool, Volume } from '@lxd-ts/driver-kit';
import { testContext } from '@lxd-ts/driver-kit/testing';
import { run } from '@lxd-ts/host';
import { ceph } from '@lxd-ts/storage-ceph';
import { startCluster } from '@lxd-ts/tooling/lab/ceph';
import { beforeAll, expect, it } from 'vitest';

const MiB = 1024 ** 2;
const OSD_POOL = 'e-full';

const named = (name: string, mebibytes: number): Volume => ({
  type: 'custom',
  content: 'filesystem',
  project: 'default',
  name,
  config: { size: String(mebibytes * MiB) },
});

const read = async (pool: StoragePool, volume: Volume): Promise<string> => {
  await using mounted = await pool.mountVolume(volume);
  return await readFile(join(mounted.path, 'f'), 'utf8');
};

/** Writes files down to the disk until there is no room. The cluster notices some seconds late that a quota is passed. */
const fillUp = async (directory: string, files: number): Promise<void> => {
  for (let at = 0; at < files; at++) {
    const dd = ['dd', 'if=/dev/zero', `of=${join(directory, `big${at}`)}`, 'bs=1M', 'count=16'] as const;
    await run([...dd, 'conv=fsync', 'status=none'], { signal: AbortSignal.timeout(120_000) });
  }
};

beforeAll(startCluster);

it('[05.247] an OSD pool that is full: writers are told, what was synced stays, and with room all goes on', async () => {
  await using context = await testContext('lxd-ts-ceph-full');
  const home = context.directory;
  const config = { 'ceph.osd.pg_num': '4' };
  const asked = { name: OSD_POOL, path: join(home, 'storage-pools/e'), disks: join(home, 'disks'), config };
  const pool = await ceph.open({ ...asked, config: await ceph.create(asked) });
  const [calm, greedy, other] = [named('calm', 64), named('greedy', 1024), named('other', 64)];
  await pool.createVolume(calm, ({ path }) => writeFile(join(path, 'f'), 'here'));
  await pool.createVolume(greedy, ({ path }) => writeFile(join(path, 'f'), 'synced before'));
  await run(['ceph', 'osd', 'pool', 'set-quota', OSD_POOL, 'max_bytes', String(128 * MiB)]);
  {
    await using mounted = await pool.mountVolume(greedy);
    await expect(fillUp(mounted.path, 60)).rejects.toThrow(/No space left|Input\/output error|Read-only file system/);
  }
  const refused = { kind: 'conflict', message: expect.stringContaining('No space left') };
  await expect(
    pool.createVolume(other, ({ path }) => writeFile(join(path, 'f'), Buffer.alloc(16 * MiB))),
  ).rejects.toMatchObject(refused);
  await expect(pool.createSnapshot({ ...calm, snapshot: 's0' })).rejects.toMatchObject(refused);
  // Mapping writes too, and so does removing: what was not removed is not called so.
  await expect(read(pool, calm)).rejects.toMatchObject(refused);
  await expect(pool.deleteVolume(greedy)).rejects.toMatchObject(refused);
  expect(await pool.hasVolume(greedy)).toBe(true);

  await run(['ceph', 'osd', 'pool', 'set-quota', OSD_POOL, 'max_bytes', '0']);
  expect(await read(pool, calm)).toBe('here');
  expect(await read(pool, greedy)).toBe('synced before');
  await pool.deleteVolume(greedy);
  expect(await pool.hasVolume(greedy)).toBe(false);
  await pool.deleteVolume(other);
  await pool.createVolume(other, ({ path }) => writeFile(join(path, 'f'), 'goes on'));
  expect(await read(pool, other)).toBe('goes on');
  await pool.createSnapshot({ ...calm, snapshot: 's0' });
  await pool.deleteSnapshot({ ...calm, snapshot: 's0' });
  for (const volume of [calm, other]) await pool.deleteVolume(volume);
  await pool.delete();
});
