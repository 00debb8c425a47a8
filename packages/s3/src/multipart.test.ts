import { createHash, randomBytes } from 'node:crypto';
import { cp, readdir, rename, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { serveTest, type TestServer } from '../test/serve.ts';
import { uploadLifetime } from './uploads.ts';

let server: TestServer;
let client: S3Client;
const Bucket = 'data';
const MiB = 1024 ** 2;
const five = randomBytes(5 * MiB);
const rest = randomBytes(1000);

beforeAll(async () => {
  server = await serveTest();
  client = server.client();
});
afterAll(async () => {
  expect(server.failures).toEqual([]);
  await server[Symbol.asyncDispose]();
});

const begin = async (Key: string): Promise<string> =>
  (await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ContentType: 'text/x', Metadata: { a: 'b' } })))
    .UploadId ?? '';
const part = async (Key: string, UploadId: string, PartNumber: number, Body: Buffer) => ({
  PartNumber,
  ETag: (await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }))).ETag,
});
const complete = (Key: string, UploadId: string, Parts: { PartNumber: number; ETag: string | undefined }[]) =>
  client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }));
const get = async (Key: string, more: object = {}) => {
  const answer = await client.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return { ...answer, bytes: Buffer.from((await answer.Body?.transformToByteArray()) ?? []) };
};
const md5 = (...parts: Buffer[]): Buffer => createHash('md5').update(Buffer.concat(parts)).digest();
const names = (directory: string): Promise<string[]> => readdir(join(server.directory, directory));

it('parts become an object, in the order of their numbers', async () => {
  const id = await begin('big');
  const second = await part('big', id, 7, rest);
  await part('big', id, 2, randomBytes(100));
  await part('big', id, 3, rest);
  const first = await part('big', id, 2, five);
  const listed = await client.send(new ListPartsCommand({ Bucket, Key: 'big', UploadId: id, MaxParts: 2 }));
  expect(listed).toMatchObject({ IsTruncated: true, NextPartNumberMarker: '3' });
  expect(listed.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size])).toEqual([
    [2, five.length],
    [3, rest.length],
  ]);
  const { ETag } = await complete('big', id, [first, second]);
  expect(ETag).toBe(`"${md5(md5(five), md5(rest)).toString('hex')}-2"`);
  const whole = await get('big');
  expect(whole).toMatchObject({ ETag, ContentType: 'text/x', Metadata: { a: 'b' } });
  expect(whole.bytes.equals(Buffer.concat([five, rest]))).toBe(true);
  const middle = await get('big', { Range: `bytes=${five.length - 3}-${five.length + 3}` });
  expect(middle.bytes.equals(Buffer.concat([five.subarray(-3), rest.subarray(0, 4)]))).toBe(true);
  const one = await get('big', { PartNumber: 2 });
  expect(one).toMatchObject({ PartsCount: 2, bytes: rest });
  // Again, as a client whose answer was lost does.
  expect((await complete('big', id, [first, second])).ETag).toBe(ETag);
  expect(await names('uploads')).toEqual([]);
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'big' }));
  expect(await names('assembled')).toEqual([]);
});

it('lists of parts that are wrong are refused, and the upload goes on', async () => {
  const id = await begin('wrong');
  const one = await part('wrong', id, 1, rest);
  const two = await part('wrong', id, 2, rest);
  await expect(complete('wrong', id, [two, one])).rejects.toMatchObject({ name: 'InvalidPartOrder' });
  await expect(complete('wrong', id, [one, two])).rejects.toMatchObject({ name: 'EntityTooSmall' });
  await expect(complete('wrong', id, [{ ...one, ETag: '"x"' }])).rejects.toMatchObject({ name: 'InvalidPart' });
  await expect(complete('wrong', id, [])).rejects.toMatchObject({ name: 'MalformedXML' });
  await expect(complete('other', id, [one])).rejects.toMatchObject({ name: 'NoSuchUpload' });
  await expect(complete('wrong', '../../etc', [one])).rejects.toMatchObject({ name: 'NoSuchUpload' });
  await expect(part('wrong', id, 10_001, rest)).rejects.toMatchObject({ name: 'InvalidArgument' });
  await complete('wrong', id, [one]);
});

it('an aborted upload is gone', async () => {
  const id = await begin('aborted');
  const one = await part('aborted', id, 1, rest);
  await client.send(new AbortMultipartUploadCommand({ Bucket, Key: 'aborted', UploadId: id }));
  await expect(complete('aborted', id, [one])).rejects.toMatchObject({ name: 'NoSuchUpload' });
  await expect(part('aborted', id, 1, rest)).rejects.toMatchObject({ name: 'NoSuchUpload' });
  expect(await names('uploads')).toEqual([]);
});

it('uploads under way are listed by key, in pages', async () => {
  const ids = [await begin('l/a'), await begin('l/a'), await begin('l/b/1'), await begin('l/b/2'), await begin('m')];
  const all = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'l/', Delimiter: '/' }));
  expect(all.Uploads?.map(({ Key }) => Key)).toEqual(['l/a', 'l/a']);
  expect(all.CommonPrefixes).toEqual([{ Prefix: 'l/b/' }]);
  const seen: (string | undefined)[] = [];
  for (let markers: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {}; ; ) {
    const page = await client.send(new ListMultipartUploadsCommand({ Bucket, MaxUploads: 1, ...markers }));
    seen.push(...(page.Uploads ?? []).map(({ UploadId }) => UploadId));
    if (!page.IsTruncated) break;
    markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
  }
  expect(seen.toSorted()).toEqual(ids.toSorted());
  const keys = ['l/a', 'l/a', 'l/b/1', 'l/b/2', 'm'];
  for (const [at, UploadId] of ids.entries()) {
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key: keys[at] ?? '', UploadId }));
  }
});

it('parts are copied from objects', async () => {
  await client.send(new PutObjectCommand({ Bucket, Key: 'source', Body: five }));
  const id = await begin('from parts');
  const copyPart = async (PartNumber: number, CopySourceRange?: string) => {
    const { CopyPartResult } = await client.send(
      new UploadPartCopyCommand({
        Bucket,
        Key: 'from parts',
        UploadId: id,
        PartNumber,
        CopySource: 'data/source',
        ...(CopySourceRange ? { CopySourceRange } : {}),
      }),
    );
    return { PartNumber, ETag: CopyPartResult?.ETag };
  };
  await complete('from parts', id, [await copyPart(1), await copyPart(2, 'bytes=10-19')]);
  expect((await get('from parts')).bytes.equals(Buffer.concat([five, five.subarray(10, 20)]))).toBe(true);
});

it('an object in parts that is replaced while it is read is read to its end', async () => {
  const id = await begin('read');
  await complete('read', id, [await part('read', id, 1, five), await part('read', id, 2, rest)]);
  const object = await server.files().objects.open('read');
  await client.send(new PutObjectCommand({ Bucket, Key: 'read', Body: 'new' }));
  const chunks: Buffer[] = [];
  for await (const chunk of object.read(0, object.record.size)) chunks.push(chunk);
  expect(Buffer.concat(chunks).equals(Buffer.concat([five, rest]))).toBe(true);
  const before = await names('assembled');
  await object[Symbol.asyncDispose]();
  expect((await names('assembled')).length).toBe(before.length - 1);
  expect((await get('read')).bytes.toString()).toBe('new');
});

it('data of an object that was replaced just before a crash is gone after the next start', async () => {
  const id = await begin('crash');
  const one = await part('crash', id, 1, rest);
  await complete('crash', id, [one]);
  const directory = join(server.directory, 'assembled', id);
  await cp(directory, `${directory}-kept`, { recursive: true });
  await client.send(new PutObjectCommand({ Bucket, Key: 'crash', Body: 'new' }));
  await rename(`${directory}-kept`, directory);
  // And one of which the object was not made yet: it goes on.
  const unfinished = await begin('unfinished');
  const two = await part('unfinished', unfinished, 1, rest);
  await rename(join(server.directory, 'uploads', unfinished), join(server.directory, 'assembled', unfinished));
  await server.reopen();
  await server.files().tidied;
  expect(await names('assembled')).not.toContain(id);
  expect(await names('uploads')).toEqual([unfinished]);
  await complete('unfinished', unfinished, [two]);
  expect((await get('crash')).bytes.toString()).toBe('new');
});

it('uploads survive another start; after a week without a part they are removed', async () => {
  const [old, young] = [await begin('old'), await begin('young')];
  const one = await part('young', young, 1, rest);
  const past = (Date.now() - uploadLifetime) / 1000 - 60;
  await utimes(join(server.directory, 'uploads', old), past, past);
  await server.reopen();
  await server.files().tidied;
  await expect(part('old', old, 1, rest)).rejects.toMatchObject({ name: 'NoSuchUpload' });
  await complete('young', young, [one]);
});
