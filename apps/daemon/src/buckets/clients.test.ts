import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import type { StorageBucket, StorageBucketKey } from '@lxd-ts/api';
import { run } from '@lxd-ts/host';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort, startTestDaemon, type TestDaemon } from '../testing/daemon.ts';
import { s3Client } from '../testing/s3.ts';

const MiB = 1024 ** 2;
let daemon: TestDaemon;

beforeAll(async () => {
  daemon = await startTestDaemon();
  await daemon.run('PATCH', '/1.0', { config: { 'core.storage_buckets_address': `127.0.0.1:${await freePort()}` } });
  await daemon.run('POST', '/1.0/storage-pools', { name: 'btr', driver: 'btrfs', config: { size: '512MiB' } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

/** s3cmd of Debian with a key, over HTTPS. */
const s3cmd = async (key: StorageBucketKey, url: string): Promise<(...args: string[]) => Promise<string>> => {
  const { host } = new URL(url);
  const config = join(daemon.scratch, `s3cmd-${key['access-key']}`);
  const lines = {
    access_key: key['access-key'],
    secret_key: key['secret-key'],
    host_base: host,
    host_bucket: host,
    use_https: 'True',
    check_ssl_certificate: 'False',
    check_ssl_hostname: 'False',
    multipart_chunk_size_mb: '5',
    max_retries: '1',
  };
  await writeFile(
    config,
    `[default]\n${Object.entries(lines)
      .map(([name, value]) => `${name} = ${value}\n`)
      .join('')}`,
  );
  return async (...args) => (await run(['s3cmd', '-c', config, '--no-progress', ...args])).stdout;
};

const make = async (pool: string, name: string, config: Record<string, string> = {}) => {
  const url = `/1.0/storage-pools/${pool}/buckets`;
  const key = (await daemon.run('POST', url, { name, config })) as StorageBucketKey;
  const { metadata } = await daemon.client.query('GET', `${url}/${name}`);
  return { key, url: `${url}/${name}`, s3Url: (metadata as StorageBucket).s3_url };
};

it('[05.140 05.142] s3cmd puts, lists, gets and deletes, in parts too', async () => {
  const { key, url, s3Url } = await make('default', 'cmd');
  const s3 = await s3cmd(key, s3Url);
  const big = join(daemon.scratch, 'big file');
  await writeFile(big, randomBytes(12 * MiB));
  await s3('put', big, 's3://cmd/dir/ä b+c');
  expect(await s3('ls', 's3://cmd')).toContain('DIR  s3://cmd/dir/');
  expect(await s3('ls', '-r', 's3://cmd')).toMatch(/12582912 {2}s3:\/\/cmd\/dir\/ä b\+c/);
  await s3('get', 's3://cmd/dir/ä b+c', join(daemon.scratch, 'back'));
  expect((await readFile(join(daemon.scratch, 'back'))).equals(await readFile(big))).toBe(true);
  expect(await s3('info', 's3://cmd/dir/ä b+c')).toContain('File size: 12582912');
  await s3('cp', 's3://cmd/dir/ä b+c', 's3://cmd/copy');
  await s3('mv', 's3://cmd/copy', 's3://cmd/moved');
  await s3('del', 's3://cmd/dir/ä b+c');
  expect((await s3('ls', '-r', 's3://cmd')).trim()).toMatch(/s3:\/\/cmd\/moved$/);
  const reader = (await daemon.run('POST', `${url}/keys`, { name: 'reader' })) as StorageBucketKey;
  const asReader = await s3cmd(reader, s3Url);
  expect(await asReader('ls', 's3://cmd')).toContain('s3://cmd/moved');
  await expect(asReader('del', 's3://cmd/moved')).rejects.toThrow('AccessDenied');
  const stranger = await s3cmd({ ...key, 'secret-key': 'wrong' }, s3Url);
  await expect(stranger('ls', 's3://cmd')).rejects.toThrow('SignatureDoesNotMatch');
});

it('[05.146 05.149 05.270] a bucket has room as its size says, and no more; it does not shrink below its use', async () => {
  const { key, url, s3Url } = await make('btr', 'quota', { size: '32MiB' });
  const client = s3Client(key, s3Url);
  const { PutObjectCommand, DeleteObjectCommand, ListObjectsV2Command } = await import('@aws-sdk/client-s3');
  const put = (Key: string, size: number) =>
    client.send(new PutObjectCommand({ Bucket: 'quota', Key, Body: randomBytes(size) }));
  await put('first', 16 * MiB);
  await expect(put('second', 24 * MiB)).rejects.toMatchObject({ name: 'QuotaExceeded' });
  const listed = await client.send(new ListObjectsV2Command({ Bucket: 'quota' }));
  expect(listed.Contents?.map(({ Key }) => Key)).toEqual(['first']);
  await expect(daemon.run('PATCH', url, { config: { size: '8MiB' } })).rejects.toThrow('shrink');
  await daemon.run('PATCH', url, { config: { size: '64MiB' } });
  await put('second', 24 * MiB);
  // However full it is, what is in it can be deleted.
  const refused: unknown[] = [];
  for (let at = 0; refused.length < 3; at++) {
    await put(`more ${at}`, 4 * MiB).catch((error: unknown) => refused.push(error));
  }
  expect(refused).toEqual(refused.map(() => expect.objectContaining({ name: 'QuotaExceeded' })));
  const all = await client.send(new ListObjectsV2Command({ Bucket: 'quota' }));
  for (const { Key } of all.Contents ?? []) await client.send(new DeleteObjectCommand({ Bucket: 'quota', Key }));
  expect((await client.send(new ListObjectsV2Command({ Bucket: 'quota' }))).KeyCount).toBe(0);
  await daemon.run('PATCH', url, { config: { size: '' } });
  await put('unlimited', 80 * MiB);
  client.destroy();
  await daemon.run('DELETE', url);
});

it('[05.78] the pool says how large buckets are that do not say it', async () => {
  await daemon.run('PATCH', '/1.0/storage-pools/btr', { config: { 'volume.size': '20MiB' } });
  const { url } = await make('btr', 'default-size');
  const { metadata } = await daemon.client.query('GET', url);
  expect(metadata).toMatchObject({ config: { size: '20MiB' } });
  await daemon.run('PATCH', '/1.0/storage-pools/btr', { config: { 'volume.size': '' } });
  await daemon.run('DELETE', url);
});

it('[05.148] a bucket is deleted under the hands of those who put and get', async () => {
  const { key, url, s3Url } = await make('btr', 'busy');
  const client = s3Client(key, s3Url);
  const { GetObjectCommand, PutObjectCommand } = await import('@aws-sdk/client-s3');
  await client.send(new PutObjectCommand({ Bucket: 'busy', Key: 'large', Body: randomBytes(32 * MiB) }));
  // One that reads a little and then no more, and one that never sends all.
  const { Body } = await client.send(new GetObjectCommand({ Bucket: 'busy', Key: 'large' }));
  if (!(Body instanceof Readable)) throw new TypeError('Not a stream');
  await once(Body, 'readable');
  const endless = Readable.from(
    (async function* () {
      for (;;) {
        yield randomBytes(1000);
        await setTimeout(20);
      }
    })(),
  );
  const putting = client
    .send(new PutObjectCommand({ Bucket: 'busy', Key: 'endless', Body: endless, ContentLength: 64 * MiB }))
    .then(
      () => 'put',
      () => 'cut off',
    );
  await setTimeout(300);
  const began = Date.now();
  await daemon.run('DELETE', url);
  expect(Date.now() - began).toBeLessThan(10_000);
  expect(await putting).toBe('cut off');
  await expect(Body.toArray()).rejects.toThrow();
  endless.destroy();
  client.destroy();
  expect(await readdir(join(daemon.folder, 'storage-pools/btr/buckets'))).toEqual([]);
});
