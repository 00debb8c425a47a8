/** Storage buckets through `lxc` and s3cmd, and a daemon that is killed while it makes and deletes them. */
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Lxd, startLxd } from '../support/lxd.ts';
import { output, succeed } from '../support/output.ts';
import { ours } from '../support/programs.ts';

let lxd: Lxd;

/** `lxc` with words that must succeed. */
const lxc = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await lxd.lxc(args);
  if (code !== 0) throw new Error(`lxc ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
};

/** What `lxc` says when it fails. */
const refused = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await lxd.lxc(args);
  expect(code, args.join(' ')).not.toBe(0);
  return stderr;
};

beforeAll(async () => {
  lxd = await startLxd(ours);
  await lxc('storage', 'create', 'dir', 'dir');
  await lxc('storage', 'create', 'btr', 'btrfs', 'size=512MiB');
  await lxc('config', 'set', 'core.storage_buckets_address', '127.0.0.1:8555');
  writeFileSync(join(lxd.scratch.folder, 'cat.jpg'), 'a cat');
});
afterAll(async () => {
  await lxd[Symbol.asyncDispose]();
});

/** Runs s3cmd where the daemon listens. */
const s3cmd = (accessKey: string, secretKey: string, ...args: string[]) => {
  const config = join(lxd.scratch.folder, 's3cfg');
  writeFileSync(
    config,
    `[default]
access_key = ${accessKey}
secret_key = ${secretKey}
host_base = 127.0.0.1:8555
host_bucket = 127.0.0.1:8555
check_ssl_certificate = False
check_ssl_hostname = False
max_retries = 1
`,
  );
  return lxd.namespace.inside(['s3cmd', '-c', config, '--no-progress', ...args], lxd.scratch.folder);
};

/** The credentials that a command printed. */
const credentialsIn = (said: string): [string, string] => {
  const match = /ccess key: (\S+)\n.*ecret key: (\S+)\n/.exec(said);
  if (!match?.[1] || !match[2]) throw new Error(`No credentials in: ${said}`);
  return [match[1], match[2]];
};

test('[05.143 05.144 05.146 05.147 05.148] lxc makes, shows, changes, lists and deletes buckets', async () => {
  const said = await lxc('storage', 'bucket', 'create', 'btr', 'photos', 'size=64MiB');
  expect(said).toMatch(
    /^Storage bucket photos created\nAdmin access key: [A-Za-z0-9]{16}\nAdmin secret key: [A-Za-z0-9]{32}\n$/,
  );
  const admin = credentialsIn(said);
  expect(await lxc('storage', 'bucket', 'show', 'btr', 'photos')).toBe(`config:
  size: 64MiB
description: ""
name: photos
s3_url: https://127.0.0.1:8555/photos
location: none
`);
  expect(await lxc('storage', 'bucket', 'list', 'btr', '--format', 'csv')).toBe('photos,\n');
  expect(await lxc('storage', 'bucket', 'list', 'btr')).toContain('|  NAME  | DESCRIPTION |');
  await lxc('storage', 'bucket', 'set', 'btr', 'photos', 'size', '96MiB');
  expect(await lxc('storage', 'bucket', 'get', 'btr', 'photos', 'size')).toBe('96MiB\n');
  await lxc('storage', 'bucket', 'unset', 'btr', 'photos', 'size');
  expect((await lxc('storage', 'bucket', 'get', 'btr', 'photos', 'size')).trim()).toBe('');
  await lxd.lxc(['storage', 'bucket', 'edit', 'btr', 'photos'], {
    input: 'config:\n  size: 32MiB\ndescription: mine\n',
  });
  expect(await lxc('storage', 'bucket', 'list', 'btr', '--format', 'csv')).toBe('photos,mine\n');
  expect(await lxc('storage', 'show', 'btr')).toContain('- /1.0/storage-pools/btr/buckets/photos');
  expect(await lxc('storage', 'info', 'btr')).toContain('used by:\n  buckets:\n  - photos\n');
  expect(await refused('storage', 'delete', 'btr')).toContain('in use');

  await succeed(s3cmd(...admin, 'put', 'cat.jpg', 's3://photos/2026/cat.jpg'));
  await succeed(s3cmd(...admin, 'get', '--force', 's3://photos/2026/cat.jpg', 'back.jpg'));
  expect(await lxc('storage', 'bucket', 'delete', 'btr', 'photos')).toBe('Storage bucket photos deleted\n');
  expect((await output(s3cmd(...admin, 'ls', 's3://photos'))).stderr).toContain('does not exist in our records');
  expect(await refused('storage', 'bucket', 'show', 'btr', 'photos')).toContain('not found');
});

test('[05.150 05.151 05.152 05.153 05.154 05.155 05.156 05.157 05.276] lxc hands out keys, shows and takes them back', async () => {
  const admin = credentialsIn(await lxc('storage', 'bucket', 'create', 'dir', 'data'));
  const said = await lxc('storage', 'bucket', 'key', 'create', 'dir', 'data', 'reader');
  expect(said).toMatch(/^Storage bucket key reader created\nAccess key: \w+\nSecret key: \w+\n$/);
  const reader = credentialsIn(said);
  await lxc(
    ...['storage', 'bucket', 'key', 'create', 'dir', 'data', 'mine', '--role=admin'],
    ...['--access-key=chosen', '--secret-key=chosen-too'],
  );
  expect(await lxc('storage', 'bucket', 'key', 'list', 'dir', 'data', '--format', 'csv')).toBe(
    'admin,Admin user,admin\nmine,,admin\nreader,,read-only\n',
  );
  expect(await lxc('storage', 'bucket', 'key', 'show', 'dir', 'data', 'mine')).toBe(`description: ""
role: admin
access-key: chosen
secret-key: chosen-too
name: mine
`);
  await succeed(s3cmd('chosen', 'chosen-too', 'put', 'cat.jpg', 's3://data/cat'));
  expect(await succeed(s3cmd(...reader, 'ls', 's3://data'))).toContain('s3://data/cat');
  expect((await output(s3cmd(...reader, 'del', 's3://data/cat'))).stderr).toContain('AccessDenied');
  await lxd.lxc(['storage', 'bucket', 'key', 'edit', 'dir', 'data', 'mine'], {
    input: 'role: read-only\naccess-key: chosen\nsecret-key: chosen-too\n',
  });
  expect((await output(s3cmd('chosen', 'chosen-too', 'del', 's3://data/cat'))).stderr).toContain('AccessDenied');
  expect(await lxc('storage', 'bucket', 'key', 'delete', 'dir', 'data', 'mine')).toBe(
    'Storage bucket key mine removed\n',
  );
  expect(await refused('storage', 'bucket', 'key', 'create', 'dir', 'data', 'k', '--role=owner')).toContain('role');
  expect(await refused('storage', 'bucket', 'set', 'dir', 'data', 'size=1GiB')).toContain('size');
  await succeed(s3cmd(...admin, 'del', 's3://data/cat'));
  await lxc('storage', 'bucket', 'delete', 'dir', 'data');
});

test('a daemon that is killed while it makes and deletes buckets comes back with whole ones', async () => {
  /** The pool is mounted where the daemon lives. */
  const onDisk = async (): Promise<string[]> =>
    (await succeed(lxd.namespace.inside(['ls', join(lxd.folder, 'storage-pools/btr/buckets')])))
      .split('\n')
      .filter(Boolean);
  const list = async (): Promise<string[]> =>
    (await lxc('storage', 'bucket', 'list', 'btr', '--format', 'csv'))
      .split('\n')
      .filter(Boolean)
      .map((line) => line.replace(/,.*/, ''));
  for (let round = 0; round < 4; round++) {
    /** Buckets of which the last word was that they are there, or gone. */
    const made = new Set<string>();
    const gone = new Set<string>();
    const work = Promise.allSettled(
      [1, 2, 3].map(async (at) => {
        for (let n = 0; ; n++) {
          const name = `round${round}-${at}-${n}`;
          await lxd.api('POST', '/1.0/storage-pools/btr/buckets', { name, config: { size: '8MiB' } });
          made.add(name);
          if (n % 2 === 0) continue;
          made.delete(name);
          await lxd.api('DELETE', `/1.0/storage-pools/btr/buckets/${name}`);
          gone.add(name);
        }
      }),
    );
    await sleep(randomInt(100, 500));
    await lxd.kill();
    await work;
    await lxd.start();
    const names = await list();
    expect(names).toEqual(expect.arrayContaining([...made]));
    expect(names.filter((name) => gone.has(name))).toEqual([]);
    expect((await onDisk()).sort()).toEqual(names.map((name) => `default_${name}`).sort());
    for (const name of names) {
      const [key] = (await lxc('storage', 'bucket', 'key', 'list', 'btr', name, '--format', 'csv')).split(',');
      expect(key).toBe('admin');
      await lxc('storage', 'bucket', 'delete', 'btr', name);
    }
  }
  expect(await onDisk()).toEqual([]);
});
