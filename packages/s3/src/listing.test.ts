import {
  ListObjectsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { serveTest, type TestServer } from '../test/serve.ts';

let server: TestServer;
let client: S3Client;
const Bucket = 'data';

const long = 'x'.repeat(300);
const keys = [
  '!',
  '%2F',
  '%e',
  '.',
  '..',
  '../..',
  '.hidden',
  '/',
  '/leading',
  '//',
  'a',
  'a b+c',
  'a-b',
  'a.',
  'a/',
  'a/b',
  'a/b/c',
  'a//b',
  'a0',
  'control\u0001\u007f',
  'photos/2020/1.jpg',
  'photos/2020/2.jpg',
  'photos/2021/1.jpg',
  'photos/cover.jpg',
  'ünïcödé/字',
  '\uffee',
  '\u{1f600}',
  long.slice(0, 195),
  long.slice(0, 196),
  `${long.slice(0, 196)}/below`,
  `${long.slice(0, 196)}-`,
  long,
  `${long}/${long}`,
  `${'/'.repeat(1000)}z`,
  './'.repeat(512),
  '\u{1f600}'.repeat(256),
];
const inOrder = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

beforeAll(async () => {
  server = await serveTest();
  client = server.client();
  for (const Key of keys) await server.files().objects.put(Key, asBody(Key), described);
});
afterAll(async () => {
  expect(server.failures).toEqual([]);
  await server[Symbol.asyncDispose]();
});

const asBody = async function* (text: string) {
  yield Buffer.from(text);
};
const described = ({ size, md5 }: { size: number; md5: string }) => ({
  size,
  etag: md5,
  modified: Date.now(),
  headers: {},
  metadata: {},
});

/** All pages of a listing. */
const listAll = async (query: { Prefix?: string; Delimiter?: string; MaxKeys?: number; StartAfter?: string }) => {
  const found: { keys: string[]; prefixes: string[]; pages: number } = { keys: [], prefixes: [], pages: 0 };
  for (let ContinuationToken: string | undefined; ; ) {
    const page: ListObjectsV2CommandOutput = await client.send(
      new ListObjectsV2Command({
        Bucket,
        ...query,
        EncodingType: 'url',
        ...(ContinuationToken ? { ContinuationToken } : {}),
      }),
    );
    found.pages++;
    found.keys.push(...(page.Contents ?? []).map(({ Key = '' }) => decodeURIComponent(Key)));
    found.prefixes.push(...(page.CommonPrefixes ?? []).map(({ Prefix = '' }) => decodeURIComponent(Prefix)));
    expect(page.KeyCount).toBe((page.Contents?.length ?? 0) + (page.CommonPrefixes?.length ?? 0));
    if (!page.IsTruncated) return found;
    ContinuationToken = page.NextContinuationToken;
  }
};

/** What S3 says a listing is, from all keys. */
const expected = (prefix: string, delimiter: string, after = '') => {
  const found = { keys: [] as string[], prefixes: [] as string[] };
  for (const key of inOrder) {
    if (!key.startsWith(prefix) || Buffer.compare(Buffer.from(key), Buffer.from(after)) <= 0) continue;
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const group = key.slice(0, at + delimiter.length);
    if (at === -1) found.keys.push(key);
    else if (!found.prefixes.includes(group) && group !== after) found.prefixes.push(group);
  }
  return found;
};

it('all keys come in the order of their bytes, whatever is in them', async () => {
  expect((await listAll({})).keys).toEqual(inOrder);
});

it.each([1, 2, 3, 7])('pages of %i hold everything once', async (MaxKeys) => {
  const all = await listAll({ MaxKeys });
  expect(all.keys).toEqual(inOrder);
  expect(all.pages).toBe(Math.ceil(keys.length / MaxKeys));
  for (const Prefix of ['', 'a', 'a/', '/', 'photos/']) {
    expect(await listAll({ MaxKeys, Delimiter: '/', Prefix }), Prefix).toMatchObject(expected(Prefix, '/'));
  }
});

it.each(['/', '0', 'o', 'xx', '20', '//', '\u{1f600}'])('delimiter %s', async (Delimiter) => {
  for (const Prefix of ['', 'a', 'a/', 'photos/', 'photos/2', '/', 'x', long.slice(0, 250), `${long}/`, 'none', 'ü']) {
    expect(await listAll({ Delimiter, Prefix }), Prefix).toMatchObject(expected(Prefix, Delimiter));
  }
});

it('a listing begins after any text', async () => {
  for (const StartAfter of [...keys, 'b', 'a/a', 'photos/2020', 'photos/2020/', '\uffff', long.slice(0, 200)]) {
    if (StartAfter === '') continue;
    expect((await listAll({ StartAfter })).keys, StartAfter).toEqual(expected('', '', StartAfter).keys);
    expect(await listAll({ StartAfter, Delimiter: '/', Prefix: 'photos/' })).toMatchObject(
      expected('photos/', '/', StartAfter),
    );
  }
});

it('the first version of the listing has markers', async () => {
  const seen: string[] = [];
  for (let Marker = ''; ; ) {
    const page = await client.send(
      new ListObjectsCommand({ Bucket, Prefix: 'photos/', Delimiter: '/', MaxKeys: 1, Marker }),
    );
    seen.push(
      ...(page.Contents ?? []).map(({ Key = '' }) => Key),
      ...(page.CommonPrefixes ?? []).map((one) => one.Prefix ?? ''),
    );
    if (!page.IsTruncated) break;
    Marker = page.NextMarker ?? '';
  }
  expect(seen).toEqual(['photos/2020/', 'photos/2021/', 'photos/cover.jpg']);
});

it('objects are read back by every key, and gone when deleted', async () => {
  const { objects } = server.files();
  for (const key of keys) {
    await using object = await objects.open(key);
    const chunks = [];
    for await (const chunk of object.read(0, object.record.size)) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe(key);
  }
});

it('a directory with more names than are held at once is listed whole', async () => {
  const { objects } = server.files();
  const many = Array.from({ length: 2500 }, (_, at) => `many/${String((at * 7919) % 2500).padStart(4, '0')}`);
  await Promise.all(many.map((key) => objects.put(key, asBody('x'), described)));
  const { keys: found } = await listAll({ Prefix: 'many/' });
  expect(found).toEqual([...many].sort());
  await Promise.all(many.map((key) => objects.delete(key)));
  expect((await listAll({ Prefix: 'many', Delimiter: '/' })).prefixes).toEqual([]);
});

it('what a listing is asked wrongly is refused', async () => {
  for (const query of ['max-keys=x', 'max-keys=-1', 'encoding-type=xml', 'list-type=2&continuation-token=%21']) {
    const { getSignedUrl } = await import('@aws-sdk/s3-request-presigner');
    const command = new ListObjectsV2Command({ Bucket });
    command.middlewareStack.add(
      (next) => (args) => {
        const { request } = args as { request: { query: Record<string, string> } };
        for (const [name, value] of new URLSearchParams(query)) request.query[name] = value;
        return next(args);
      },
      { step: 'build' },
    );
    const answer = await fetch(await getSignedUrl(client, command));
    expect([answer.status, await answer.text()], query).toEqual([
      400,
      expect.stringContaining('<Code>InvalidArgument'),
    ]);
  }
  await expect(client.send(new PutObjectCommand({ Bucket, Key: 'k'.repeat(1025), Body: '' }))).rejects.toThrow(
    'too long',
  );
});
