import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { serveTest, type TestServer } from '../test/serve.ts';

let server: TestServer;
let client: S3Client;
const Bucket = 'data';

beforeAll(async () => {
  server = await serveTest();
  client = server.client();
});
afterAll(async () => {
  expect(server.failures).toEqual([]);
  await server[Symbol.asyncDispose]();
});

const put = (Key: string, Body: string | Buffer, more: object = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const get = async (Key: string, more: object = {}) => {
  const answer = await client.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return { ...answer, text: (await answer.Body?.transformToString()) ?? '' };
};
/** The code of an error; an answer without a document has only a status. */
const nameOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (error: unknown) => {
      if (!(error instanceof S3ServiceException)) throw error;
      return error.name === 'Unknown' ? String(error.$metadata.httpStatusCode) : error.name;
    },
  );

it('an object is given back as it was put, with its headers and metadata', async () => {
  const { ETag } = await put('docs/a.txt', 'hello', {
    ContentType: 'text/plain',
    CacheControl: 'no-cache',
    Metadata: { colour: 'blue' },
  });
  expect(ETag).toBe('"5d41402abc4b2a76b9719d911017c592"');
  const answer = await get('docs/a.txt', { ChecksumMode: 'ENABLED' });
  expect(answer).toMatchObject({
    text: 'hello',
    ETag,
    ContentLength: 5,
    ContentType: 'text/plain',
    CacheControl: 'no-cache',
    Metadata: { colour: 'blue' },
    ChecksumCRC32: 'NhCmhg==',
  });
  const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'docs/a.txt' }));
  expect(head).toMatchObject({ ContentLength: 5, ETag, ContentType: 'text/plain' });
});

it('a stream of unknown checksum is put in chunks with a trailer', async () => {
  const bytes = randomBytes(3_000_000);
  for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const) {
    await client.send(
      new PutObjectCommand({
        Bucket,
        Key: 'stream',
        Body: Readable.from([bytes.subarray(0, 1_000_000), bytes.subarray(1_000_000)]),
        ContentLength: bytes.length,
        ChecksumAlgorithm,
      }),
    );
    const answer = await client.send(new GetObjectCommand({ Bucket, Key: 'stream' }));
    expect(Buffer.from((await answer.Body?.transformToByteArray()) ?? []).equals(bytes)).toBe(true);
    expect(answer[`Checksum${ChecksumAlgorithm}`]).toBeDefined();
  }
});

it('ranges', async () => {
  await put('range', '0123456789');
  expect(await get('range', { Range: 'bytes=2-4' })).toMatchObject({ text: '234', ContentRange: 'bytes 2-4/10' });
  expect((await get('range', { Range: 'bytes=-3' })).text).toBe('789');
  expect((await get('range', { Range: 'bytes=8-99' })).text).toBe('89');
  expect(await nameOf(get('range', { Range: 'bytes=10-' }))).toBe('InvalidRange');
});

it('conditions', async () => {
  const { ETag } = await put('cond', 'one');
  expect(await nameOf(get('cond', { IfNoneMatch: ETag }))).toBe('304');
  expect(await nameOf(get('cond', { IfMatch: '"x"' }))).toBe('PreconditionFailed');
  expect(await nameOf(get('cond', { IfModifiedSince: new Date(Date.now() + 5000) }))).toBe('304');
  expect(await nameOf(get('cond', { IfUnmodifiedSince: new Date(1e12) }))).toBe('PreconditionFailed');
  expect(await nameOf(put('cond', 'two', { IfNoneMatch: '*' }))).toBe('PreconditionFailed');
  expect(await nameOf(put('cond', 'two', { IfMatch: '"x"' }))).toBe('PreconditionFailed');
  expect(await nameOf(put('not-there', 'two', { IfMatch: ETag }))).toBe('NoSuchKey');
  await put('cond', 'two', { IfMatch: ETag });
  expect((await get('cond')).text).toBe('two');
  const racers = await Promise.all(
    Array.from({ length: 8 }, (_, at) => nameOf(put('race', `${at}`, { IfNoneMatch: '*' }))),
  );
  expect(racers.filter((one) => one === 'no error')).toHaveLength(1);
});

it('copies, with the metadata of the source or new ones', async () => {
  await put('from me', 'text', { ContentType: 'text/css', Metadata: { a: 'b' } });
  await client.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource: 'data/from%20me' }));
  expect(await get('copied')).toMatchObject({ text: 'text', ContentType: 'text/css', Metadata: { a: 'b' } });
  await client.send(
    new CopyObjectCommand({
      Bucket,
      Key: 'copied',
      CopySource: '/data/copied',
      MetadataDirective: 'REPLACE',
      Metadata: { c: 'd' },
    }),
  );
  expect((await get('copied')).Metadata).toEqual({ c: 'd' });
  expect(await nameOf(client.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource: 'data/copied' })))).toBe(
    'InvalidRequest',
  );
  expect(await nameOf(client.send(new CopyObjectCommand({ Bucket, Key: 'x', CopySource: 'data/none' })))).toBe(
    'NoSuchKey',
  );
  expect(await nameOf(client.send(new CopyObjectCommand({ Bucket, Key: 'x', CopySource: 'other/a' })))).toBe(
    'AccessDenied',
  );
});

it('objects are deleted one by one and many at once', async () => {
  for (const key of ['del/1', 'del/2', 'del/3 <&>']) await put(key, 'x');
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'del/1' }));
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'never/was' }));
  const { Deleted, Errors } = await client.send(
    new DeleteObjectsCommand({
      Bucket,
      Delete: { Objects: [{ Key: 'del/2' }, { Key: 'del/3 <&>' }, { Key: 'none' }] },
    }),
  );
  expect(Deleted?.map(({ Key }) => Key)).toEqual(['del/2', 'del/3 <&>', 'none']);
  expect(Errors).toBeUndefined();
  expect(await nameOf(get('del/2'))).toBe('NoSuchKey');
  const { KeyCount } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'del/' }));
  expect(KeyCount).toBe(0);
});

it('buckets: only those of the key are there', async () => {
  expect((await client.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).toEqual(['data']);
  await client.send(new HeadBucketCommand({ Bucket }));
  expect((await client.send(new GetBucketLocationCommand({ Bucket }))).LocationConstraint).toBeUndefined();
  expect(await nameOf(client.send(new ListObjectsV2Command({ Bucket: 'other' })))).toBe('AccessDenied');
  expect(await nameOf(server.client('reader').send(new HeadBucketCommand({ Bucket: 'other' })))).toBe('403');
});

it('[05.157] a read-only key lists and gets, and changes nothing', async () => {
  await put('shared', 'x');
  const reader = server.client('reader');
  expect((await reader.send(new GetObjectCommand({ Bucket, Key: 'shared' }))).ContentLength).toBe(1);
  expect((await reader.send(new ListObjectsV2Command({ Bucket, Prefix: 'shared' }))).KeyCount).toBe(1);
  for (const command of [
    new PutObjectCommand({ Bucket, Key: 'shared', Body: 'y' }),
    new CopyObjectCommand({ Bucket, Key: 'y', CopySource: 'data/shared' }),
  ]) {
    expect(await nameOf(reader.send(command as PutObjectCommand))).toBe('AccessDenied');
  }
  expect(await nameOf(reader.send(new DeleteObjectCommand({ Bucket, Key: 'shared' })))).toBe('AccessDenied');
  expect((await get('shared')).text).toBe('x');
});

it('wrong keys are refused', async () => {
  const list = new ListObjectsV2Command({ Bucket });
  expect(await nameOf(server.client('nobody').send(list))).toBe('InvalidAccessKeyId');
  expect(await nameOf(server.client('admin', 'wrong').send(list))).toBe('SignatureDoesNotMatch');
  expect((await fetch(`${server.url}/data`)).status).toBe(403);
});

it('presigned URLs work without credentials, until they expire or are changed', async () => {
  const up = await getSignedUrl(client, new PutObjectCommand({ Bucket, Key: 'pre signed/ä+b' }), { expiresIn: 60 });
  expect((await fetch(up, { method: 'PUT', body: 'by url' })).status).toBe(200);
  const down = await getSignedUrl(
    client,
    new GetObjectCommand({ Bucket, Key: 'pre signed/ä+b', ResponseContentType: 'text/x' }),
    { expiresIn: 1 },
  );
  const answer = await fetch(down);
  expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([200, 'text/x', 'by url']);
  expect(await (await fetch(down.replace('text%2Fx', 'text%2Fy'))).text()).toContain('SignatureDoesNotMatch');
  await new Promise((resolve) => setTimeout(resolve, 2100));
  expect(await (await fetch(down)).text()).toContain('Request has expired');
});
