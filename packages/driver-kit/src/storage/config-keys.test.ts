import { expect, it } from 'vitest';
import { checkValue, findKey, validateConfig } from '../config.ts';
import {
  commonVolumeConfig,
  poolConfigKeys,
  rsyncPoolConfig,
  volumeConfigKeys,
  withPoolDefaults,
} from './config-keys.ts';
import { loopSizeFor } from './loop-file.ts';

const driver = { poolConfig: rsyncPoolConfig, volumeConfig: commonVolumeConfig };
const GiB = 1024 ** 3;

it('[05.20] a loop file gets a fifth of the free space, between 5 and 30 GiB', () => {
  expect([1, 25, 26, 100, 150, 151, 9999].map((free) => loopSizeFor(free * GiB) / GiB)).toEqual(
    [5, 5, 26 / 5, 20, 30, 30, 30].map((size) => Math.floor(size * GiB) / GiB),
  );
});

it('[05.78] a pool takes volume.<key> for each key of its volumes, checked like the key itself', () => {
  const keys = poolConfigKeys(driver);
  validateConfig(keys, { 'volume.size': '1GiB', 'volume.snapshots.expiry': '1d', 'rsync.bwlimit': '10M' }, 'pool');
  expect(() => validateConfig(keys, { 'volume.size': 'much' }, 'pool')).toThrow('volume.size');
  expect(() => validateConfig(keys, { 'volume.user.foo': 'x' }, 'pool')).toThrow('Unknown pool configuration key');
  expect(() => validateConfig(keys, { 'volume.zfs.blocksize': '1' }, 'pool')).toThrow('volume.zfs.blocksize');
  expect(findKey(keys, 'volatile.initial_source')?.internal).toBe(true);
});

it('[05.125] snapshots.* and security.* are keys of custom volumes only', () => {
  const names = (type: 'custom' | 'container'): string[] => volumeConfigKeys(driver, type).map(({ key }) => key);
  expect(names('custom')).toEqual(expect.arrayContaining(['security.shifted', 'snapshots.schedule', 'size', 'user.*']));
  expect(names('container')).toEqual(['size', 'user.*']);
});

it('[05.78 05.80] the pool defaults fill what the volume does not set, where its type has the key', () => {
  const pool = { 'volume.size': '1GiB', 'volume.snapshots.expiry': '1d', 'rsync.bwlimit': '1' };
  expect(withPoolDefaults(driver, 'custom', pool, { size: '2GiB', 'user.a': 'b' })).toEqual({
    size: '2GiB',
    'snapshots.expiry': '1d',
    'user.a': 'b',
  });
  expect(withPoolDefaults(driver, 'container', pool, {})).toEqual({ size: '1GiB' });
  expect(withPoolDefaults(driver, 'custom', pool, { size: '' })).toEqual({ size: '1GiB', 'snapshots.expiry': '1d' });
});

it('[05.118 05.120 05.163] schedules, expiries and rates are checked', () => {
  const check = (key: string, value: string) => (): void => {
    const declared = findKey([...commonVolumeConfig, ...rsyncPoolConfig], key);
    if (!declared) throw new TypeError(key);
    checkValue(declared, key, value);
  };
  for (const [key, good, bad] of [
    ['snapshots.schedule', ['0 6 * * *', '@daily', '@hourly, @weekly', '@never', ''], ['6', '@sometimes', '@startup']],
    ['snapshots.expiry', ['1M 2H 3d 4w 5m 6y', '3d', ''], ['soon', '3', '3 d', 'd3']],
    ['rsync.bwlimit', ['0', '500', '10M', '1.5MiB', ''], ['fast', '-1', '10 M']],
  ] as const) {
    for (const value of good) expect(check(key, value), `${key}=${value}`).not.toThrow();
    for (const value of bad) expect(check(key, value), `${key}=${value}`).toThrow(`Invalid value for "${key}"`);
  }
});
