import { poolConfigKeys, type Volume, validateConfig } from '@lxd-ts/driver-kit';
import { zfs } from '@lxd-ts/storage-zfs';
import { expect, it } from 'vitest';
import { createArguments, diskSize, limitProperties, parseBlocksize } from './properties.ts';

const KiB = 1024;
const volume = (config: Volume['config'], content: Volume['content'] = 'filesystem'): Volume => ({
  type: 'custom',
  content,
  project: 'default',
  name: 'v',
  config,
});

it('[05.204 05.262] block sizes are powers of two from 512 bytes to 16 MiB', () => {
  for (const good of ['512', '4KiB', '16MiB']) parseBlocksize(good);
  for (const bad of ['256', '3KiB', '32MiB', '1000']) expect(() => parseBlocksize(bad), bad).toThrow('power of 2');
  expect(() => validateConfig(zfs.volumeConfig, { 'zfs.blocksize': '3KiB' }, 'volume')).toThrow(/zfs\.blocksize.*3KiB/);
});

it('[05.204] disks use blocks of at most 128 KiB, datasets larger ones', () => {
  const config = { 'zfs.blocksize': '1MiB', size: '1MiB' };
  expect(createArguments('dataset', 'p/d', volume(config))).toContain(`recordsize=${KiB ** 2}`);
  const disk = createArguments('disk', 'p/d', volume(config, 'block'));
  expect(disk.slice(disk.indexOf('-b'), disk.indexOf('-b') + 2)).toEqual(['-b', String(128 * KiB)]);
});

it('the size of a disk is a multiple of its block size', () => {
  expect(diskSize(volume({}), 1_000_000)).toBe(1_015_808);
  expect(diskSize(volume({ 'zfs.blocksize': '64KiB' }), 200 * KiB)).toBe(256 * KiB);
  expect(diskSize(volume({}), 1)).toBe(128 * KiB);
});

it('[05.202 05.203] a size is a quota or a refquota, reserved if wanted, and what no longer applies is cleared', () => {
  const sorted = (config: Volume['config'], size?: number): string[] => limitProperties(config, size).sort();
  expect(sorted({}, 5)).toEqual(['quota=5', 'refquota=none', 'refreservation=none', 'reservation=none']);
  expect(sorted({ 'zfs.use_refquota': 'true' }, 5)).toEqual([
    'quota=none',
    'refquota=5',
    'refreservation=none',
    'reservation=none',
  ]);
  expect(sorted({ 'zfs.reserve_space': 'true' }, 5)).toContain('reservation=5');
  expect(sorted({ 'zfs.reserve_space': 'true', 'zfs.use_refquota': 'true' }, 5)).toContain('refreservation=5');
  expect(sorted({ 'zfs.reserve_space': 'true' })).toEqual([
    'quota=none',
    'refquota=none',
    'refreservation=none',
    'reservation=none',
  ]);
});

it('[05.203] a disk is sparse unless its space is reserved', () => {
  expect(createArguments('disk', 'p/d', volume({ size: '1MiB' }, 'block'))).toContain('-s');
  expect(createArguments('disk', 'p/d', volume({ size: '1MiB', 'zfs.reserve_space': 'true' }, 'block'))).not.toContain(
    '-s',
  );
});

it('[05.205 05.263] the keys of the driver', () => {
  const pool = { size: '1GiB', 'zfs.pool_name': 'tank', 'zfs.clone_copy': 'rebase', 'zfs.export': 'false' };
  validateConfig(poolConfigKeys(zfs), { ...pool, 'volume.zfs.block_mode': 'true' }, 'pool');
  expect(() => validateConfig(poolConfigKeys(zfs), { 'zfs.clone_copy': 'perhaps' }, 'pool')).toThrow(
    'true, false, rebase',
  );
  expect(() => validateConfig(zfs.volumeConfig, { 'block.filesystem': 'ntfs' }, 'volume')).toThrow('btrfs, ext4, xfs');
});

it('[05.25] a source is a path, a zpool or a dataset, and never an option', () => {
  const check = (config: Record<string, string>) => validateConfig(zfs.poolConfig, config, 'pool');
  for (const good of ['/dev/sdb', 'tank', 'tank/slice', 'tank_1/a.b:c-d']) check({ source: good });
  for (const bad of ['-r', '..', '../x', 'tank/', 'tank//x', 'tank/../x@y', 'a b', 'tank@s', '1tank', 'mirror']) {
    expect(() => check({ source: bad }), bad).toThrow('"source"');
    expect(() => check({ 'zfs.pool_name': bad }), bad).toThrow('"zfs.pool_name"');
  }
});
