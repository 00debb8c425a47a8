/** Local buckets in pools whose volumes must be mounted and have a size. */
import { randomBytes } from 'node:crypto';
import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import type { StorageBucket, StorageBucketKey } from '@lxd-ts/api';
import { isMountPoint } from '@lxd-ts/host';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort, startTestDaemon, type TestDaemon } from '../testing/daemon.ts';
import { s3Client } from '../testing/s3.ts';

const MiB = 1024 ** 2;
const slow = 600_000;
let daemon: TestDaemon;

beforeAll(async () => {
  daemon = await startTestDaemon();
  await daemon.run('PATCH', '/1.0', { config: { 'core.storage_buckets_address': `127.0.0.1:${await freePort()}` } });
}, slow);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, slow);

it.each(['zfs', 'lvm'])('[05.141 05.146 05.149 05.270] a bucket in a pool of %s', { timeout: slow }, async (driver) => {
  const pool = `/1.0/storage-pools/${driver}`;
  await daemon.run('POST', '/1.0/storage-pools', { name: driver, driver, config: { size: '2GiB' } });
  const key = (await daemon.run('POST', `${pool}/buckets`, {
    name: 'data',
    config: { size: '64MiB' },
  })) as StorageBucketKey;
  const url = `${pool}/buckets/data`;
  const connect = async () => s3Client(key, ((await daemon.client.query('GET', url)).metadata as StorageBucket).s3_url);
  let client = await connect();
  const put = (Key: string, size: number) =>
    client.send(new PutObjectCommand({ Bucket: 'data', Key, Body: randomBytes(size) }));

  await put('first', 24 * MiB);
  await expect(put('too much', 60 * MiB)).rejects.toMatchObject({ name: 'QuotaExceeded' });
  await expect(daemon.run('PATCH', url, { config: { size: '16MiB' } })).rejects.toThrow(/shrink|smaller|uses/);
  await daemon.run('PATCH', url, { config: { size: '128MiB' } });
  await put('second', 60 * MiB);
  const path = `${daemon.folder}/storage-pools/${driver}/buckets/default_data`;
  expect(await isMountPoint(path)).toBe(true);

  await daemon.restart();
  client.destroy();
  client = await connect();
  const { ContentLength, Body } = await client.send(new GetObjectCommand({ Bucket: 'data', Key: 'second' }));
  expect(ContentLength).toBe(60 * MiB);
  expect((await Body?.transformToByteArray())?.length).toBe(60 * MiB);
  await client.send(new DeleteObjectCommand({ Bucket: 'data', Key: 'second' }));
  await daemon.run('PATCH', url, { config: { size: '80MiB' } });
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: 'data' }));
  expect(Contents?.map((one) => one.Key)).toEqual(['first']);

  await daemon.run('DELETE', url);
  expect(await isMountPoint(path)).toBe(false);
  await daemon.run('DELETE', pool);
  client.destroy();
});
