import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config, PoolSpec, Volume } from '@lxd-ts/driver-kit';
import { type TestContext, testContext } from '@lxd-ts/driver-kit/testing';
import { run } from '@lxd-ts/host';
import { cephfs } from '@lxd-ts/storage-ceph';
import { makeCephfs, startCluster } from '@lxd-ts/tooling/lab/ceph';
import { afterAll, beforeAll, expect, it } from 'vitest';

let context: TestContext;
beforeAll(async () => {
  await startCluster();
  await makeCephfs();
  context = await testContext('lxd-ts-cephfs');
});
afterAll(async () => {
  await context?.[Symbol.asyncDispose]();
});

const specOf = (name: string, config: Config): PoolSpec => ({
  name,
  path: join(context.directory, 'storage-pools', name),
  disks: join(context.directory, 'disks'),
  config,
});
const volume: Volume = { type: 'custom', content: 'filesystem', project: 'default', name: 'v', config: {} };
const made = async (): Promise<string> => (await run(['ceph', 'fs', 'ls', '--format', 'json'])).stdout;

it('[05.17 05.219 05.272] cluster and file system must be there: neither is set up', async () => {
  const before = await made();
  for (const [config, word] of [
    [{}, '"source"'],
    [{ source: 'missing' }, 'no CephFS file system "missing"'],
    [{ source: 'cephfs', 'cephfs.cluster_name': 'nowhere' }, 'cephfs.cluster_name'],
  ] as const)
    await expect(cephfs.create(specOf('never', config)), word).rejects.toThrow(word);
  expect(await made()).toBe(before);
});

it('[05.219 05.222 05.223] a directory is made where none is; whether it was empty is kept, with the defaults', async () => {
  const first = specOf('first', { source: 'cephfs/driver/first' });
  const config = await cephfs.create(first);
  expect(config).toEqual({
    source: 'cephfs/driver/first',
    'cephfs.cluster_name': 'ceph',
    'cephfs.user.name': 'admin',
    'cephfs.path': '/driver/first',
    'volatile.initial_source': 'cephfs/driver/first',
    'volatile.pool.pristine': 'true',
  });
  const pool = await cephfs.open({ ...first, config });
  await pool.createVolume(volume, ({ path }) => writeFile(join(path, 'f'), 'mine'));
  await expect(cephfs.create(specOf('other', { source: 'cephfs/driver/first' }))).rejects.toThrow("isn't empty");
  const whole = specOf('whole', { source: 'cephfs' });
  await expect(cephfs.create(whole)).rejects.toThrow("isn't empty");
  const second = specOf('second', { source: 'cephfs', 'cephfs.path': '/driver/second' });
  expect(await cephfs.create(second)).toMatchObject({
    'cephfs.path': '/driver/second',
    'volatile.pool.pristine': 'false',
  });
  await pool.deleteVolume(volume);
  await pool.delete();
});

it('[05.218 05.269] instances, images, disks and buckets are refused', async () => {
  const spec = specOf('files', { source: 'cephfs/driver/files' });
  const pool = await cephfs.open({ ...spec, config: await cephfs.create(spec) });
  for (const parts of [
    { type: 'container' },
    { type: 'virtual-machine', content: 'block' },
    { type: 'image' },
    { content: 'block' },
    { content: 'iso' },
    { type: 'bucket' },
  ] as const) {
    await expect(pool.createVolume({ ...volume, ...parts })).rejects.toMatchObject({ kind: 'bad-request' });
    expect(await pool.hasVolume({ ...volume, ...parts })).toBe(false);
  }
  await pool.delete();
});

it('[05.221] snapshots are taken where the server has them enabled, and refused where it has not', async () => {
  const spec = specOf('snapshots', { source: 'cephfs/driver/snapshots' });
  const pool = await cephfs.open({ ...spec, config: await cephfs.create(spec) });
  const snapshot = { ...volume, snapshot: 's0' };
  await pool.createVolume(volume);
  const allow = (value: string) => run(['ceph', 'fs', 'set', 'cephfs', 'allow_new_snaps', value]);
  await allow('false');
  try {
    await expect(pool.createSnapshot(snapshot)).rejects.toThrow();
    expect(await pool.hasVolume(snapshot)).toBe(false);
  } finally {
    await allow('true');
  }
  await expect.poll(() => pool.createSnapshot(snapshot).then(() => 'taken', String), { timeout: 60_000 }).toBe('taken');
  expect(await pool.hasVolume(snapshot)).toBe(true);
  await pool.deleteSnapshot(snapshot);
  await pool.deleteVolume(volume);
  await pool.delete();
});
