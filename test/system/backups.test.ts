import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Lxd } from '../support/lxd.ts';
import { debianLxc, debianLxcFails, startWithPools } from '../support/pools.ts';
import { eventually } from '../support/wait.ts';

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
});
afterAll(() => lxd[Symbol.asyncDispose]());

const lxc = (...args: string[]): Promise<string> => debianLxc(lxd, ...args);
const file = (name: string): string => join(lxd.scratch.folder, name);
const octets = { 'content-type': 'application/octet-stream' };
const upload = (name: string, backup: string): Promise<unknown> =>
  lxd.api('POST', '/1.0/instances', readFileSync(backup), { headers: { ...octets, 'X-LXD-name': name } });
const names = z.array(z.string());
const instances = async (): Promise<string[]> => names.parse(await lxd.api('GET', '/1.0/instances'));
const backupsOf = async (name: string): Promise<string[]> =>
  names.parse(await lxd.api('GET', `/1.0/instances/${name}/backups`));
/** A directory of the daemon, in its mount namespace. */
const inside = (path: string): string => join(`/proc/${lxd.pid()}/root`, lxd.folder, path);
const volumes = (): string[] => readdirSync(inside('storage-pools/plain/containers')).sort();
const uploads = (): string[] => readdirSync(inside('backups')).filter((name) => name.startsWith('upload-'));

/** An instance with a snapshot that has a file less, packed. */
const exported = async (name: string, pool: string, ...options: string[]): Promise<string> => {
  await lxc('launch', 'busybox', name, '--storage', pool, '--config', 'user.x=y');
  await lxc('exec', name, '--', 'sh', '-c', 'echo one > /root/one; chown 1000:1001 /root/one; ln /root/one /root/hard');
  await lxc('exec', name, '--', 'ln', '-s', '/etc/shadow', '/root/link');
  await lxc('snapshot', name, 's0');
  await lxc('exec', name, '--', 'touch', '/root/two');
  const target = file(`${name}.tar`);
  await lxc('export', name, target, ...options);
  return target;
};

describe.each([
  ['plain', []],
  ['tree', []],
  ['tree', ['--optimized-storage']],
] as const)('pool %s, export options %j', (pool, options) => {
  test('[05.238 09.EP-08] an export has the snapshots and becomes the same instance again', async () => {
    const name = `all-${pool}${options.length}`;
    const backup = await exported(name, pool, ...options);
    expect(await backupsOf(name)).toEqual([]);
    await lxc('import', backup, `${name}-b`);
    await lxc('start', `${name}-b`);
    const listing = await lxc('exec', `${name}-b`, '--', 'stat', '-c', '%n %u %g %h', '/root/one', '/root/two');
    expect(listing).toBe('/root/one 1000 1001 2\n/root/two 0 0 1\n');
    expect(await lxc('exec', `${name}-b`, '--', 'readlink', '/root/link')).toBe('/etc/shadow\n');
    expect(await lxc('config', 'get', `${name}-b`, 'user.x')).toBe('y\n');
    await lxc('restore', `${name}-b`, 's0');
    expect(await lxc('exec', `${name}-b`, '--', 'ls', '/root')).toBe('hard\nlink\none\n');
    expect(await debianLxcFails(lxd, 'import', backup, `${name}-b`)).toContain('already exists');
    await lxc('delete', '--force', name, `${name}-b`);
  });
});

test('[05.241] backup.yaml in the volume keeps up with the instance and its snapshots', async () => {
  const record = z.looseObject({
    container: z.looseObject({ name: z.string(), config: z.record(z.string(), z.string()) }),
    pool: z.looseObject({ name: z.string(), driver: z.string() }),
    profiles: z.array(z.looseObject({ name: z.string() })),
    volume: z.looseObject({ name: z.string(), content_type: z.string() }),
    snapshots: z.array(z.looseObject({ name: z.string() })).default([]),
  });
  const read = () =>
    record.parse(parse(readFileSync(inside('storage-pools/plain/containers/record/backup.yaml'), 'utf8')));
  await lxc('init', 'busybox', 'record');
  expect(read()).toMatchObject({
    container: { name: 'record' },
    pool: { name: 'plain', driver: 'dir' },
    profiles: [{ name: 'default' }],
    volume: { name: 'record', content_type: 'filesystem' },
  });
  await lxc('config', 'set', 'record', 'user.x=y');
  expect(read().container.config['user.x']).toBe('y');
  await lxc('snapshot', 'record', 's0');
  await lxc('rename', 'record/s0', 'record/s1');
  expect(read().snapshots).toMatchObject([{ name: 's1' }]);
  await lxc('delete', 'record/s1');
  expect(read().snapshots).toEqual([]);
  await lxc('delete', 'record');
});

test('[05.138 05.268] a plain backup goes into a pool of another driver, an optimised one does not', async () => {
  const plain = await exported('move', 'tree');
  await lxc('import', plain, 'moved', '--storage', 'plain');
  expect(await lxc('config', 'device', 'get', 'moved', 'root', 'pool')).toBe('plain\n');
  const optimised = file('optimised.tar');
  await lxc('export', 'move', optimised, '--optimized-storage', '--instance-only');
  expect(await debianLxcFails(lxd, 'import', optimised, 'refused', '--storage', 'plain')).toContain('format of btrfs');
  await lxc('delete', '--force', 'move', 'moved');
  expect(uploads()).toEqual([]);
});

test('[09.MOD-09] backups are kept, compressed as asked, renamed, expired and deleted', async () => {
  await lxc('init', 'busybox', 'kept');
  const url = '/1.0/instances/kept/backups';
  const magics = { gzip: '1f8b', xz: 'fd377a585a', bzip2: '425a68', zstd: '28b52ffd', none: '5061784865616465' };
  for (const [compression_algorithm, magic] of Object.entries(magics)) {
    await lxd.api('POST', url, { name: compression_algorithm, compression_algorithm, instance_only: true });
    const start = readFileSync(inside(`backups/instances/kept/${compression_algorithm}`)).toString('hex', 0, 8);
    expect(start).toContain(magic);
  }
  for (const compression_algorithm of ['bash -x', 'gzip --suffix=/x', '../gzip', 'nope']) {
    await expect(lxd.api('POST', url, { compression_algorithm })).rejects.toMatchObject({ code: 400 });
  }
  for (const name of ['a/b', '..', '.x'])
    await expect(lxd.api('POST', url, { name })).rejects.toMatchObject({ code: 400 });
  await expect(lxd.api('POST', url, { name: 'xz' })).rejects.toThrow('already exists');
  await lxd.api('POST', `${url}/none`, { name: 'renamed' });
  const render = z.array(z.looseObject({ name: z.string(), instance_only: z.boolean(), expires_at: z.string() }));
  const all = render.parse(await lxd.api('GET', `${url}?recursion=1`));
  expect(all.map((one) => one.name)).toEqual(['gzip', 'xz', 'bzip2', 'zstd', 'renamed']);
  expect(all[0]).toMatchObject({ instance_only: true, expires_at: '0001-01-01T00:00:00Z' });
  await lxd.api('DELETE', `${url}/renamed`);
  await lxd.api('POST', url, { name: 'short', expires_at: new Date(Date.now() - 1000).toISOString() });
  await lxd.stop();
  await lxd.start();
  await eventually(
    () => backupsOf('kept'),
    (found) => !found.includes(`${url}/short`),
  );
  expect(readdirSync(inside('backups/instances/kept')).sort()).toEqual(['bzip2', 'gzip', 'xz', 'zstd']);
  await lxc('rename', 'kept', 'other');
  expect(await backupsOf('other')).toHaveLength(4);
  await lxc('delete', 'other');
  expect(readdirSync(inside('backups/instances'))).not.toContain('other');
});

/** A backup with files of our own in place of some of its. */
const forged = (original: string, change: (folder: string) => void): string => {
  const folder = file('forged');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  execFileSync('tar', ['-xf', original, '-C', folder]);
  change(join(folder, 'backup'));
  const target = file('forged.tar');
  rmSync(target, { force: true });
  execFileSync('tar', ['-cf', target, '-C', folder, 'backup/index.yaml', 'backup']);
  return target;
};

test('what is no backup, or a damaged or wicked one, leaves nothing', async () => {
  const original = await exported('wicked', 'plain', '--compression', 'none');
  const before = [await instances(), volumes()];
  const victim = file('victim');
  writeFileSync(victim, 'untouched');
  const replace = (name: string, target: string) => (folder: string) => {
    rmSync(join(folder, 'container', name), { recursive: true, force: true });
    symlinkSync(target, join(folder, 'container', name));
  };
  const index = (edit: (yaml: string) => string) => (folder: string) =>
    writeFileSync(join(folder, 'index.yaml'), edit(readFileSync(join(folder, 'index.yaml'), 'utf8')));
  const bad: readonly [string, (folder: string) => void][] = [
    ['rootfs', replace('rootfs', '/etc')],
    ['metadata.yaml', replace('metadata.yaml', victim)],
    ['templates', replace('templates', '/etc')],
    ['snapshot', index((yaml) => yaml.replaceAll(/- s0|name: s0/g, (text) => text.replace('s0', '../../x')))],
    ['config', index((yaml) => yaml.replace('user.x: y', 'limits.cpu: wrong'))],
    ['no name', index((yaml) => yaml.replace(/^name: .*$/m, 'name: [1]'))],
    ['yaml', index(() => '{')],
    ['bomb', index(() => `a: &a [1,1]\nb: [${'*a,'.repeat(1000)}]`)],
  ];
  for (const [what, change] of bad) {
    await expect(upload('forged', forged(original, change)), what).rejects.toMatchObject({ code: 400 });
  }
  // A file that is written anew is not followed.
  await upload('linked', forged(original, replace('backup.yaml', victim)));
  expect(readFileSync(victim, 'utf8')).toBe('untouched');
  expect(statSync(inside('storage-pools/plain/containers/linked/backup.yaml')).mode & 0o777).toBe(0o400);
  await lxc('delete', 'linked');

  truncateSync(original, statSync(original).size - 500_000);
  await expect(upload('short', original)).rejects.toThrow('damaged');
  await expect(upload('text', import.meta.filename)).rejects.toMatchObject({ code: 400 });
  expect([await instances(), volumes()]).toEqual(before);
  expect(uploads()).toEqual([]);
  await lxc('delete', '--force', 'wicked');
});

test('an upload that breaks off leaves nothing', async () => {
  const call = request({
    socketPath: lxd.socket,
    method: 'POST',
    path: '/1.0/instances',
    headers: { ...octets, 'content-length': '100000000' },
  });
  call.on('error', () => undefined);
  call.write(Buffer.alloc(1_000_000));
  await eventually(
    async () => uploads(),
    (found) => found.length === 1,
  );
  call.destroy();
  await eventually(
    async () => uploads(),
    (found) => found.length === 0,
  );
});

test('a daemon that is killed while it imports or exports has forgotten it at its next start', async () => {
  const backup = await exported('storm', 'plain');
  await lxd.api('POST', '/1.0/instances/storm/backups', { name: 'good' });
  for (const delay of [0, 20, 40, 60, 90, 130, 180]) {
    const work = [upload('victim', backup), lxd.api('POST', '/1.0/instances/storm/backups', { name: 'bad' })];
    const settled = Promise.allSettled(work);
    await sleep(delay);
    await lxd.kill();
    const [imported, made] = await settled;
    await lxd.start();
    const found = await instances();
    if (imported?.status === 'fulfilled') expect(found).toContain('/1.0/instances/victim');
    expect(volumes()).toEqual(found.map((url) => url.split('/').at(-1)).sort());
    const kept = await backupsOf('storm');
    expect(kept).toContain('/1.0/instances/storm/backups/good');
    if (made?.status === 'fulfilled') expect(kept).toContain('/1.0/instances/storm/backups/bad');
    expect(readdirSync(inside('backups/instances/storm'))).toEqual(kept.map((url) => url.split('/').at(-1)).sort());
    expect(uploads()).toEqual([]);
    if (found.includes('/1.0/instances/victim')) {
      expect(await lxc('info', 'victim')).toContain('s0');
      await lxc('delete', 'victim');
    }
    if (kept.length > 1) await lxd.api('DELETE', '/1.0/instances/storm/backups/bad');
  }
  await lxc('delete', '--force', 'storm');
}, 120_000);
