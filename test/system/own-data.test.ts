/** The server's own data on custom volumes: `storage.backups_volume` and `storage.images_volume`. */
import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Lxd } from '../support/lxd.ts';
import { debianLxc, debianLxcFails, startWithPools } from '../support/pools.ts';

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
  for (const [pool, name] of [
    ['plain', 'one'],
    ['tree', 'two'],
    ['plain', 'full'],
  ] as const)
    await lxc('storage', 'volume', 'create', pool, name);
  await lxc('init', 'busybox', 'c1');
  await lxd.api('POST', '/1.0/instances/c1/backups', { name: 'kept', compression_algorithm: 'none' });
});
afterAll(() => lxd[Symbol.asyncDispose]());

const lxc = (...args: string[]): Promise<string> => debianLxc(lxd, ...args);
const set = (...settings: string[]): Promise<string> => lxc('config', 'set', ...settings);
const setFails = (setting: string): Promise<string> => debianLxcFails(lxd, 'config', 'set', setting);
const inside = (path: string): string => join(`/proc/${lxd.pid()}/root`, lxd.folder, path);
const texts = z.array(z.string());
const url = (pool: string, volume: string): string => `/1.0/storage-pools/${pool}/volumes/custom/${volume}`;
const volume = (pool: string, name: string): string => `storage-pools/${pool}/custom/default_${name}`;
/** What is in the folder of a volume or of the server, all the way down. */
const listing = (path: string): string[] =>
  execFileSync('find', ['.', '-type', 'f', '-printf', '%P %s\n'], { cwd: inside(path), encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '')
    .sort();
/** Where a folder of the server is: a volume's directory, or nothing when it is one of its own. */
const placeOf = (folder: string): string =>
  lstatSync(inside(folder)).isSymbolicLink() ? readlinkSync(inside(folder)).slice(lxd.folder.length + 1) : '';
/** That the server's data is all there, and works. */
const expectData = async (): Promise<void> => {
  expect(texts.parse(await lxd.api('GET', '/1.0/instances/c1/backups'))).toEqual(['/1.0/instances/c1/backups/kept']);
  expect(statSync(inside('backups/instances/c1/kept')).size).toBeGreaterThan(10_000);
  await lxc('init', 'busybox', 'fresh');
  await lxc('delete', 'fresh');
};

test('[05.92 05.93] volumes that will not do are refused, and nothing has changed', async () => {
  await lxc('storage', 'volume', 'create', 'plain', 'disk', '--type=block', 'size=8MiB');
  await lxc('storage', 'volume', 'create', 'plain', 'saved');
  await lxc('storage', 'volume', 'snapshot', 'plain', 'saved');
  execFileSync('touch', [inside(`${volume('plain', 'full')}/file`)]);
  for (const key of ['storage.backups_volume', 'storage.images_volume']) {
    for (const [value, why] of [
      ['nope', '<pool>/<volume>'],
      ['a/b/c', '<pool>/<volume>'],
      ['plain/nope', 'Storage volume not found'],
      ['nope/one', 'not found'],
      ['plain/disk', 'not filesystem content type'],
      ['plain/saved', 'cannot have snapshots'],
      ['plain/full', "isn't empty"],
    ] as const)
      expect(await setFails(`${key}=${value}`), value).toContain(why);
    expect(await lxc('config', 'get', key)).toBe('\n');
  }
  await expect(
    lxd.api('PATCH', '/1.0', {
      config: { 'storage.backups_volume': 'plain/one', 'storage.images_volume': 'plain/one' },
    }),
  ).rejects.toMatchObject({ code: 400 });
  expect([placeOf('backups'), placeOf('images')]).toEqual(['', '']);
  await expectData();
});

test('[05.92 05.93 05.94] a setting moves the data to the volume, to another one, and back', async () => {
  const [backups, images] = [listing('backups'), listing('images')];
  await set('storage.backups_volume=plain/one', 'storage.images_volume=tree/two');
  expect([placeOf('backups'), placeOf('images')]).toEqual([volume('plain', 'one'), volume('tree', 'two')]);
  expect([listing(volume('plain', 'one')), listing(volume('tree', 'two'))]).toEqual([backups, images]);
  await expectData();
  const used = z.looseObject({ used_by: texts });
  expect(used.parse(await lxd.api('GET', url('plain', 'one'))).used_by).toEqual(['/1.0']);
  for (const args of [
    ['delete', 'plain', 'one'],
    ['rename', 'plain', 'one', 'other'],
    ['snapshot', 'plain', 'one'],
    ['move', 'plain/one', 'plain2/one'],
  ])
    expect(await debianLxcFails(lxd, 'storage', 'volume', ...args)).toMatch(/used by LXD itself|in use/);
  await lxc('storage', 'volume', 'delete', 'plain2', 'one').catch(() => undefined);

  await lxd.stop();
  await lxd.start();
  await expectData();
  await lxc('storage', 'volume', 'create', 'tree', 'three');
  await set('storage.backups_volume=tree/three');
  expect(listing(volume('plain', 'one'))).toEqual([]);
  expect(listing(volume('tree', 'three'))).toEqual(backups);
  await lxc('storage', 'volume', 'delete', 'plain', 'one');
  await lxc('export', 'c1', join(lxd.scratch.folder, 'c1.tar.gz'));
  await lxc('import', join(lxd.scratch.folder, 'c1.tar.gz'), 'c2');
  await lxc('delete', 'c2');

  await lxd.kill();
  await lxd.start();
  await set('storage.backups_volume=', 'storage.images_volume=');
  expect([placeOf('backups'), placeOf('images')]).toEqual(['', '']);
  expect([listing('backups'), listing('images')]).toEqual([backups, images]);
  expect([listing(volume('tree', 'three')), listing(volume('tree', 'two'))]).toEqual([[], []]);
  expect(statSync(inside('backups')).mode & 0o777).toBe(0o700);
  await expectData();
});

test('a daemon that is killed while it moves its data has all of it at its next start', async () => {
  const backups = listing('backups');
  for (let round = 0; round < 30; round++) {
    const value = ['plain/full2', 'tree/two', ''][round % 3] ?? '';
    if (round === 0) await lxc('storage', 'volume', 'create', 'plain', 'full2');
    const change = lxd.api('PATCH', '/1.0', { config: { 'storage.backups_volume': value } }).catch(() => undefined);
    await sleep((round * 7) % 60);
    await lxd.kill();
    await change;
    await lxd.start();
    const now = (await lxc('config', 'get', 'storage.backups_volume')).trim();
    const [pool = '', name = ''] = now.split('/');
    expect(placeOf('backups'), `round ${round}`).toBe(now === '' ? '' : volume(pool, name));
    // The link is one of the daemon's mount namespace.
    expect(listing(placeOf('backups') || 'backups')).toEqual(backups);
    expect(readdirSync(inside('')).filter((entry) => entry.endsWith('.next'))).toEqual([]);
    // So that the next round has something to do, whatever became of this one.
    await set(`storage.backups_volume=${value}`);
    for (const [other, volumeName] of [
      ['plain', 'full2'],
      ['tree', 'two'],
    ] as const)
      if (`${other}/${volumeName}` !== value) expect(listing(volume(other, volumeName))).toEqual([]);
  }
  await set('storage.backups_volume=');
  await expectData();
}, 180_000);
