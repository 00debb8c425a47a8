/** A CephFS without room: what is told, what stays, and that all works again when there is room. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Volume } from '@lxd-ts/driver-kit';
import { testContext } from '@lxd-ts/driver-kit/testing';
import { run } from '@lxd-ts/host';
import { cephfs } from '@lxd-ts/storage-ceph';
import { makeCephfs, startCluster } from '@lxd-ts/tooling/lab/ceph';
import { beforeAll, expect, it } from 'vitest';

const MiB = 1024 ** 2;
const noSpace = /No space left/i;

const named = (name: string): Volume => ({
  type: 'custom',
  content: 'filesystem',
  project: 'default',
  name,
  config: {},
});

const setQuota = (bytes: number): Promise<unknown> =>
  run(['ceph', 'osd', 'pool', 'set-quota', 'cephfs_data', 'max_bytes', String(bytes)]);

/** Writes a file down to the disk. */
const write = (path: string, mebibytes: number): Promise<unknown> =>
  run(['dd', 'if=/dev/zero', `of=${path}`, 'bs=1M', `count=${mebibytes}`, 'conv=fsync', 'status=none'], {
    signal: AbortSignal.timeout(120_000),
  });

beforeAll(async () => {
  await startCluster();
  await makeCephfs();
});

it('[05.247] writers are told, what was synced stays, what fails leaves nothing, and with room all goes on', async () => {
  await using context = await testContext('lxd-ts-cephfs-full');
  const spec = {
    name: 'full',
    path: join(context.directory, 'storage-pools/full'),
    disks: join(context.directory, 'disks'),
    config: { source: 'cephfs/full' },
  };
  const pool = await cephfs.open({ ...spec, config: await cephfs.create(spec) });
  const [calm, greedy, copy] = [named('calm'), named('greedy'), named('copy')];
  const pathOf = async (volume: Volume): Promise<string> => {
    await using mounted = await pool.mountVolume(volume);
    return mounted.path;
  };
  const read = async (volume: Volume): Promise<string> => await readFile(join(await pathOf(volume), 'f'), 'utf8');
  for (const volume of [calm, greedy])
    await pool.createVolume(volume, ({ path }) => writeFile(join(path, 'f'), 'synced before', { flush: true }));
  await setQuota(64 * MiB);
  try {
    // The cluster notices some seconds late that a quota is passed.
    const fillUp = async (): Promise<void> => {
      for (let at = 0; at < 60; at++) await write(join(await pathOf(greedy), `big${at}`), 8);
    };
    await expect(fillUp()).rejects.toThrow(noSpace);
    await expect(pool.copyVolume(copy, greedy, [])).rejects.toThrow(noSpace);
    expect(await pool.hasVolume(copy)).toBe(false);
    expect([await read(calm), await read(greedy)]).toEqual(['synced before', 'synced before']);
    await pool.deleteVolume(greedy);
    expect(await pool.hasVolume(greedy)).toBe(false);
  } finally {
    await setQuota(0);
  }
  const again = async (): Promise<string> => {
    await pool.createVolume(copy, ({ path }) => write(join(path, 'f'), 1).then(() => undefined));
    return 'written';
  };
  await expect.poll(() => again().catch(String), { timeout: 120_000 }).toBe('written');
  for (const volume of [calm, copy]) await pool.deleteVolume(volume);
  await pool.delete();
});
