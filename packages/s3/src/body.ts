/** The body of a request: decoded, and checked against all that the client said of it. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Authenticated, unsignedPayload } from './authenticate.ts';
import { beginSum, type Sum } from './checksums.ts';
import { decodeChunks } from './chunked.ts';
import { S3Error } from './errors.ts';
import type { Target } from './target.ts';

/** The most that can be put at once. */
const maxPutBytes = 5 * 1024 ** 3;

export interface Checksum {
  readonly algorithm: string;
  readonly value: string;
}

export interface Body {
  /** The data. Ends with an error unless it is what the client meant to send; so it holds for nothing before the end. */
  readonly data: AsyncIterable<Buffer>;
  /** Known once the data has ended: the checksum that was given, and held. */
  checksum(): Checksum | undefined;
}

const trailerKind = /^STREAMING-(AWS4-HMAC-SHA256|UNSIGNED)-PAYLOAD(-TRAILER)?$/;
const checksumPrefix = 'x-amz-checksum-';
/** Not sums, but words about them. */
const aboutChecksums = new Set(['x-amz-checksum-algorithm', 'x-amz-checksum-mode', 'x-amz-checksum-type']);

const lengthOf = (target: Target, chunked: boolean): number => {
  const text = target.header(chunked ? 'x-amz-decoded-content-length' : 'content-length');
  if (text === undefined) {
    // Without a body there is neither.
    if (!chunked && target.header('transfer-encoding') === undefined) return 0;
    throw new S3Error('MissingContentLength');
  }
  if (!/^\d{1,15}$/.test(text))
    throw new S3Error('InvalidArgument', 'The length of the content must be a number of bytes.');
  return Number(text);
};

/** Sums among the parameters of a presigned URL are not looked at, as S3 does not: they are those of an empty body. */
const checksumName = (target: Target): { name: string; trailing: boolean } | undefined => {
  const isSum = (name: string): boolean => name.startsWith(checksumPrefix) && !aboutChecksums.has(name);
  const announced = (target.header('x-amz-trailer') ?? '').split(',').map((name) => name.trim().toLowerCase());
  const found = [
    ...target.headerNames.filter(isSum).map((name) => ({ name, trailing: false })),
    ...announced.filter(isSum).map((name) => ({ name, trailing: true })),
  ];
  if (found.length > 1) throw new S3Error('InvalidRequest', 'Expecting a single x-amz-checksum- header.');
  return found[0];
};

const contentMd5 = (target: Target): string | undefined => {
  const text = target.header('content-md5');
  if (text !== undefined && !/^[A-Za-z0-9+/]{22}==$/.test(text)) throw new S3Error('InvalidDigest');
  return text;
};

/**
 * @param limit - more is refused
 * @throws S3Error of what can be known to be wrong before the data has come
 */
export const bodyOf = (
  incoming: IncomingMessage,
  target: Target,
  { payload, chunks }: Authenticated,
  limit: { readonly bytes: number; readonly code: 'EntityTooLarge' | 'MaxMessageLengthExceeded' } = {
    bytes: maxPutBytes,
    code: 'EntityTooLarge',
  },
): Body => {
  const streaming = trailerKind.exec(payload);
  const isHash = /^[0-9a-f]{64}$/.test(payload);
  if ((payload.startsWith('STREAMING-') && !streaming) || payload === 'STREAMING-UNSIGNED-PAYLOAD') {
    throw new S3Error('NotImplemented', `The payload option "${payload}" is not implemented.`);
  }
  if (!streaming && !isHash && payload !== unsignedPayload) {
    throw new S3Error(
      'InvalidArgument',
      'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-…, or a valid sha256 value.',
    );
  }
  const length = lengthOf(target, streaming !== null);
  if (length > limit.bytes) throw new S3Error(limit.code);
  const md5 = contentMd5(target);
  const named = checksumName(target);
  const algorithm = named?.name.slice(checksumPrefix.length) ?? '';
  const sum: Sum | undefined = named && beginSum(algorithm);
  if (named && !sum) throw new S3Error('InvalidRequest', `The checksum algorithm "${algorithm}" is not supported.`);

  const trailers = new Map<string, string>();
  let checksum: Checksum | undefined;
  // What is refused in the middle is answered on the same connection.
  const received: AsyncIterable<Buffer> = incoming.iterator({ destroyOnReturn: false });
  const source = streaming
    ? decodeChunks(received, streaming[1] === 'UNSIGNED' ? undefined : chunks, trailers)
    : received;

  const verifySum = (): void => {
    if (!named || !sum) return;
    const given = named.trailing ? trailers.get(named.name) : target.header(named.name);
    if (given === undefined)
      throw new S3Error('InvalidRequest', `The header ${named.name} was announced, but did not come.`);
    if (sum.digest() !== given)
      throw new S3Error('BadDigest', `The ${algorithm} you specified did not match what we received.`);
    checksum = { algorithm, value: given };
  };

  const verified = async function* (): AsyncGenerator<Buffer> {
    const hashes = {
      md5: md5 === undefined ? undefined : createHash('md5'),
      sha256: isHash ? createHash('sha256') : undefined,
    };
    let size = 0;
    try {
      for await (const chunk of source) {
        size += chunk.length;
        if (size > length) throw new S3Error('InvalidRequest', 'The body is longer than its length says.');
        hashes.md5?.update(chunk);
        hashes.sha256?.update(chunk);
        sum?.update(chunk);
        yield chunk;
      }
    } catch (error) {
      // The client went away.
      throw incoming.destroyed && !(error instanceof S3Error)
        ? new S3Error('IncompleteBody', undefined, { cause: error })
        : error;
    }
    if (size < length) throw new S3Error('IncompleteBody');
    if (hashes.sha256 && hashes.sha256.digest('hex') !== payload) throw new S3Error('XAmzContentSHA256Mismatch');
    if (hashes.md5 && hashes.md5.digest('base64') !== md5) throw new S3Error('BadDigest');
    verifySum();
  };

  return { data: verified(), checksum: () => checksum };
};

/** Reads a body as text. */
export const readText = async ({ data }: Body): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of data) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
};
