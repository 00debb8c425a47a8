import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isKind, type PoolSpec, poolConfigKeys, type Volume, validateConfig } from '@lxd-ts/driver-kit';
import { type TestContext, testContext } from '@lxd-ts/driver-kit/testing';
import { isMountPoint } from '@lxd-ts/host';
import { dir } from '@lxd-ts/storage-dir';
import { expect, it } from 'vitest';

const specIn = ({ directory }: TestContext, config: Record<string, string> = {}): PoolSpec => ({
  name: 'pool',
  config,
  path: join(directory, 'storage-pools/pool'),
  disks: join(directory, 'disks'),
});

const volume: Volume = { type: 'custom', content: 'filesystem', project: 'default', name: 'v', config: {} };

it('[05.14 05.24 05.25 05.170] the source is recorded: the default location, or what was given', async () => {
  await using context = await testContext('lxd-ts-dir');
  const spec = specIn(context);
  expect(await dir.create(spec)).toEqual({ source: spec.path });
  const source = join(context.directory, 'source');
  await mkdir(source);
  const other = { ...spec, name: 'other', path: `${spec.path}-other`, config: { source: `${source}/` } };
  expect(await dir.create(other)).toEqual({ source, 'volatile.initial_source': `${source}/` });
});

it('[05.25 05.170 05.278] a source must be absolute, exist and be empty; a refusal leaves nothing', async () => {
  await using context = await testContext('lxd-ts-dir');
  const source = join(context.directory, 'source');
  await mkdir(source);
  await writeFile(join(source, 'mine'), 'x');
  for (const [config, kind, text] of [
    [{ source: 'relative' }, 'bad-request', 'absolute'],
    [{ source: join(context.directory, 'missing') }, 'bad-request', "doesn't exist"],
    [{ source: join(source, 'mine') }, 'bad-request', "doesn't exist"],
    [{ source }, 'conflict', "isn't empty"],
  ] as const) {
    const error = await dir.create(specIn(context, config)).catch((reason: unknown) => reason);
    expect(isKind(error, kind) && error.message).toContain(text);
  }
  expect(await readdir(source)).toEqual(['mine']);
  expect(await readdir(context.directory)).toEqual(['source']);
});

it('a directory in use by another pool is not taken a second time', async () => {
  await using context = await testContext('lxd-ts-dir');
  const source = join(context.directory, 'source');
  await mkdir(source);
  await dir.create(specIn(context, { source }));
  await expect(dir.create(specIn(context, { source }))).rejects.toThrow("isn't empty");
});

it('a pool whose source is away is unavailable, and there again when that is back', async () => {
  await using context = await testContext('lxd-ts-dir');
  const source = join(context.directory, 'source');
  await mkdir(source);
  const spec = specIn(context, { source });
  const opened = { ...spec, config: await dir.create(spec) };
  await rename(source, `${source}-away`);
  const error = await dir.open(opened).catch((reason: unknown) => reason);
  expect(isKind(error, 'unavailable') && error.message).toContain(source);
  await rename(`${source}-away`, source);
  await using pool = await dir.open(opened);
  expect(await isMountPoint(pool.path)).toBe(true);
});

it('deleting a pool leaves a given source empty, and removes the default location', async () => {
  await using context = await testContext('lxd-ts-dir');
  const source = join(context.directory, 'source');
  await mkdir(source);
  for (const config of [{ source }, {}]) {
    const spec = specIn(context, config);
    const pool = await dir.open({ ...spec, config: await dir.create(spec) });
    await pool.delete();
    await pool.delete();
    expect(await isMountPoint(spec.path)).toBe(false);
    expect(await readdir(join(context.directory, 'storage-pools'))).toEqual([]);
    expect(await readdir(source)).toEqual([]);
  }
});

it('what a killed daemon left half done is cleared when the pool is opened', async () => {
  await using context = await testContext('lxd-ts-dir');
  const spec = specIn(context);
  const opened = { ...spec, config: await dir.create(spec) };
  await mkdir(join(spec.path, '.incomplete/restored/rootfs'), { recursive: true });
  await rm(join(spec.path, 'custom'), { recursive: true });
  const pool = await dir.open(opened);
  expect(await readdir(spec.path)).not.toContain('.incomplete');
  await pool.createVolume(volume);
  expect(await pool.hasVolume(volume)).toBe(true);
});

it('a read-only mount that a killed daemon left does not keep a snapshot from being deleted', async () => {
  await using context = await testContext('lxd-ts-dir');
  const spec = specIn(context);
  const opened = { ...spec, config: await dir.create(spec) };
  const snapshot = { ...volume, snapshot: 's0' };
  const before = await dir.open(opened);
  await before.createVolume(volume);
  await before.createSnapshot(snapshot);
  const { path } = await before.mountVolume(snapshot);
  expect(await isMountPoint(path)).toBe(true);
  const after = await dir.open(opened);
  await after.deleteSnapshot(snapshot);
  expect(await after.hasVolume(snapshot)).toBe(false);
  expect(await isMountPoint(path)).toBe(false);
});

it('[05.40] a changed bandwidth limit holds for the next copy', async () => {
  await using context = await testContext('lxd-ts-dir');
  const spec = specIn(context);
  const config = await dir.create(spec);
  const pool = await dir.open({ ...spec, config });
  await pool.createVolume(volume, async ({ path }) => writeFile(join(path, 'f'), Buffer.alloc(1024 ** 2)));
  await pool.update({ ...config, 'rsync.bwlimit': '2M' }, ['rsync.bwlimit']);
  const start = performance.now();
  await pool.createSnapshot({ ...volume, snapshot: 's0' });
  expect(performance.now() - start).toBeGreaterThan(200);
});

it('[05.40 05.150 05.163] the keys of the driver: rsync and source for pools, none for buckets', () => {
  validateConfig(poolConfigKeys(dir), { 'rsync.compression': 'false', source: '/x' }, 'storage pool');
  expect(() => validateConfig(poolConfigKeys(dir), { size: '1GiB' }, 'storage pool')).toThrow('"size"');
  expect(() => validateConfig(poolConfigKeys(dir), { source: 'x' }, 'storage pool')).toThrow('absolute');
  expect(dir.bucketConfig).toEqual([]);
});
