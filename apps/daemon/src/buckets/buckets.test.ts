import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import type { StorageBucket, StorageBucketKey } from '@lxd-ts/api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort, startTestDaemon, type TestDaemon } from '../testing/daemon.ts';
import { s3Client } from '../testing/s3.ts';

let daemon: TestDaemon;
const pool = '/1.0/storage-pools/default';
const clients: S3Client[] = [];

let address: string;

beforeAll(async () => {
  address = `127.0.0.1:${await freePort()}`;
  daemon = await startTestDaemon();
  await daemon.run('PATCH', '/1.0', { config: { 'core.storage_buckets_address': address } });
});
afterAll(async () => {
  for (const client of clients) client.destroy();
  await daemon[Symbol.asyncDispose]();
});

const get = async <T>(path: string): Promise<T> => (await daemon.client.query('GET', path)).metadata as T;

/** An S3 client with a key. */
const s3 = async (key: StorageBucketKey, bucket: string): Promise<S3Client> => {
  const { s3_url } = await get<StorageBucket>(`${pool}/buckets/${bucket}`);
  const client = s3Client(key, s3_url);
  clients.push(client);
  return client;
};
const create = (name: string, more: object = {}, poolUrl = pool) =>
  daemon.run('POST', `${poolUrl}/buckets`, { name, ...more }) as Promise<StorageBucketKey>;
const text = async (client: S3Client, Bucket: string, Key: string) =>
  (await client.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString();
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: unknown) => {
      if (!(error instanceof S3ServiceException)) throw error;
      return error.name;
    },
  );

it('[05.144 05.147 05.148] a bucket comes with an admin key, serves objects over HTTPS, and goes with all in it', async () => {
  const envelope = await daemon.client.query('POST', `${pool}/buckets`, { name: 'bkt1', description: 'first' });
  const key = envelope.metadata as StorageBucketKey;
  expect(key).toEqual({
    name: 'admin',
    description: 'Admin user',
    role: 'admin',
    'access-key': expect.stringMatching(/^[A-Za-z0-9]{16}$/),
    'secret-key': expect.stringMatching(/^[A-Za-z0-9]{32}$/),
  });
  expect(await get(`${pool}/buckets/bkt1`)).toEqual({
    config: {},
    description: 'first',
    name: 'bkt1',
    location: 'none',
    s3_url: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+\/bkt1$/),
  });
  expect(await get(`${pool}/buckets`)).toEqual([`${pool}/buckets/bkt1`]);
  expect(await get(`${pool}/buckets?recursion=1`)).toHaveLength(1);
  expect((await get<{ used_by: string[] }>(pool)).used_by).toContain(`${pool}/buckets/bkt1`);
  expect((await get<{ used_by: string[] }>('/1.0/projects/default')).used_by).toContain(`${pool}/buckets/bkt1`);
  await expect(daemon.run('DELETE', pool)).rejects.toThrow('in use');

  const client = await s3(key, 'bkt1');
  await client.send(new PutObjectCommand({ Bucket: 'bkt1', Key: 'a/b', Body: 'text' }));
  expect(await text(client, 'bkt1', 'a/b')).toBe('text');
  await daemon.run('DELETE', `${pool}/buckets/bkt1`);
  expect(await codeOf(text(client, 'bkt1', 'a/b'))).toBe('InvalidAccessKeyId');
  await expect(get(`${pool}/buckets/bkt1`)).rejects.toThrow('Storage bucket not found');
  await expect(access(join(daemon.folder, 'storage-pools/default/buckets/default_b1'))).rejects.toThrow('ENOENT');
  expect(daemon.lifecycle()).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ action: 'storage-bucket-created', source: `${pool}/buckets/bkt1` }),
      expect.objectContaining({ action: 'storage-bucket-deleted', source: `${pool}/buckets/bkt1` }),
    ]),
  );
});

it('[05.151 05.152 05.153 05.155 05.157] keys have roles, and credentials that are made up or chosen', async () => {
  const admin = await create('bkt2');
  const keys = `${pool}/buckets/bkt2/keys`;
  const reader = (await daemon.run('POST', keys, { name: 'reader' })) as StorageBucketKey;
  expect(reader.role).toBe('read-only');
  const chosen = { 'access-key': 'my-access-key', 'secret-key': 'my secret'.replace(' ', '/+=') };
  expect(await daemon.run('POST', keys, { name: 'mine', role: 'admin', ...chosen })).toMatchObject(chosen);
  expect(await get(keys)).toEqual(['admin', 'mine', 'reader'].map((name) => `${keys}/${name}`));

  const [owner, guest, mine] = await Promise.all([
    s3(admin, 'bkt2'),
    s3(reader, 'bkt2'),
    s3(await get(`${keys}/mine`), 'bkt2'),
  ]);
  await owner.send(new PutObjectCommand({ Bucket: 'bkt2', Key: 'k', Body: 'v' }));
  expect(await text(guest, 'bkt2', 'k')).toBe('v');
  expect(await codeOf(guest.send(new PutObjectCommand({ Bucket: 'bkt2', Key: 'k', Body: 'w' })))).toBe('AccessDenied');
  await mine.send(new PutObjectCommand({ Bucket: 'bkt2', Key: 'k', Body: 'w' }));

  await daemon.run('PUT', `${keys}/mine`, { role: 'read-only', ...chosen });
  expect(await codeOf(mine.send(new PutObjectCommand({ Bucket: 'bkt2', Key: 'k', Body: 'x' })))).toBe('AccessDenied');
  await daemon.run('PUT', `${keys}/mine`, {
    role: 'read-only',
    'access-key': 'my-access-key',
    'secret-key': 'another one'.replace(' ', '-'),
  });
  expect(await codeOf(text(mine, 'bkt2', 'k'))).toBe('SignatureDoesNotMatch');
  await daemon.run('DELETE', `${keys}/mine`);
  expect(await codeOf(text(mine, 'bkt2', 'k'))).toBe('InvalidAccessKeyId');
  expect(daemon.lifecycle().map(({ action }) => action)).toEqual(
    expect.arrayContaining(['storage-bucket-key-created', 'storage-bucket-key-updated', 'storage-bucket-key-deleted']),
  );

  const other = await create('bkt3');
  expect(await codeOf((await s3(other, 'bkt3')).send(new ListObjectsV2Command({ Bucket: 'bkt2' })))).toBe(
    'AccessDenied',
  );
  await expect(
    daemon.run('POST', `${pool}/buckets/bkt3/keys`, { name: 'k', 'access-key': admin['access-key'] }),
  ).rejects.toThrow('"access-key"');
  await daemon.run('DELETE', `${pool}/buckets/bkt2`);
  await daemon.run('DELETE', `${pool}/buckets/bkt3`);
});

it('[05.150 05.270 05.271] what is wrong is refused with a sentence that says what', async () => {
  await create('bkt4');
  const keys = `${pool}/buckets/bkt4/keys`;
  for (const [method, path, body, words] of [
    ['POST', `${pool}/buckets`, { name: 'Upper' }, 'Bucket names must be 3-63'],
    ['POST', `${pool}/buckets`, { name: '../up' }, 'Bucket names must be 3-63'],
    ['POST', `${pool}/buckets`, { name: 'bkt4' }, 'already exists'],
    ['POST', `${pool}/buckets`, { name: 'bkt5', config: { size: '1GiB' } }, '"size"'],
    ['POST', `${pool}/buckets`, { name: 'bkt5', config: { colour: 'blue' } }, '"colour"'],
    ['POST', '/1.0/storage-pools/none/buckets', { name: 'bkt5' }, 'Storage pool not found'],
    ['PATCH', `${pool}/buckets/bkt4`, { config: { size: '1GiB' } }, '"size"'],
    ['POST', keys, { name: 'k', role: 'owner' }, 'admin, read-only'],
    ['POST', keys, { name: 'a/b' }, 'slashes'],
    ['POST', keys, { name: 'admin' }, 'already exists'],
    ['POST', keys, { name: 'k', 'access-key': 'a b' }, '"access-key"'],
    ['POST', keys, { name: 'k', 'secret-key': 'short' }, '"secret-key"'],
    ['GET', `${keys}/none`, undefined, 'Storage bucket key not found'],
    ['GET', '/1.0/storage-pools/none/buckets', undefined, 'Storage pool not found'],
    ['GET', '/1.0/storage-pools/none/buckets/bkt4', undefined, 'Storage pool not found'],
  ] as const) {
    await expect(daemon.run(method, path, body), `${path} ${JSON.stringify(body)}`).rejects.toThrow(words);
  }
  expect(await get(`${pool}/buckets`)).toEqual([`${pool}/buckets/bkt4`]);
  await daemon.run('DELETE', `${pool}/buckets/bkt4`);
});

it('[09.API-02] descriptions change, unless somebody else was first', async () => {
  await create('bkt6');
  const url = `${pool}/buckets/bkt6`;
  await daemon.run('PATCH', url, { description: 'one' });
  expect(await get(url)).toMatchObject({ description: 'one' });
  await expect(daemon.run('PUT', url, { description: 'two' }, { 'If-Match': 'stale' })).rejects.toThrow('ETag');
  await daemon.run('PUT', url, {});
  expect(await get(url)).toMatchObject({ description: '' });
  await daemon.run('DELETE', url);
});

it('[05.248] a project with buckets of its own has its own; one without uses those of the default project', async () => {
  const sql = (query: string) => daemon.run('POST', '/internal/sql', { database: 'global', query });
  for (const [name, own] of [
    ['own', true],
    ['shared', false],
  ] as const) {
    await sql(`INSERT INTO projects (name) VALUES ('${name}')`);
    await sql(
      `INSERT INTO projects_config (project_id, key, value) SELECT id, 'features.storage.buckets', '${own}' FROM projects WHERE name = '${name}'`,
    );
  }
  await daemon.run('POST', `${pool}/buckets?project=own`, { name: 'bkt7' });
  await daemon.run('POST', `${pool}/buckets?project=shared`, { name: 'bkt8' });
  expect(await get(`${pool}/buckets?project=own`)).toEqual([`${pool}/buckets/bkt7?project=own`]);
  expect(await get(`${pool}/buckets`)).toEqual([`${pool}/buckets/bkt8`]);
  expect(await get(`${pool}/buckets?project=shared`)).toEqual([`${pool}/buckets/bkt8`]);
  // S3 knows no projects.
  await expect(create('bkt7')).rejects.toThrow('already exists');
  expect((await readdir(join(daemon.folder, 'storage-pools/default/buckets'))).sort()).toEqual([
    'default_bkt8',
    'own_bkt7',
  ]);
  await daemon.run('DELETE', `${pool}/buckets/bkt7?project=own`);
  await daemon.run('DELETE', `${pool}/buckets/bkt8`);
});

it('[05.142] without core.storage_buckets_address nobody listens, and there is no URL; a bucket can be made all the same', async () => {
  const before = await create('bkt9');
  const client = await s3(before, 'bkt9');
  await daemon.run('PATCH', '/1.0', { config: { 'core.storage_buckets_address': '' } });
  expect(await get(`${pool}/buckets/bkt9`)).toMatchObject({ s3_url: '' });
  await expect(client.send(new ListObjectsV2Command({ Bucket: 'bkt9' }))).rejects.toThrow('ECONNREFUSED');
  await expect(
    daemon.run('PATCH', '/1.0', { config: { 'core.storage_buckets_address': '192.0.2.1:9000' } }),
  ).rejects.toThrow('Cannot listen');
  await daemon.run('PATCH', '/1.0', { config: { 'core.storage_buckets_address': address } });
  await (await s3(before, 'bkt9')).send(new PutObjectCommand({ Bucket: 'bkt9', Key: 'k', Body: 'v' }));
  await daemon.restart();
  expect(await text(await s3(before, 'bkt9'), 'bkt9', 'k')).toBe('v');
  await daemon.run('DELETE', `${pool}/buckets/bkt9`);
});
