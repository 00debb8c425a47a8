import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StorageDriver, Volume } from '@lxd-ts/driver-kit';
import { testContext } from '@lxd-ts/driver-kit/testing';
import { btrfs } from '@lxd-ts/storage-btrfs';
import { dir } from '@lxd-ts/storage-dir';
import { expect, test } from 'vitest';
import { copyAcross, diskSize, type Located, refreshing } from './copy-across.ts';

const MiB = 1024 ** 2;
const files: Volume = { type: 'custom', content: 'filesystem', project: 'default', name: 'files', config: {} };
const disk: Volume = { ...files, content: 'block', name: 'disk', config: { size: `${8 * MiB}B` } };

/** Two pools of the drivers named, in a directory of their own that goes with them. */
const twoPools = async (...drivers: readonly [StorageDriver, StorageDriver]) => {
  const context = await testContext('lxd-ts-across');
  const open = async (driver: StorageDriver, name: string): Promise<Located['open']> => {
    const config = driver.features.loopFiles ? { size: '200MiB' } : {};
    const path = join(context.directory, 'storage-pools', name);
    const spec = { name, config, path, disks: join(context.directory, 'disks') };
    const effective = await driver.create(spec);
    const pool = { id: 0, name, driver: driver.name, description: '', config: effective, state: 'created' as const };
    return { driver, pool, storage: await driver.open({ ...spec, config: effective }) };
  };
  const source = await open(drivers[0], 'source');
  const target = await open(drivers[1], 'target');
  return {
    source,
    target,
    async [Symbol.asyncDispose]() {
      await source.storage[Symbol.asyncDispose]();
      await target.storage[Symbol.asyncDispose]();
      await context[Symbol.asyncDispose]();
    },
  };
};

/** Runs something with what a volume holds: the file `f`, or the disk. */
const inside = async <T>({ open, volume }: Located, work: (path: string) => Promise<T>): Promise<T> => {
  await using mounted = await open.storage.mountVolume(volume);
  return await work(mounted.disk ?? join(mounted.path, 'f'));
};
const write = async (located: Located, text: string): Promise<void> => {
  // Files of one size are told apart by their times, which the kernel advances every few milliseconds.
  await new Promise((resolve) => setTimeout(resolve, 20));
  await inside(located, (path) => writeFile(path, text, { flag: located.volume.content === 'block' ? 'r+' : 'w' }));
};
const read = (located: Located): Promise<string> =>
  inside(located, async (path) => (await readFile(path)).subarray(0, 5).toString());

const at = (located: Located, snapshot: string): Located => ({ ...located, volume: { ...located.volume, snapshot } });

test.each([
  ['dir', 'dir', dir, dir],
  ['dir', 'btrfs', dir, btrfs],
  ['btrfs', 'dir', btrfs, dir],
  ['btrfs', 'btrfs', btrfs, btrfs],
] as const)(
  'from %s to %s files and disks are copied with their snapshots, and brought up to date',
  async (_from, _to, one, other) => {
    await using pools = await twoPools(one, other);
    for (const volume of [files, disk]) {
      const source: Located = { open: pools.source, volume };
      const target: Located = { open: pools.target, volume: { ...volume, name: `copy-of-${volume.name}`, config: {} } };
      await source.open.storage.createVolume(volume);
      await write(source, 'first');
      await source.open.storage.createSnapshot(at(source, 's0').volume);
      await write(source, 'other');
      await source.open.storage.createSnapshot(at(source, 's1').volume);
      await write(source, 'third');

      await copyAcross(target, source, ['s0', 's1']);
      expect(await read(target)).toBe('third');
      expect(await read(at(target, 's0'))).toBe('first');
      expect(await read(at(target, 's1'))).toBe('other');
      if (volume.content === 'block')
        expect(await inside(target, async (path) => (await stat(path)).size)).toBe(8 * MiB);

      await (await refreshing(target, at(source, 's0'), [], [])).finish();
      expect(await read(target)).toBe('first');
      expect(await read(at(target, 's1'))).toBe('other');
      await write(target, 'mine!');
      expect(await read(source)).toBe('third');
    }
  },
);

test('a copy that fails leaves nothing', async () => {
  await using pools = await twoPools(dir, btrfs);
  const source: Located = { open: pools.source, volume: files };
  await source.open.storage.createVolume(files);
  await source.open.storage.createSnapshot(at(source, 's0').volume);
  const target: Located = { open: pools.target, volume: { ...files, name: 'copy' } };
  await expect(copyAcross(target, source, ['s0', 'missing'])).rejects.toThrow('not there');
  expect(await pools.target.storage.listVolumes()).toEqual([]);
  const stopped = AbortSignal.abort(new Error('enough'));
  await expect(copyAcross(target, source, ['s0'], { signal: stopped })).rejects.toThrow('enough');
  expect(await pools.target.storage.listVolumes()).toEqual([]);
});

test('the size of a disk is known whether it is a file or a block device', async () => {
  await using context = await testContext('lxd-ts-across');
  expect(await diskSize(await context.blockDevice(24 * MiB))).toBe(24 * MiB);
  const file = join(context.directory, 'disk');
  await writeFile(file, Buffer.alloc(1000));
  expect(await diskSize(file)).toBe(1000);
});
