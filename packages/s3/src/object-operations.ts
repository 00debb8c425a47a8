/** PutObject, GetObject, HeadObject, DeleteObject. */
import { checkRead, writeCheck } from './conditions.ts';
import { S3Error } from './errors.ts';
import { describedBy, headersOf, refuseNotServed } from './object-headers.ts';
import type { OpenObject } from './objects.ts';
import { type BucketCall, nothing, quoted, type Reply } from './operation.ts';
import { checkPartNumber } from './uploads.ts';

export const putObject = async (call: BucketCall): Promise<Reply> => {
  const { target, key, files } = call;
  refuseNotServed(target);
  const described = describedBy(target);
  const check = writeCheck(target);
  // What can be refused before the data has come is refused then.
  if (check) check(await files.objects.record(key));
  const body = call.body();
  const record = await files.objects.put(
    key,
    body.data,
    ({ size, md5 }) => {
      const checksum = body.checksum();
      return { size, etag: md5, modified: Date.now(), ...described, ...(checksum ? { checksum } : {}) };
    },
    check,
  );
  return { status: 200, headers: { ETag: quoted(record.etag), ...checksumHeaders(record) } };
};

/** What is said of a checksum that was given with data and held. */
export const checksumHeaders = ({
  checksum,
}: {
  readonly checksum?: { readonly algorithm: string; readonly value: string } | undefined;
}): Record<string, string> => (checksum ? { [`x-amz-checksum-${checksum.algorithm}`]: checksum.value } : {});

interface Span {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/**
 * The bytes that a `Range` header asks for; undefined for all of them: several ranges, and what is no range, are ignored, as S3 does.
 *
 * @throws S3Error InvalidRange
 */
export const rangeOf = (header: string | undefined, size: number): Span | undefined => {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  if (!match) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return undefined;
  const span =
    first === ''
      ? { start: Math.max(0, size - Number(last)), end: size }
      : { start: Number(first), end: last === '' ? size : Math.min(Number(last) + 1, size) };
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
  if (span.start >= span.end) throw new S3Error('InvalidRange');
  return span;
};

/** The bytes of one part of an object. */
const partSpan = ({ record, parts }: OpenObject, text: string): Span & { count: number | undefined } => {
  const number = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  checkPartNumber(number);
  const part = parts?.[number - 1];
  if (!parts && number === 1) return { start: 0, end: record.size, count: undefined };
  if (!parts || !part) throw new S3Error('InvalidRange', 'The requested partnumber is not satisfiable');
  const start = parts.slice(0, number - 1).reduce((sum, { size }) => sum + size, 0);
  return { start, end: start + part.size, count: parts.length };
};

export const getObject = async ({ target, key, files }: BucketCall): Promise<Reply> => {
  await using stack = new AsyncDisposableStack();
  const object = stack.use(await files.objects.open(key));
  const { record } = object;
  checkRead(target, record);
  const headers = headersOf(target, record);
  const partNumber = target.param('partNumber');
  const range = target.header('range');
  if (partNumber !== undefined && range !== undefined) {
    throw new S3Error('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter');
  }
  const part = partNumber === undefined ? undefined : partSpan(object, partNumber);
  if (part?.count !== undefined) headers['x-amz-mp-parts-count'] = String(part.count);
  const wanted = part ?? rangeOf(range, record.size);
  const { start, end } = wanted ?? { start: 0, end: record.size };
  headers['Content-Length'] = String(end - start);
  const partial = wanted !== undefined && record.size > 0;
  if (partial) {
    headers['Content-Range'] = `bytes ${start}-${end - 1}/${record.size}`;
    // It is of the whole.
    for (const name of Object.keys(headers)) if (name.startsWith('x-amz-checksum-')) delete headers[name];
  }
  const status = partial ? 206 : 200;
  if (target.method === 'HEAD') return { status, headers };
  const kept = stack.move();
  const data = async function* (): AsyncGenerator<Buffer> {
    try {
      yield* object.read(start, end);
    } finally {
      await kept.disposeAsync();
    }
  };
  return { status, headers, body: data() };
};

export const deleteObject = async ({ target, key, files }: BucketCall): Promise<Reply> => {
  await files.objects.delete(key, target.header('if-match') === undefined ? undefined : writeCheck(target));
  return nothing();
};
