/** `lxd recover` of buckets: their objects, keys and settings, from pools whose database was lost. */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type Lxd, startLxd } from '../support/lxd.ts';
import { succeed } from '../support/output.ts';
import { ours } from '../support/programs.ts';
import { outcome, pool, recover } from '../support/recover.ts';

const pools = ['plain', 'tree'] as const;
const bucketsUrl = (name: string): string => `/1.0/storage-pools/${name}/buckets`;
const keys = z.array(z.looseObject({ name: z.string(), 'access-key': z.string(), 'secret-key': z.string() }));

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startLxd(ours);
  await lxd.api('POST', '/1.0/storage-pools', { name: 'plain', driver: 'dir' });
  await lxd.api('POST', '/1.0/storage-pools', { name: 'tree', driver: 'btrfs', config: { size: '256MiB' } });
  await listen();
});
afterAll(() => lxd[Symbol.asyncDispose]());

const listen = () => lxd.api('PATCH', '/1.0', { config: { 'core.storage_buckets_address': '127.0.0.1:8555' } });
const keysOf = async (where: string, bucket: string) =>
  keys.parse(await lxd.api('GET', `${bucketsUrl(where)}/${bucket}/keys?recursion=1`));

/** Runs s3cmd with the credentials of a key. */
const s3cmd = async (where: string, bucket: string, key: string, ...args: string[]): Promise<string> => {
  const found = (await keysOf(where, bucket)).find(({ name }) => name === key);
  const config = join(lxd.scratch.folder, 's3cfg');
  writeFileSync(
    config,
    [
      '[default]',
      `access_key = ${found?.['access-key']}`,
      `secret_key = ${found?.['secret-key']}`,
      'host_base = 127.0.0.1:8555',
      'host_bucket = 127.0.0.1:8555',
      'check_ssl_certificate = False',
      'check_ssl_hostname = False',
      'max_retries = 1',
    ].join('\n'),
  );
  return succeed(lxd.namespace.inside(['s3cmd', '-c', config, '--no-progress', ...args], lxd.scratch.folder));
};

/** The answers that name both pools. */
const bothPools = (): string[] => [
  ...pool('plain', 'dir', join(lxd.folder, 'storage-pools/plain')),
  ...pool('tree', 'btrfs', join(lxd.folder, 'disks/tree.img')),
  'no',
  'yes',
];

/** The daemon dies, and the database is lost. */
const loseDatabase = async (): Promise<void> => {
  await lxd.kill();
  rmSync(join(lxd.folder, 'database'), { recursive: true });
  await lxd.start();
  await listen();
};

const folderOf = (where: string, bucket: string): string =>
  join(`/proc/${lxd.pid()}/root`, lxd.folder, `storage-pools/${where}/buckets/default_${bucket}`);

test('buckets come back with their objects, keys, descriptions and limits', async () => {
  writeFileSync(join(lxd.scratch.folder, 'cat.jpg'), 'a cat');
  const before = new Map<string, unknown>();
  for (const where of pools) {
    const name = `photos-${where}`;
    const config = where === 'tree' ? { size: '64MiB' } : {};
    await lxd.api('POST', bucketsUrl(where), { name, description: 'mine', config });
    await lxd.api('POST', `${bucketsUrl(where)}/${name}/keys`, { name: 'reader', role: 'read-only' });
    await lxd.api('POST', `${bucketsUrl(where)}/${name}/keys`, { name: 'gone', role: 'admin' });
    await lxd.api('DELETE', `${bucketsUrl(where)}/${name}/keys/gone`);
    await s3cmd(where, name, 'admin', 'put', 'cat.jpg', `s3://${name}/2026/cat.jpg`);
    await lxd.api('PATCH', `${bucketsUrl(where)}/${name}`, { description: 'changed' });
    before.set(name, [await lxd.api('GET', `${bucketsUrl(where)}/${name}`), await keysOf(where, name)]);
  }
  await loseDatabase();
  const { said, code } = await recover(lxd, ours, ...bothPools(), 'yes');
  expect(code).toBe(0);
  expect(outcome({ said, code })).toContain(
    ' - Bucket "photos-plain" on pool "plain" in project "default" (includes 0 snapshots)\n',
  );
  for (const where of pools) {
    const name = `photos-${where}`;
    expect([await lxd.api('GET', `${bucketsUrl(where)}/${name}`), await keysOf(where, name)]).toEqual(before.get(name));
    await s3cmd(where, name, 'reader', 'get', '--force', `s3://${name}/2026/cat.jpg`, 'back.jpg');
    expect(readFileSync(join(lxd.scratch.folder, 'back.jpg'), 'utf8')).toBe('a cat');
    await s3cmd(where, name, 'admin', 'del', `s3://${name}/2026/cat.jpg`);
    await lxd.api('DELETE', `${bucketsUrl(where)}/${name}`);
  }
  expect(outcome(await recover(lxd, ours, 'no', ''))).toContain('No unknown volumes found. Nothing to do.');
});

test('a bucket that says nothing of itself gets a new key; one that says what is wrong is passed over', async () => {
  for (const name of ['silent', 'hostile', 'stranger', 'garbage']) await lxd.api('POST', bucketsUrl('plain'), { name });
  const fileOf = (name: string): string => join(folderOf('plain', name), 'backup.yaml');
  rmSync(fileOf('silent'));
  rmSync(fileOf('hostile'));
  symlinkSync('/etc/shadow', fileOf('hostile'));
  writeFileSync(fileOf('stranger'), readFileSync(fileOf('stranger'), 'utf8').replace('stranger', 'silent'));
  writeFileSync(fileOf('garbage'), 'bucket: [1, 2]');
  mkdirSync(join(folderOf('plain', 'x'), '../default_Bad Name'));
  await loseDatabase();
  const { said, code } = await recover(lxd, ours, ...bothPools(), 'yes');
  expect(code).toBe(0);
  const problem = (name: string): string =>
    new RegExp(` - Bucket "${name}" in project "default" on pool "plain": (.*)`).exec(said)?.[1] ?? '';
  expect(problem('hostile')).toBe('its backup file is a symbolic link');
  expect(problem('stranger')).toBe('it is bucket "silent" in project "default" in its backup file');
  expect(problem('garbage')).toContain('its backup file is not that of a bucket');
  expect(problem('Bad Name')).toContain('name');
  const names = z.array(z.string()).parse(await lxd.api('GET', bucketsUrl('plain')));
  expect(names.map((url) => url.split('/').at(-1))).toEqual(['silent']);
  expect(await keysOf('plain', 'silent')).toMatchObject([{ name: 'admin', role: 'admin' }]);
  await s3cmd('plain', 'silent', 'admin', 'put', 'cat.jpg', 's3://silent/cat.jpg');
  // From now on it says what it is.
  expect(readFileSync(fileOf('silent'), 'utf8')).toContain('name: silent');
  await lxd.api('DELETE', `${bucketsUrl('plain')}/silent`);
});
