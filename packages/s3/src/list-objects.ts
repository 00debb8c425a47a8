import { S3Error } from './errors.ts';
import type { ObjectRecord } from './object-file.ts';
import type { Objects } from './objects.ts';
import { type BucketCall, countParam, document, encodingParam, owner, quoted, type Reply } from './operation.ts';
import { encodeUri } from './target.ts';
import type { WalkQuery } from './walk.ts';
import type { Xml } from './xml.ts';

const maxKeys = 1000;
/** So many records are read at once. */
const parallel = 16;

interface Page {
  readonly objects: readonly { readonly key: string; readonly record: ObjectRecord }[];
  readonly prefixes: readonly string[];
  /** The last key or prefix of the page, if there is more after it. */
  readonly next: string | undefined;
}

const readPage = async (objects: Objects, query: WalkQuery, limit: number): Promise<Page> => {
  const found: { key: string; path: string }[] = [];
  const prefixes: string[] = [];
  let last = '';
  let next: string | undefined;
  if (limit > 0) {
    for await (const one of objects.walk(query)) {
      if (found.length + prefixes.length === limit) {
        next = last;
        break;
      }
      if (one.prefix === undefined) {
        found.push(one);
        last = one.key;
      } else {
        prefixes.push(one.prefix);
        last = one.prefix;
      }
    }
  }
  const records: { key: string; record: ObjectRecord }[] = [];
  for (let at = 0; at < found.length; at += parallel) {
    const some = found.slice(at, at + parallel);
    const read = await Promise.all(some.map(async ({ key, path }) => ({ key, record: await objects.recordAt(path) })));
    // One may be gone again.
    for (const { key, record } of read) if (record) records.push({ key, record });
  }
  return { objects: records, prefixes, next };
};

/** Keys in listings keep their slashes. */
const encodeKey = (key: string): string => encodeUri(key).replaceAll('%2F', '/');

const encodeToken = (key: string): string => Buffer.from(key).toString('base64url');

const decodeToken = (token: string): string => {
  const key = Buffer.from(token, 'base64url').toString('utf8');
  if (token === '' || encodeToken(key) !== token) {
    throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect');
  }
  return key;
};

const contents = (page: Page, encode: (text: string) => string, withOwner: boolean): Xml[] =>
  page.objects.map(({ key, record }) => ({
    Key: encode(key),
    LastModified: new Date(record.modified),
    ETag: quoted(record.etag),
    Size: record.size,
    Owner: withOwner ? owner : undefined,
    StorageClass: 'STANDARD',
  }));

/** ListObjects of both versions. */
export const listObjects = async ({ target, bucket, files }: BucketCall): Promise<Reply> => {
  const type = target.param('list-type');
  if (type !== undefined && type !== '2') throw new S3Error('InvalidArgument', 'list-type must be 2');
  const second = type === '2';
  const prefix = target.param('prefix') ?? '';
  const delimiter = target.param('delimiter') ?? '';
  const encode = encodingParam(target, encodeKey);
  const limit = countParam(target, 'max-keys', maxKeys);
  const token = second ? target.param('continuation-token') : undefined;
  const given = target.param(second ? 'start-after' : 'marker') ?? '';
  const after = token === undefined ? given : decodeToken(token);
  const page = await readPage(files.objects, { prefix, after, delimiter }, limit);

  return document('ListBucketResult', {
    Name: bucket,
    Prefix: encode(prefix),
    ...(second
      ? {
          StartAfter: given === '' ? undefined : encode(given),
          ContinuationToken: token,
          NextContinuationToken: page.next === undefined ? undefined : encodeToken(page.next),
          KeyCount: page.objects.length + page.prefixes.length,
        }
      : {
          Marker: encode(given),
          // S3 tells it with a delimiter only; it does no harm without one.
          NextMarker: page.next === undefined ? undefined : encode(page.next),
        }),
    Delimiter: delimiter === '' ? undefined : encode(delimiter),
    MaxKeys: limit,
    EncodingType: target.param('encoding-type') || undefined,
    IsTruncated: page.next !== undefined,
    Contents: contents(page, encode, !second || target.param('fetch-owner') === 'true'),
    CommonPrefixes: page.prefixes.map((one) => ({ Prefix: encode(one) })),
  });
};
