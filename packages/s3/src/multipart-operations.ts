/** CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload, ListParts, ListMultipartUploads. */
import { z } from 'zod';
import { readText } from './body.ts';
import { writeCheck } from './conditions.ts';
import { copyPart } from './copy.ts';
import { S3Error } from './errors.ts';
import { describedBy, refuseNotServed } from './object-headers.ts';
import { checksumHeaders } from './object-operations.ts';
import {
  type BucketCall,
  countParam,
  document,
  encodingParam,
  nothing,
  owner,
  quoted,
  type Reply,
} from './operation.ts';
import { encodeUri } from './target.ts';
import { compareText } from './text-order.ts';
import { checkPartNumber } from './uploads.ts';
import { parseXml } from './xml.ts';

/** 10,000 parts with their checksums. */
const maxListBytes = 4 * 1024 ** 2;
const maxListed = 1000;

const uploadIdOf = ({ target }: BucketCall): string => target.param('uploadId') ?? '';

const one = <T extends z.ZodType>(item: T) => z.union([z.array(item), item.transform((value) => [value])]);

const completion = z.object({
  CompleteMultipartUpload: z.object({
    Part: one(z.object({ PartNumber: z.string().regex(/^\s*\d{1,6}\s*$/), ETag: z.string() })),
  }),
});

export const createUpload = async (call: BucketCall): Promise<Reply> => {
  const { target, bucket, key, files } = call;
  refuseNotServed(target);
  const id = await files.uploads.create({ key, ...describedBy(target) });
  return document('InitiateMultipartUploadResult', { Bucket: bucket, Key: key, UploadId: id });
};

const partNumberOf = ({ target }: BucketCall): number => {
  const text = target.param('partNumber') ?? '';
  const number = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  checkPartNumber(number);
  return number;
};

export const putPart = async (call: BucketCall): Promise<Reply> => {
  const { target, key, files } = call;
  const [id, number] = [uploadIdOf(call), partNumberOf(call)];
  if (target.header('x-amz-copy-source') !== undefined) return copyPart(call, id, number);
  refuseNotServed(target);
  // Before the data has come.
  await files.uploads.get(key, id);
  const body = call.body();
  const record = await files.uploads.putPart(key, id, number, body.data, ({ size, md5 }) => {
    const checksum = body.checksum();
    return { size, etag: md5, modified: Date.now(), headers: {}, metadata: {}, ...(checksum ? { checksum } : {}) };
  });
  return { status: 200, headers: { ETag: quoted(record.etag), ...checksumHeaders(record) } };
};

export const completeUpload = async (call: BucketCall): Promise<Reply> => {
  const { target, bucket, key, files } = call;
  const check = writeCheck(target);
  const parsed = completion.safeParse(parseXml(await readText(call.body(maxListBytes))));
  if (!parsed.success) throw new S3Error('MalformedXML', undefined, { cause: parsed.error });
  const parts = parsed.data.CompleteMultipartUpload.Part.map(({ PartNumber, ETag }) => ({
    number: Number(PartNumber),
    etag: ETag.trim().replace(/^"(.*)"$/, '$1'),
  }));
  for (const { number } of parts) checkPartNumber(number);
  const record = await files.uploads.complete(key, uploadIdOf(call), parts, check);
  return document('CompleteMultipartUploadResult', {
    Location: `https://${target.header('host') ?? ''}${encodeUri(`/${bucket}/${key}`).replaceAll('%2F', '/')}`,
    Bucket: bucket,
    Key: key,
    ETag: quoted(record.etag),
  });
};

export const abortUpload = async (call: BucketCall): Promise<Reply> => {
  await call.files.uploads.abort(call.key, uploadIdOf(call));
  return nothing();
};

export const listParts = async (call: BucketCall): Promise<Reply> => {
  const { target, bucket, key, files } = call;
  const id = uploadIdOf(call);
  const limit = countParam(target, 'max-parts', maxListed);
  const marker = countParam(target, 'part-number-marker', 0x7fffffff);
  const after = target.param('part-number-marker') ? marker : 0;
  const numbers = (await files.uploads.partNumbers(key, id)).filter((number) => number > after);
  const listed = numbers.slice(0, limit);
  const parts = [];
  for (const number of listed) {
    const part = await files.uploads.part(id, number);
    if (part) {
      const { modified, etag, size } = part.record;
      parts.push({ PartNumber: number, LastModified: new Date(modified), ETag: quoted(etag), Size: size });
    }
  }
  return document('ListPartsResult', {
    Bucket: bucket,
    Key: key,
    UploadId: id,
    Initiator: owner,
    Owner: owner,
    StorageClass: 'STANDARD',
    PartNumberMarker: after,
    NextPartNumberMarker: listed.at(-1) ?? 0,
    MaxParts: limit,
    IsTruncated: numbers.length > listed.length,
    Part: parts,
  });
};

export const listUploads = async ({ target, bucket, files }: BucketCall): Promise<Reply> => {
  const encode = encodingParam(target, (text) => encodeUri(text).replaceAll('%2F', '/'));
  const prefix = target.param('prefix') ?? '';
  const delimiter = target.param('delimiter') ?? '';
  const keyMarker = target.param('key-marker') ?? '';
  const idMarker = keyMarker === '' ? '' : (target.param('upload-id-marker') ?? '');
  const limit = countParam(target, 'max-uploads', maxListed);
  const groupOf = (key: string): string | undefined => {
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    return at === -1 ? undefined : key.slice(0, at + delimiter.length);
  };
  const all = (await files.uploads.list())
    .filter(({ key, id }) => {
      // A page may have ended with a prefix that keys after it share.
      if (!key.startsWith(prefix) || (keyMarker !== '' && groupOf(key) === keyMarker)) return false;
      const order = compareText(key, keyMarker);
      return order > 0 || (order === 0 && idMarker !== '' && id > idMarker);
    })
    .sort((a, b) => compareText(a.key, b.key) || (a.id < b.id ? -1 : 1));

  const uploads = [];
  const prefixes: string[] = [];
  let last = { key: '', id: '' };
  let truncated = false;
  for (const { key, id, initiated } of all) {
    const group = groupOf(key);
    if (group !== undefined && group === prefixes.at(-1)) continue;
    if (uploads.length + prefixes.length === limit) {
      truncated = limit > 0;
      break;
    }
    if (group !== undefined) {
      prefixes.push(group);
      last = { key: group, id: '' };
      continue;
    }
    uploads.push({
      Key: encode(key),
      UploadId: id,
      Initiator: owner,
      Owner: owner,
      StorageClass: 'STANDARD',
      Initiated: new Date(initiated),
    });
    last = { key, id };
  }
  return document('ListMultipartUploadsResult', {
    Bucket: bucket,
    KeyMarker: encode(keyMarker),
    UploadIdMarker: idMarker,
    NextKeyMarker: truncated ? encode(last.key) : undefined,
    NextUploadIdMarker: truncated ? last.id : undefined,
    Prefix: encode(prefix),
    Delimiter: delimiter === '' ? undefined : encode(delimiter),
    EncodingType: target.param('encoding-type') || undefined,
    MaxUploads: limit,
    IsTruncated: truncated,
    Upload: uploads,
    CommonPrefixes: prefixes.map((group) => ({ Prefix: encode(group) })),
  });
};
