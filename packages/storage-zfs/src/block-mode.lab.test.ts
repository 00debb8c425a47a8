import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isKind, type PoolSpec, type StoragePool, type Volume } from '@lxd-ts/driver-kit';
import { storageConformance, type TestContext, testContext } from '@lxd-ts/driver-kit/testing';
import { diskUsage, findMount, isMountPoint, run } from '@lxd-ts/host';
import { zfs } from '@lxd-ts/storage-zfs';
import { bundled } from '@lxd-ts/tooling/bundle';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { zfsInBlockMode } from './testing/block-mode.ts';

const MiB = 1024 ** 2;

/** A dataset to be made in a zpool that somebody else made. */
const datasetOfOthers = async (context: TestContext): Promise<string> => {
  const device = await context.blockDevice(4096 * MiB);
  await run(['zpool', 'create', '-m', 'none', 'lxd-ts-theirs', device]);
  context.defer('destroy it', () => run(['zpool', 'destroy', '-f', 'lxd-ts-theirs']));
  return 'lxd-ts-theirs/slice';
};

storageConformance({
  driver: zfsInBlockMode,
  importFrom: bundled(new URL('./testing/block-mode.ts', import.meta.url), 'zfsInBlockMode'),
  pools: [
    {
      title: '[05.12 05.25 05.205] with volumes on formatted disks, in a dataset of a zpool that is there',
      config: async (context) => ({ source: await datasetOfOthers(context) }),
    },
  ],
});

describe.each(['ext4', 'xfs', 'btrfs'])('[05.205] volumes in block mode, on %s', (filesystem) => {
  let context: TestContext;
  let pool: StoragePool;
  const volume: Volume = {
    type: 'custom',
    content: 'filesystem',
    project: 'default',
    name: 'v',
    config: { 'zfs.block_mode': 'true', 'block.filesystem': filesystem, size: '400MiB' },
  };
  const copy = { ...volume, name: 'copy' };
  const read = async (one: Volume): Promise<string> => {
    await using mounted = await pool.mountVolume(one);
    return await readFile(join(mounted.path, 'f'), 'utf8');
  };

  beforeAll(async () => {
    context = await testContext('lxd-ts-zfs');
    const spec: PoolSpec = {
      name: `lxd-ts-${filesystem}`,
      config: { size: '2GiB' },
      path: join(context.directory, 'pool'),
      disks: join(context.directory, 'disks'),
    };
    pool = await zfs.open({ ...spec, config: await zfs.create(spec) });
    context.defer('delete the pool', () => pool.delete());
  });
  afterAll(() => context[Symbol.asyncDispose]());

  it('the file system is the one configured, with its mount options, and the disk is gone when nobody uses it', async () => {
    const options = { ...volume, config: { ...volume.config, 'block.mount_options': 'noatime' } };
    await pool.createVolume(options, ({ path }) => writeFile(join(path, 'f'), 'one'));
    {
      await using mounted = await pool.mountVolume(options);
      const mount = await findMount(mounted.path);
      expect(mount?.type).toBe(filesystem);
      expect(mount?.options).toContain('noatime');
      expect(await readdir(mounted.path)).toEqual(['f']);
    }
    const { stdout } = await run([
      'zfs',
      'get',
      '-H',
      '-o',
      'value',
      'volmode',
      `lxd-ts-${filesystem}/custom/default_v`,
    ]);
    expect(stdout.trim()).toBe('none');
  });

  it('a snapshot taken while it is written to, a copy, and both mounted beside it', async () => {
    await using mounted = await pool.mountVolume(volume);
    await writeFile(join(mounted.path, 'f'), 'two');
    await pool.createSnapshot({ ...volume, snapshot: 's0' });
    await writeFile(join(mounted.path, 'f'), 'three');
    await pool.copyVolume(copy, { ...volume, snapshot: 's0' }, []);
    await using snapshot = await pool.mountVolume({ ...volume, snapshot: 's0' });
    expect(await readFile(join(snapshot.path, 'f'), 'utf8')).toBe('two');
    expect(await read(copy)).toBe('two');
    await expect(writeFile(join(snapshot.path, 'f'), 'x')).rejects.toThrow('EROFS');
  });

  it('[05.95 05.97] it grows while mounted, and shrinks where its file system can', async () => {
    {
      await using mounted = await pool.mountVolume(volume);
      await pool.resizeVolume(volume, 800 * MiB);
      expect((await diskUsage(mounted.path)).total).toBeGreaterThan(600 * MiB);
      expect(await pool.usage(volume)).toMatchObject({ total: 800 * MiB });
    }
    const shrunk = await pool.resizeVolume(volume, 600 * MiB).then(
      () => true,
      (error: unknown) => isKind(error, 'bad-request') && error.message.includes('xfs'),
    );
    expect(shrunk).toBe(true);
    if (filesystem !== 'xfs') expect(await pool.usage(volume)).toMatchObject({ total: 600 * MiB });
    expect(await read(volume)).toBe('three');
  });

  it('restoring keeps the size', async () => {
    const size = (await pool.usage(volume))?.total;
    await pool.restoreVolume(volume, 's0');
    expect(await read(volume)).toBe('two');
    expect((await pool.usage(volume))?.total).toBe(size);
    await using mounted = await pool.mountVolume(volume);
    expect((await diskUsage(mounted.path)).total).toBeGreaterThan((size ?? 0) * 0.7);
  });

  // xfs does not shrink, and btrfs not while it is as small as this.
  if (filesystem === 'ext4')
    it('[05.126] what it was does not fit the size it has now: it stays what it is', async () => {
      const large = { ...volume, name: 'large' };
      await pool.createVolume(large, ({ path }) => writeFile(join(path, 'f'), Buffer.alloc(290 * MiB, 'x')));
      await pool.createSnapshot({ ...large, snapshot: 's0' });
      {
        await using mounted = await pool.mountVolume(large);
        await writeFile(join(mounted.path, 'f'), 'small');
      }
      await pool.resizeVolume(large, 280 * MiB);
      const error = await pool.restoreVolume(large, 's0').catch((reason: unknown) => reason);
      expect(isKind(error, 'bad-request') && error.message).toContain('cannot shrink to');
      expect(await read(large)).toBe('small');
      await pool.deleteSnapshot({ ...large, snapshot: 's0' });
      await pool.deleteVolume(large);
    });

  it('a volume kept as a dataset is copied to one in block mode, and back', async () => {
    const dataset: Volume = { ...volume, name: 'dataset', config: { size: '400MiB' } };
    await pool.createVolume(dataset, ({ path }) => writeFile(join(path, 'f'), 'plain'));
    await pool.createSnapshot({ ...dataset, snapshot: 's0' });
    const formatted = { ...volume, name: 'formatted' };
    const back = { ...dataset, name: 'back' };
    await pool.copyVolume(formatted, dataset, ['s0']);
    await pool.copyVolume(back, formatted, ['s0']);
    for (const one of [formatted, { ...formatted, snapshot: 's0' }, back, { ...back, snapshot: 's0' }]) {
      expect(await read(one)).toBe('plain');
    }
    for (const one of [dataset, formatted, back]) {
      await pool.deleteSnapshot({ ...one, snapshot: 's0' });
      await pool.deleteVolume(one);
    }
  });

  it('all is deleted again', async () => {
    await pool.deleteVolume(copy);
    await pool.deleteSnapshot({ ...volume, snapshot: 's0' });
    await pool.deleteVolume(volume);
    expect(await pool.listVolumes()).toEqual([]);
    expect(await isMountPoint(join(pool.path, 'custom/default_v'))).toBe(false);
    const { stdout } = await run(['zfs', 'list', '-H', '-o', 'name', '-r', `lxd-ts-${filesystem}/deleted`]);
    expect(stdout.trim().split('\n')).toHaveLength(6);
  });
});
