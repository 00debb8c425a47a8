/** Custom volumes: snapshots with schedules and expiry, copies, refreshed copies, moves and renames. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { lxc as ownLxc } from '../support/instance.ts';
import type { Lxd } from '../support/lxd.ts';
import { debianLxc, debianLxcFails, startWithPools } from '../support/pools.ts';
import { eventually } from '../support/wait.ts';

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
  await lxc('init', 'busybox', 'user');
});
afterAll(() => lxd[Symbol.asyncDispose]());

const lxc = (...args: string[]): Promise<string> => debianLxc(lxd, ...args);
const lxcFails = (...args: string[]): Promise<string> => debianLxcFails(lxd, ...args);
const texts = z.array(z.string());
const url = (pool: string, volume: string): string => `/1.0/storage-pools/${pool}/volumes/custom/${volume}`;
const volumesOf = async (pool: string): Promise<string[]> =>
  texts
    .parse(await lxd.api('GET', `/1.0/storage-pools/${pool}/volumes/custom`))
    .map((one) => one.slice(url(pool, '').length))
    .filter((one) => !one.includes('/'));
const snapshots = z.array(
  z.looseObject({ name: z.string(), description: z.string(), expires_at: z.string().nullable() }),
);
const snapshotsOf = async (pool: string, volume: string) =>
  snapshots.parse(await lxd.api('GET', `${url(pool, volume)}/snapshots?recursion=1`));
const namesOf = async (pool: string, volume: string): Promise<string[]> =>
  (await snapshotsOf(pool, volume)).map(({ name }) => name.slice(volume.length + 1));
/** A directory of the daemon, in its mount namespace. */
const onDisk = (path: string): string => join(`/proc/${lxd.pid()}/root`, lxd.folder, 'storage-pools', path);

/** Writes a file into a volume through an instance that attaches it for the moment. */
const write = async (pool: string, volume: string, file: string, text: string): Promise<void> => {
  await lxc('storage', 'volume', 'attach', pool, volume, 'user', 'data', '/data');
  await lxc('start', 'user');
  await lxc('exec', 'user', '--', 'sh', '-c', `echo ${text} > /data/${file}; chown 1000:1001 /data/${file}`);
  await lxc('stop', '--force', 'user');
  await lxc('config', 'device', 'remove', 'user', 'data');
};
/** What a volume holds, each file with its owner and text. */
const read = async (pool: string, volume: string): Promise<string[]> => {
  await lxc('storage', 'volume', 'attach', pool, volume, 'user', 'data', '/data');
  await lxc('start', 'user');
  const found = await lxc(
    'exec',
    'user',
    '--',
    'sh',
    '-c',
    'cd /data; for f in *; do [ -e "$f" ] && echo "$f $(stat -c %u:%g "$f") $(cat "$f")"; done; true',
  );
  await lxc('stop', '--force', 'user');
  await lxc('config', 'device', 'remove', 'user', 'data');
  return found.split('\n').filter((line) => line !== '');
};

describe('snapshots', () => {
  test('[05.113 05.114 05.115 05.116 05.117 05.120 05.121 05.122 05.123 05.124] names, expiry and what can be edited', async () => {
    await lxc('storage', 'volume', 'create', 'plain', 'kept', 'snapshots.expiry=1d');
    for (const client of [lxc, (...args: string[]) => ownLxc(lxd, ...args)])
      await client('storage', 'volume', 'snapshot', 'plain', 'kept');
    expect(await namesOf('plain', 'kept')).toEqual(['snap0', 'snap1']);
    await lxc('storage', 'volume', 'snapshot', 'plain', 'kept', 'for-ever', '--no-expiry');
    const [first, , last] = await snapshotsOf('plain', 'kept');
    const inADay = new Date(first?.expires_at ?? '').getTime() - Date.now();
    expect(Math.abs(inADay - 24 * 3600_000)).toBeLessThan(30_000);
    expect(last?.expires_at).toBeNull();
    expect(await lxcFails('storage', 'volume', 'snapshot', 'plain', 'kept', 'snap0')).toContain('already in use');
    await lxc('storage', 'volume', 'snapshot', 'plain', 'kept', 'snap0', '--reuse');
    const change = { description: 'text', expires_at: '2035-01-01T00:00:00Z', config: { 'user.x': 'y' } };
    await lxd.api('PUT', `${url('plain', 'kept')}/snapshots/snap1`, change);
    expect(await lxd.api('GET', `${url('plain', 'kept')}/snapshots/snap1`)).toMatchObject({
      name: 'snap1',
      description: 'text',
      expires_at: '2035-01-01T00:00:00.000Z',
      config: { 'snapshots.expiry': '1d' },
    });
    await lxd.api('PATCH', `${url('plain', 'kept')}/snapshots/snap1`, { description: 'other' });
    await lxd.api('PUT', `${url('plain', 'kept')}/snapshots/for-ever`, { description: '', expires_at: null });
    expect(await lxd.api('GET', `${url('plain', 'kept')}/snapshots/snap1`)).toMatchObject({
      description: 'other',
      expires_at: '2035-01-01T00:00:00.000Z',
    });
    await lxc('storage', 'volume', 'set', 'plain', 'kept', 'snapshots.pattern', "{{ creation_date|date:'2006' }}-%d");
    await lxc('storage', 'volume', 'snapshot', 'plain', 'kept');
    expect(await namesOf('plain', 'kept')).toContain(`${new Date().getFullYear()}-0`);
    await lxc('storage', 'volume', 'set', 'plain', 'kept', 'snapshots.pattern', 'a/b');
    expect(await lxcFails('storage', 'volume', 'snapshot', 'plain', 'kept')).toContain('Error');
    await lxc('storage', 'volume', 'delete', 'plain', 'kept');
    expect(existsSync(onDisk('plain/custom-snapshots/default_kept'))).toBe(false);
  });

  test('[05.118 05.119 05.125 05.263] schedules and expiries that cannot be are refused', async () => {
    await lxc('storage', 'volume', 'create', 'plain', 'strict');
    for (const setting of ['snapshots.schedule=@startup', 'snapshots.schedule=61 * * * *', 'snapshots.expiry=soon'])
      expect(await lxcFails('storage', 'volume', 'set', 'plain', 'strict', setting)).toContain('snapshots.');
    for (const setting of ['snapshots.schedule=@daily, @hourly', 'snapshots.schedule=@never', 'snapshots.schedule='])
      await lxc('storage', 'volume', 'set', 'plain', 'strict', setting);
    await expect(
      lxd.api('POST', '/1.0/storage-pools/plain/volumes/custom', { name: 'x', config: { 'snapshots.expiry': '1x' } }),
    ).rejects.toMatchObject({ code: 400 });
    await lxc('storage', 'volume', 'delete', 'plain', 'strict');
  });

  test('[05.118 05.119 05.121 05.78] the server takes what is scheduled each minute, and deletes what has expired', async () => {
    await lxc('storage', 'set', 'tree', 'volume.snapshots.schedule', '* * * * *');
    await lxc('storage', 'volume', 'create', 'tree', 'minutely', 'snapshots.pattern=auto%d');
    await lxc('storage', 'unset', 'tree', 'volume.snapshots.schedule');
    await lxc('storage', 'volume', 'create', 'plain', 'short');
    const expires_at = new Date(Date.now() + 1000).toISOString();
    await lxd.api('POST', `${url('plain', 'short')}/snapshots`, { name: 'brief', expires_at });
    await lxd.api('POST', `${url('plain', 'short')}/snapshots`, { name: 'long', expires_at: '2040-01-01T00:00:00Z' });
    await eventually(
      () => namesOf('tree', 'minutely'),
      (names) => names.includes('auto0'),
      70_000,
    );
    await eventually(
      () => namesOf('plain', 'short'),
      (names) => names.join() === 'long',
      70_000,
    );
    await lxc('storage', 'volume', 'delete', 'tree', 'minutely');
    await lxc('storage', 'volume', 'delete', 'plain', 'short');
  });

  test.each(['plain', 'tree'])(
    '[05.126 05.127 05.254 05.266] any snapshot in %s is restored, with nobody using the volume',
    async (pool) => {
      await lxc('storage', 'volume', 'create', pool, 'back');
      await write(pool, 'back', 'one', '1');
      await lxc('storage', 'volume', 'snapshot', pool, 'back', 's0');
      await write(pool, 'back', 'two', '2');
      await lxc('storage', 'volume', 'snapshot', pool, 'back', 's1');
      await lxc('storage', 'volume', 'rename', pool, 'back/s0', 'back/old');
      await lxc('storage', 'volume', 'restore', pool, 'back', 'old');
      expect(await read(pool, 'back')).toEqual(['one 1000:1001 1']);
      await lxc('storage', 'volume', 'restore', pool, 'back', 's1');
      expect(await read(pool, 'back')).toEqual(['one 1000:1001 1', 'two 1000:1001 2']);
      expect(await lxcFails('storage', 'volume', 'restore', pool, 'back', 's0')).toContain('not found');
      await lxc('storage', 'volume', 'attach', pool, 'back', 'user', '/data');
      await lxc('start', 'user');
      expect(await lxcFails('storage', 'volume', 'restore', pool, 'back', 's1')).toContain('user');
      expect(await lxcFails('storage', 'volume', 'rename', pool, 'back', 'other')).toContain('user');
      await lxc('stop', '--force', 'user');
      await lxc('config', 'device', 'remove', 'user', 'back');
      await lxc('storage', 'volume', 'delete', pool, 'back');
    },
  );
});

describe('copies', () => {
  beforeAll(async () => {
    await lxc('storage', 'volume', 'create', 'plain', 'source', 'user.x=y', 'snapshots.expiry=1w');
    await write('plain', 'source', 'one', '1');
    await lxc('storage', 'volume', 'snapshot', 'plain', 'source', 's0');
    await write('plain', 'source', 'two', '2');
    await lxc('storage', 'volume', 'snapshot', 'plain', 'source', 's1');
    await write('plain', 'source', 'three', '3');
  });
  afterAll(() => lxc('storage', 'volume', 'delete', 'plain', 'source'));

  test.each(['plain', 'plain2', 'tree'])(
    '[05.99 05.100 05.103 05.105 05.110] to %s, with snapshots, without, or of one',
    async (pool) => {
      const copy = (from: string, to: string, ...options: string[]) =>
        lxc('storage', 'volume', 'copy', `plain/${from}`, `${pool}/${to}`, ...options);
      await copy('source', 'all');
      expect(await lxd.api('GET', url(pool, 'all'))).toMatchObject({
        config: { 'user.x': 'y', 'snapshots.expiry': '1w' },
        content_type: 'filesystem',
      });
      expect(await namesOf(pool, 'all')).toEqual(['s0', 's1']);
      const dates = async (from: string, volume: string) =>
        (await snapshotsOf(from, volume)).map((one) => one.expires_at);
      expect(await dates(pool, 'all')).toEqual(await dates('plain', 'source'));
      expect(await read(pool, 'all')).toHaveLength(3);
      await lxc('storage', 'volume', 'restore', pool, 'all', 's0');
      expect(await read(pool, 'all')).toEqual(['one 1000:1001 1']);
      await copy('source', 'alone', '--volume-only');
      expect(await namesOf(pool, 'alone')).toEqual([]);
      await copy('source/s1', 'then');
      expect(await read(pool, 'then')).toEqual(['one 1000:1001 1', 'two 1000:1001 2']);
      expect(await lxcFails('storage', 'volume', 'copy', 'plain/source', `${pool}/all`)).toContain('already exists');
      for (const name of ['all', 'alone', 'then']) await lxc('storage', 'volume', 'delete', pool, name);
    },
  );

  test('[05.103 05.266] what cannot be copied is refused at once', async () => {
    const copy = (source: object, name = 'target') =>
      lxd.api('POST', '/1.0/storage-pools/plain/volumes/custom', { name, source: { type: 'copy', ...source } });
    await expect(copy({ name: 'source' }, 'source')).rejects.toMatchObject({ code: 409 });
    await expect(copy({ name: 'source', refresh: true }, 'source')).rejects.toMatchObject({ code: 409 });
    await expect(copy({ name: 'missing' })).rejects.toMatchObject({ code: 404 });
    await expect(copy({ name: 'source/missing' })).rejects.toMatchObject({ code: 404 });
    await expect(copy({ name: 'source', pool: 'missing' })).rejects.toMatchObject({ code: 404 });
    expect(await volumesOf('plain')).toEqual(['source']);
  });

  test.each(['plain', 'plain2', 'tree'])('[05.101] a copy in %s is brought up to date', async (pool) => {
    const refresh = (...options: string[]) =>
      lxc('storage', 'volume', 'copy', 'plain/changing', `${pool}/follower`, '--refresh', ...options);
    await lxc('storage', 'volume', 'copy', 'plain/source', 'plain/changing');
    // There is none yet: it is made.
    await refresh();
    expect(await namesOf(pool, 'follower')).toEqual(['s0', 's1']);
    await lxc('storage', 'volume', 'snapshot', pool, 'follower', 'own');
    await lxc('storage', 'volume', 'delete', 'plain', 'changing/s0');
    await write('plain', 'changing', 'four', '4');
    await lxc('storage', 'volume', 'snapshot', 'plain', 'changing', 's2');
    await lxd.api('PUT', url('plain', 'changing'), { config: {}, restore: 's1' });
    await write('plain', 'changing', 'five', '5');
    await refresh('--volume-only');
    expect(await namesOf(pool, 'follower')).toEqual(['s0', 's1', 'own']);
    expect(await read(pool, 'follower')).toEqual(await read('plain', 'changing'));
    await refresh();
    expect(await namesOf(pool, 'follower')).toEqual(['s1', 's2']);
    expect(await read(pool, 'follower')).toEqual(['five 1000:1001 5', 'one 1000:1001 1', 'two 1000:1001 2']);
    await lxc('storage', 'volume', 'restore', pool, 'follower', 's2');
    expect(await read(pool, 'follower')).toHaveLength(4);
    for (const [where, name] of [
      [pool, 'follower'],
      ['plain', 'changing'],
    ] as const)
      await lxc('storage', 'volume', 'delete', where, name);
  });
});

describe('moves', () => {
  test('[05.102 05.104 05.258] a renamed or moved volume is still attached, with its snapshots', async () => {
    await lxc('storage', 'volume', 'create', 'plain', 'first');
    await write('plain', 'first', 'one', '1');
    await lxc('storage', 'volume', 'snapshot', 'plain', 'first', 's0');
    await lxc('storage', 'volume', 'attach', 'plain', 'first', 'user', 'data', '/data');
    await lxc('profile', 'create', 'sharing');
    await lxc('storage', 'volume', 'attach-profile', 'plain', 'first', 'sharing', 'data', '/data');
    await lxc('snapshot', 'user', 'then');
    await lxc('storage', 'volume', 'rename', 'plain', 'first', 'second');
    expect(await volumesOf('plain')).toEqual(['second']);
    expect(readdirSync(onDisk('plain/custom'))).toEqual(['default_second']);
    await lxd.api('POST', url('plain', 'second'), { name: 'third', pool: 'tree' });
    expect(await volumesOf('plain')).toEqual([]);
    expect(readdirSync(onDisk('plain/custom'))).toEqual([]);
    expect(existsSync(onDisk('plain/custom-snapshots/default_second'))).toBe(false);
    expect(await namesOf('tree', 'third')).toEqual(['s0']);
    const used = z.looseObject({ used_by: texts }).parse(await lxd.api('GET', url('tree', 'third'))).used_by;
    expect(used.sort()).toEqual(['/1.0/instances/user', '/1.0/instances/user/snapshots/then', '/1.0/profiles/sharing']);
    await lxc('start', 'user');
    expect(await lxc('exec', 'user', '--', 'cat', '/data/one')).toBe('1\n');
    await expect(lxd.api('POST', url('tree', 'third'), { name: 'third', pool: 'plain' })).rejects.toThrow('user');
    await lxc('stop', '--force', 'user');
    expect(await lxcFails('storage', 'volume', 'delete', 'tree', 'third')).toContain('in use');
    await lxc('config', 'device', 'remove', 'user', 'data');
    await lxc('delete', 'user/then');
    await lxc('profile', 'delete', 'sharing');
    // Debian's client moves by a copy and a deletion.
    await lxc('storage', 'volume', 'move', 'tree/third', 'plain2/fourth');
    expect(await read('plain2', 'fourth')).toEqual(['one 1000:1001 1']);
    for (const body of [{ name: '' }, { name: 'a/b' }, { name: 'fourth', pool: 'plain2' }, { name: 'x', pool: 'none' }])
      await expect(lxd.api('POST', url('plain2', 'fourth'), body)).rejects.toThrow();
    await lxc('storage', 'volume', 'delete', 'plain2', 'fourth');
  });
});

describe('disks', () => {
  test('[05.62 05.66 05.82 05.98 05.264 05.282] a block volume is nothing for containers, and grows only', async () => {
    await lxc('storage', 'volume', 'create', 'plain', 'disk', '--type=block', 'size=8MiB');
    expect(await lxd.api('GET', url('plain', 'disk'))).toMatchObject({ content_type: 'block', used_by: [] });
    const refusal = 'Custom block volumes cannot be used on containers';
    expect(await lxcFails('storage', 'volume', 'attach', 'plain', 'disk', 'user')).toContain('"path"');
    expect(await lxcFails('storage', 'volume', 'attach', 'plain', 'disk', 'user', '/data')).toContain(refusal);
    const device = ['config', 'device', 'add', 'user', 'data', 'disk', 'path=/data', 'pool=plain'];
    expect(await lxcFails(...device, 'source=disk')).toContain(refusal);
    expect(await lxcFails(...device, 'source=missing')).toContain('Storage volume not found');
    const body = {
      name: 'never',
      source: { type: 'none' },
      devices: {
        root: { type: 'disk', path: '/', pool: 'plain' },
        data: { type: 'disk', pool: 'plain', source: 'disk', path: '/data' },
      },
    };
    await expect(lxd.api('POST', '/1.0/instances', body)).rejects.toThrow(refusal);
    expect(await lxcFails('storage', 'volume', 'set', 'plain', 'disk', 'size=4MiB')).toContain('cannot be shrunk');
    await lxc('storage', 'volume', 'set', 'plain', 'disk', 'size=16MiB');
    expect(await lxd.api('GET', `${url('plain', 'disk')}/state`)).toMatchObject({ usage: { total: 16 * 1024 ** 2 } });
    await lxc('storage', 'volume', 'copy', 'plain/disk', 'tree/disk');
    expect(await lxd.api('GET', `${url('tree', 'disk')}/state`)).toMatchObject({ usage: { total: 16 * 1024 ** 2 } });
    for (const content_type of ['iso', 'tape', 'fs'])
      await expect(
        lxd.api('POST', '/1.0/storage-pools/plain/volumes/custom', { name: 'x', content_type }),
      ).rejects.toMatchObject({ code: 400 });
    await lxc('storage', 'volume', 'delete', 'tree', 'disk');
    await lxc('storage', 'volume', 'delete', 'plain', 'disk');
  });
});

test('[05.46 05.54 05.58 05.71 05.74 05.125] what uses pools and volumes; the root volume of an instance is configured by its type', async () => {
  await lxc('storage', 'volume', 'create', 'plain2', 'seen');
  await lxc('storage', 'volume', 'snapshot', 'plain2', 'seen', 's0');
  await lxc('init', 'busybox', 'seer', '--storage', 'plain2');
  await lxc('storage', 'volume', 'attach', 'plain2', 'seen', 'seer', '/data');
  const usable = z.looseObject({ used_by: texts });
  expect(usable.parse(await lxd.api('GET', '/1.0/storage-pools/plain2')).used_by).toEqual([
    '/1.0/instances/seer',
    url('plain2', 'seen'),
    `${url('plain2', 'seen')}/snapshots/s0`,
  ]);
  const rows = z.array(z.looseObject({ name: z.string(), type: z.string(), used_by: texts }));
  const seen = rows.parse(await lxd.api('GET', '/1.0/storage-pools/plain2/volumes?recursion=1'));
  expect(seen.map(({ name, type, used_by }) => [type, name, used_by])).toEqual([
    ['container', 'seer', ['/1.0/instances/seer']],
    ['custom', 'seen', ['/1.0/instances/seer']],
    ['custom', 'seen/s0', []],
  ]);
  await lxc('storage', 'volume', 'set', 'plain2', 'container/seer', 'user.note=mine');
  expect(await lxc('storage', 'volume', 'get', 'plain2', 'container/seer', 'user.note')).toBe('mine\n');
  for (const setting of ['size=1GiB', 'snapshots.expiry=1d', 'security.shifted=true', 'nonsense=1'])
    expect(await lxcFails('storage', 'volume', 'set', 'plain2', 'container/seer', setting)).toContain('Error');
  await lxc('delete', 'seer');
  await lxc('storage', 'volume', 'delete', 'plain2', 'seen');
});
