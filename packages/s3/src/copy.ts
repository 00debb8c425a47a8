/** CopyObject and UploadPartCopy: data from one key to another, without a way through the client. */
import { checkRead, writeCheck } from './conditions.ts';
import { S3Error } from './errors.ts';
import { describedBy, refuseNotServed } from './object-headers.ts';
import { rangeOf } from './object-operations.ts';
import type { OpenObject } from './objects.ts';
import { type BucketCall, document, quoted, type Reply } from './operation.ts';
import { decodeUri } from './target.ts';

interface Source extends AsyncDisposable {
  readonly bucket: string;
  readonly key: string;
  readonly object: OpenObject;
}

/** The most that is copied at once. */
const maxCopyBytes = 5 * 1024 ** 3;

const openSource = async (call: BucketCall): Promise<Source> => {
  const { target, files } = call;
  const [path = '', query] = (target.header('x-amz-copy-source') ?? '').split('?', 2);
  if (query !== undefined && query !== 'versionId=null') {
    throw new S3Error('NotImplemented', 'Versions of objects are not implemented.');
  }
  const match = /^\/?([^/]+)\/(.+)$/s.exec(decodeUri(path));
  if (!match?.[1] || !match[2]) {
    throw new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey');
  }
  const [, bucket, key] = match;
  await using stack = new AsyncDisposableStack();
  const from = bucket === call.bucket ? files : stack.use(await call.granted(bucket).use()).files;
  const object = stack.use(await from.objects.open(key));
  checkRead(target, object.record, 'x-amz-copy-source-');
  const kept = stack.move();
  return { bucket, key, object, [Symbol.asyncDispose]: () => kept.disposeAsync() };
};

/** Data that ends with an error once the bucket must be let go: here no connection breaks that would say so. */
async function* interruptible(data: AsyncIterable<Buffer>, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  for await (const chunk of data) {
    signal?.throwIfAborted();
    yield chunk;
  }
}

const result = (root: string, { etag, modified }: { etag: string; modified: number }): Reply =>
  document(root, { LastModified: new Date(modified), ETag: quoted(etag) });

export const copyObject = async (call: BucketCall): Promise<Reply> => {
  const { target, bucket, key, files } = call;
  refuseNotServed(target);
  const directive = target.header('x-amz-metadata-directive') ?? 'COPY';
  if (directive !== 'COPY' && directive !== 'REPLACE') {
    throw new S3Error('InvalidArgument', 'Unknown metadata directive: use COPY or REPLACE.');
  }
  await using source = await openSource(call);
  const { record } = source.object;
  if (record.size > maxCopyBytes)
    throw new S3Error(
      'InvalidRequest',
      'The specified copy source is larger than the maximum allowable size for a copy source: 5368709120',
    );
  if (directive === 'COPY' && source.bucket === bucket && source.key === key) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata.",
    );
  }
  const { headers, metadata } = directive === 'COPY' ? record : describedBy(target);
  const made = await files.objects.put(
    key,
    interruptible(source.object.read(0, record.size), call.signal),
    ({ size, md5 }) => ({ size, etag: md5, modified: Date.now(), headers, metadata }),
    writeCheck(target),
  );
  return result('CopyObjectResult', made);
};

export const copyPart = async (call: BucketCall, id: string, number: number): Promise<Reply> => {
  const { target, key, files } = call;
  await files.uploads.get(key, id);
  await using source = await openSource(call);
  const { size } = source.object.record;
  const header = target.header('x-amz-copy-source-range');
  const range = header === undefined ? undefined : rangeOf(header, size);
  if (header !== undefined && !range) {
    throw new S3Error('InvalidArgument', 'The x-amz-copy-source-range value must be of the form bytes=first-last');
  }
  const { start, end } = range ?? { start: 0, end: size };
  if (end - start > maxCopyBytes) throw new S3Error('EntityTooLarge');
  const made = await files.uploads.putPart(
    key,
    id,
    number,
    interruptible(source.object.read(start, end), call.signal),
    (written) => ({
      size: written.size,
      etag: written.md5,
      modified: Date.now(),
      headers: {},
      metadata: {},
    }),
  );
  return result('CopyPartResult', made);
};
