/** Backups of custom volumes: kept by the server, exported, imported again, and exchanged with the real LXD in both directions. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Lxd, startLxd } from '../support/lxd.ts';
import { debianLxc, debianLxcFails, startWithPools } from '../support/pools.ts';
import { real } from '../support/programs.ts';
import { eventually } from '../support/wait.ts';

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
});
afterAll(() => lxd[Symbol.asyncDispose]());

const file = (name: string): string => join(lxd.scratch.folder, name);
const octets = { 'content-type': 'application/octet-stream' };
const url = (pool: string, volume = ''): string => `/1.0/storage-pools/${pool}/volumes/custom${volume && `/${volume}`}`;
const upload = (pool: string, name: string, backup: string | Buffer, headers = {}): Promise<unknown> =>
  lxd.api('POST', url(pool), Buffer.isBuffer(backup) ? backup : readFileSync(backup), {
    headers: { ...octets, 'X-LXD-name': name, ...headers },
  });
const texts = z.array(z.string());
/** A path of a daemon, in its mount namespace. */
const on = (server: Lxd, path: string): string => join(`/proc/${server.pid()}/root`, server.folder, path);
const files = (server: Lxd, pool: string, volume: string): string =>
  on(server, `storage-pools/${pool}/custom/default_${volume}`);
const lxc = (...args: string[]): Promise<string> => debianLxc(lxd, ...args);
const uploads = (): string[] => readdirSync(on(lxd, 'backups')).filter((name) => name.startsWith('upload-'));

const listing = (folder: string): string =>
  execFileSync('find', ['.', '-printf', '%P %y %m %U:%G %s %l\n'], { cwd: folder, encoding: 'utf8' })
    .split('\n')
    // The size of a directory is its file system's affair.
    .map((line) => line.replace(/^(\S* d \S+ \S+) \d+/, '$1'))
    .sort()
    .join('\n');

/** A volume with a snapshot that has less in it. Ids are as inside. */
const makeVolume = async (server: Lxd, pool: string, name: string): Promise<void> => {
  await debianLxc(server, 'storage', 'volume', 'create', pool, name, 'user.x=y', 'snapshots.expiry=3d');
  const folder = files(server, pool, name);
  writeFileSync(join(folder, 'one'), '1');
  execFileSync('chown', ['1000:1001', join(folder, 'one'), folder]);
  execFileSync('chmod', ['750', folder]);
  execFileSync('ln', [join(folder, 'one'), join(folder, 'hard')]);
  symlinkSync('/etc/shadow', join(folder, 'link'));
  await debianLxc(server, 'storage', 'volume', 'snapshot', pool, name, 's0');
  writeFileSync(join(folder, 'two'), '2');
  execFileSync('setfattr', ['-n', 'user.note', '-v', 'kept', join(folder, 'two')]);
  await debianLxc(server, 'storage', 'volume', 'snapshot', pool, name, 's1');
  rmSync(join(folder, 'one'));
};

/** That a volume is the one that `makeVolume` made, snapshots included. */
const expectVolume = async (server: Lxd, pool: string, name: string, original: string): Promise<void> => {
  const folder = files(server, pool, name);
  // The real LXD gives the top of what it imports a mode of its own.
  const found = listing(folder);
  expect(server === lxd ? found : found.replace(' d 711 ', ' d 750 ')).toBe(original);
  expect(original).toContain(' d 750 1000:1001');
  expect(original).toContain('link l 777 0:0 11 /etc/shadow');
  const note = execFileSync('getfattr', ['--only-values', '-n', 'user.note', join(folder, 'two')], {
    encoding: 'utf8',
  });
  expect(note).toBe('kept');
  await debianLxc(server, 'storage', 'volume', 'restore', pool, name, 's0');
  expect(readdirSync(folder).sort()).toEqual(['hard', 'link', 'one']);
  expect(statSync(join(folder, 'one'))).toMatchObject({ uid: 1000, gid: 1001, nlink: 2 });
};

describe.each([
  ['plain', 'plain2', []],
  ['plain', 'tree', []],
  ['tree', 'plain', []],
  ['tree', 'tree2', ['--optimized-storage']],
] as const)('from %s to %s, with %j', (from, to, options) => {
  test('[05.129 05.133 05.134 05.135 05.136 05.137 05.138 05.240 05.268] an export becomes the same volume again', async () => {
    const name = `all${options.length}`;
    await makeVolume(lxd, from, name);
    const original = listing(files(lxd, from, name));
    await lxc('storage', 'volume', 'export', from, name, file('all.tar.gz'), ...options);
    expect(await lxd.api('GET', `${url(from, name)}/backups`)).toEqual([]);
    await lxc('storage', 'volume', 'import', to, file('all.tar.gz'), 'again');
    expect(await lxd.api('GET', url(to, 'again'))).toMatchObject({
      config: { 'user.x': 'y', 'snapshots.expiry': '3d' },
      content_type: 'filesystem',
    });
    const snapshots = z.array(
      z.looseObject({ name: z.string(), expires_at: z.string().nullable(), created_at: z.string() }),
    );
    const of = async (pool: string, volume: string) =>
      snapshots
        .parse(await lxd.api('GET', `${url(pool, volume)}/snapshots?recursion=1`))
        .map((one) => [one.name.split('/').at(-1), one.expires_at, one.created_at]);
    expect(await of(to, 'again')).toEqual(await of(from, name));
    await expectVolume(lxd, to, 'again', original);
    expect(await debianLxcFails(lxd, 'storage', 'volume', 'import', to, file('all.tar.gz'), 'again')).toContain(
      'already exists',
    );
    await lxc('storage', 'volume', 'export', from, name, file('only.tar.gz'), '--volume-only', ...options);
    await lxc('storage', 'volume', 'import', to, file('only.tar.gz'));
    expect(await lxd.api('GET', `${url(to, name)}/snapshots`)).toEqual([]);
    for (const [pool, volume] of [
      [from, name],
      [to, name],
      [to, 'again'],
    ] as const)
      await lxc('storage', 'volume', 'delete', pool, volume);
    expect(uploads()).toEqual([]);
  });
});

test.each(['plain', 'tree'])('[05.66 05.129 05.136] disks in %s are exported and imported too', async (pool) => {
  await lxc('storage', 'volume', 'create', pool, 'disk', '--type=block', 'size=8MiB');
  const disk = join(files(lxd, pool, 'disk'), 'root.img');
  writeFileSync(disk, 'first', { flag: 'r+' });
  await lxc('storage', 'volume', 'snapshot', pool, 'disk', 's0');
  writeFileSync(disk, 'other', { flag: 'r+' });
  for (const [options, target] of [
    [[], 'plain2'],
    [['--optimized-storage'], pool],
  ] as const) {
    await lxc('storage', 'volume', 'export', pool, 'disk', file('disk.tar.gz'), ...options);
    await lxc('storage', 'volume', 'import', target, file('disk.tar.gz'), 'disk2');
    const again = join(files(lxd, target, 'disk2'), 'root.img');
    expect(await lxd.api('GET', url(target, 'disk2'))).toMatchObject({
      content_type: 'block',
      config: { size: '8MiB' },
    });
    expect([statSync(again).size, readFileSync(again).toString('utf8', 0, 5)]).toEqual([8 * 1024 ** 2, 'other']);
    await lxc('storage', 'volume', 'restore', target, 'disk2', 's0');
    expect(readFileSync(again).toString('utf8', 0, 5)).toBe('first');
    await lxc('storage', 'volume', 'delete', target, 'disk2');
  }
  await lxc('storage', 'volume', 'delete', pool, 'disk');
});

test('an ISO file becomes a volume that is read only by virtual machines', async () => {
  const image = Buffer.alloc(3 * 2048, 'iso');
  await upload('plain', 'cd', image, { 'X-LXD-type': 'iso' });
  expect(await lxd.api('GET', url('plain', 'cd'))).toMatchObject({ content_type: 'iso', config: { size: '6144' } });
  expect(readFileSync(join(files(lxd, 'plain', 'cd'), 'root.iso'))).toEqual(image);
  await expect(upload('plain', 'cd', image, { 'X-LXD-type': 'iso' })).rejects.toMatchObject({ code: 409 });
  await expect(upload('plain', '', image, { 'X-LXD-type': 'iso' })).rejects.toMatchObject({ code: 400 });
  await lxc('storage', 'volume', 'delete', 'plain', 'cd');
});

test('[05.132 05.139 05.239] backups are kept, compressed as asked, renamed, expired and deleted', async () => {
  await lxc('storage', 'volume', 'create', 'plain', 'kept');
  const base = `${url('plain', 'kept')}/backups`;
  const kept = async (volume = 'kept'): Promise<string[]> =>
    texts.parse(await lxd.api('GET', `${url('plain', volume)}/backups`)).map((one) => one.split('/').at(-1) ?? '');
  const magics = { gzip: '1f8b', xz: 'fd377a585a', bzip2: '425a68', none: '5061784865616465', zstd: '28b52ffd' };
  for (const [compression_algorithm, magic] of Object.entries(magics)) {
    await lxd.api('POST', base, { name: compression_algorithm, compression_algorithm, volume_only: true });
    const start = readFileSync(on(lxd, `backups/custom/plain/default_kept/${compression_algorithm}`));
    expect(start.toString('hex', 0, 8)).toContain(magic);
  }
  for (const compression_algorithm of ['bash -x', '../gzip', 'nope'])
    await expect(lxd.api('POST', base, { compression_algorithm })).rejects.toMatchObject({ code: 400 });
  for (const name of ['a/b', '..', '.x'])
    await expect(lxd.api('POST', base, { name })).rejects.toMatchObject({ code: 400 });
  await expect(lxd.api('POST', base, { name: 'xz' })).rejects.toThrow('already exists');
  await lxd.api('POST', base, {});
  await lxd.api('POST', `${base}/none`, { name: 'renamed' });
  expect(await kept()).toEqual(['gzip', 'xz', 'bzip2', 'renamed', 'zstd', 'backup0']);
  expect(await lxd.api('GET', `${base}/gzip`)).toMatchObject({
    name: 'gzip',
    volume_only: true,
    optimized_storage: false,
    expires_at: '0001-01-01T00:00:00Z',
  });
  await expect(lxd.api('GET', `${base}/none`)).rejects.toThrow('Storage volume backup not found');
  await expect(lxd.api('GET', `${url('plain', 'missing')}/backups`)).rejects.toMatchObject({ code: 404 });
  await lxd.api('DELETE', `${base}/renamed`);
  await lxd.api('POST', base, { name: 'short', expires_at: new Date(Date.now() - 1000).toISOString() });
  await lxc('storage', 'volume', 'rename', 'plain', 'kept', 'other');
  await lxd.stop();
  await lxd.start();
  await eventually(
    () => kept('other'),
    (found) => !found.includes('short'),
  );
  expect(readdirSync(on(lxd, 'backups/custom/plain/default_other')).sort()).toEqual([
    'backup0',
    'bzip2',
    'gzip',
    'xz',
    'zstd',
  ]);
  await lxc('storage', 'volume', 'delete', 'plain', 'other');
  expect(existsSync(on(lxd, 'backups/custom/plain/default_other'))).toBe(false);
});

/** A backup with files of our own in place of some of its. */
const forged = (original: string, change: (folder: string) => void): string => {
  const folder = file('forged');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  execFileSync('tar', ['-xf', original, '-C', folder]);
  change(join(folder, 'backup'));
  rmSync(file('forged.tar'), { force: true });
  execFileSync('tar', ['-cf', file('forged.tar'), '-C', folder, 'backup/index.yaml', 'backup']);
  return file('forged.tar');
};

test('[05.268] what is no backup, or a damaged or wicked one, leaves nothing', async () => {
  await makeVolume(lxd, 'plain', 'good');
  await lxc('storage', 'volume', 'export', 'plain', 'good', file('good.tar'), '--compression', 'none');
  await makeVolume(lxd, 'tree', 'fast');
  await lxc('storage', 'volume', 'export', 'tree', 'fast', file('fast.tar'), '--optimized-storage');
  await expect(upload('plain', 'x', file('fast.tar'))).rejects.toThrow('format of btrfs');
  const index = (edit: (yaml: string) => string) => (folder: string) =>
    writeFileSync(join(folder, 'index.yaml'), edit(readFileSync(join(folder, 'index.yaml'), 'utf8')));
  const bad: readonly [string, (folder: string) => void][] = [
    ['snapshot', index((yaml) => yaml.replaceAll(/- s0|name: s0/g, (text) => text.replace('s0', '../../x')))],
    ['config', index((yaml) => yaml.replace('snapshots.expiry: 3d', 'snapshots.expiry: wrong'))],
    ['type', index((yaml) => yaml.replace('type: custom', 'type: container'))],
    ['yaml', index(() => '{')],
    ['missing', (folder) => rmSync(join(folder, 'volume-snapshots/s0'), { recursive: true })],
  ];
  for (const [what, change] of bad)
    await expect(upload('plain', 'forged', forged(file('good.tar'), change)), what).rejects.toMatchObject({
      code: 400,
    });
  const outside = file('outside');
  mkdirSync(outside);
  // A symlink in place of the volume itself is not followed.
  const link = (folder: string) => {
    rmSync(join(folder, 'volume'), { recursive: true });
    symlinkSync(outside, join(folder, 'volume'));
  };
  await upload('plain', 'linked', forged(file('good.tar'), link)).catch(() => undefined);
  expect(readdirSync(outside)).toEqual([]);
  truncateSync(file('good.tar'), 8192);
  await expect(upload('plain', 'short', file('good.tar'))).rejects.toMatchObject({ code: 400 });
  await expect(upload('plain', 'text', import.meta.filename)).rejects.toMatchObject({ code: 400 });
  const found = readdirSync(on(lxd, 'storage-pools/plain/custom')).filter((name) => name !== 'default_linked');
  expect(found).toEqual(['default_good']);
  expect(uploads()).toEqual([]);
  for (const [pool, name] of [
    ['plain', 'good'],
    ['tree', 'fast'],
  ] as const)
    await lxc('storage', 'volume', 'delete', pool, name);
});

describe('with the real LXD', () => {
  let other: Lxd;
  beforeAll(async () => {
    other = await startLxd(real);
    await other.api('POST', '/1.0/storage-pools', { name: 'plain', driver: 'dir' });
    await other.api('POST', '/1.0/storage-pools', { name: 'tree', driver: 'btrfs', config: { size: '300MiB' } });
  });
  afterAll(() => other[Symbol.asyncDispose]());

  test.each([
    ['plain', 'tree', []],
    ['tree', 'plain', []],
    ['tree', 'tree', ['--optimized-storage']],
  ] as const)(
    '[05.129 05.136 05.138 05.273] backups of %s go into %s both ways, with %j',
    async (from, to, options) => {
      const name = `x${options.length}`;
      for (const [source, target] of [
        [lxd, other],
        [other, lxd],
      ] as const) {
        await makeVolume(source, from, name);
        const original = listing(files(source, from, name));
        await debianLxc(source, 'storage', 'volume', 'export', from, name, file('exchange.tar.gz'), ...options);
        await debianLxc(target, 'storage', 'volume', 'import', to, file('exchange.tar.gz'), 'came');
        expect(await target.api('GET', `${url(to, 'came')}/snapshots/s0`)).toMatchObject({ name: 's0' });
        await expectVolume(target, to, 'came', original);
        await debianLxc(source, 'storage', 'volume', 'delete', from, name);
        await debianLxc(target, 'storage', 'volume', 'delete', to, 'came');
      }
    },
  );

  test('disks go both ways', async () => {
    for (const [source, target] of [
      [lxd, other],
      [other, lxd],
    ] as const) {
      await debianLxc(source, 'storage', 'volume', 'create', 'plain', 'disk', '--type=block', 'size=8MiB');
      writeFileSync(join(files(source, 'plain', 'disk'), 'root.img'), 'first', { flag: 'r+' });
      await debianLxc(source, 'storage', 'volume', 'snapshot', 'plain', 'disk', 's0');
      await debianLxc(source, 'storage', 'volume', 'export', 'plain', 'disk', file('disk.tar.gz'));
      await debianLxc(target, 'storage', 'volume', 'import', 'tree', file('disk.tar.gz'), 'came');
      const disk = readFileSync(join(files(target, 'tree', 'came'), 'root.img'));
      expect([disk.length, disk.toString('utf8', 0, 5)]).toEqual([8 * 1024 ** 2, 'first']);
      await debianLxc(source, 'storage', 'volume', 'delete', 'plain', 'disk');
      await debianLxc(target, 'storage', 'volume', 'delete', 'tree', 'came');
    }
  });

  test.each([
    ['plain', []],
    ['tree', ['--optimized-storage']],
  ] as const)('ids that the real LXD has shifted in %s are put right, with %j', async (pool, options) => {
    const shifted = '[{"Isuid":true,"Isgid":true,"Hostid":100000,"Nsid":0,"Maprange":65536}]';
    await debianLxc(other, 'storage', 'volume', 'create', pool, 'ids', `volatile.idmap.last=${shifted}`);
    const folder = files(other, pool, 'ids');
    writeFileSync(join(folder, 'f'), '');
    execFileSync('chown', ['101000:101001', join(folder, 'f')]);
    execFileSync('chown', ['100000:100000', folder]);
    await debianLxc(other, 'storage', 'volume', 'snapshot', pool, 'ids', 's0');
    await debianLxc(other, 'storage', 'volume', 'export', pool, 'ids', file('ids.tar.gz'), ...options);
    await lxc('storage', 'volume', 'import', pool, file('ids.tar.gz'));
    const found = () => listing(files(lxd, pool, 'ids'));
    expect(found()).toContain('f f 644 1000:1001 0');
    expect(found()).toContain('d 711 0:0');
    await lxc('storage', 'volume', 'restore', pool, 'ids', 's0');
    expect(found()).toContain('f f 644 1000:1001 0');
    await lxc('storage', 'volume', 'copy', `${pool}/ids/s0`, 'plain2/ids2');
    expect(listing(files(lxd, 'plain2', 'ids2'))).toContain('f f 644 1000:1001 0');
    await lxc('storage', 'volume', 'delete', 'plain2', 'ids2');
    await lxc('storage', 'volume', 'delete', pool, 'ids');
    await debianLxc(other, 'storage', 'volume', 'delete', pool, 'ids');
  });
});
