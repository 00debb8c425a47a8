/** Bodies in the encoding `aws-chunked`: chunks with or without signatures, and headers after them. */
import { createHash } from 'node:crypto';
import type { Authenticated } from './authenticate.ts';
import { S3Error } from './errors.ts';
import { isSame, sha256 } from './signature.ts';

/** The longest line between chunks. */
const maxLine = 4096;
const maxTrailers = 16;

const incomplete = (): S3Error => new S3Error('IncompleteBody');

/** Reads lines and counted bytes from a stream of buffers, holding no more than one line and one buffer. */
const createReader = (source: AsyncIterable<Buffer>) => {
  const chunks = source[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);

  /** More bytes; false at the end. */
  const fill = async (): Promise<boolean> => {
    const { value, done } = await chunks.next();
    if (done) return false;
    rest = rest.length === 0 ? value : Buffer.concat([rest, value]);
    return true;
  };

  return {
    /** A line without its end; undefined at the end of the stream. */
    async line(): Promise<string | undefined> {
      for (;;) {
        const at = rest.indexOf('\r\n');
        if (at !== -1 && at <= maxLine) {
          const line = rest.toString('latin1', 0, at);
          rest = rest.subarray(at + 2);
          return line;
        }
        if (rest.length > maxLine)
          throw new S3Error('InvalidRequest', 'A line between chunks of the body is too long.');
        if (!(await fill())) {
          if (rest.length === 0) return undefined;
          throw incomplete();
        }
      }
    },
    async *bytes(length: number): AsyncGenerator<Buffer> {
      for (let left = length; left > 0; ) {
        if (rest.length === 0 && !(await fill())) throw incomplete();
        const piece = rest.subarray(0, left);
        rest = rest.subarray(piece.length);
        left -= piece.length;
        if (piece.length > 0) yield piece;
      }
    },
    /** Leaves the rest of the stream to others. */
    async [Symbol.asyncDispose]() {
      await chunks.return?.();
    },
  };
};

const emptyHash = sha256('');

/**
 * Takes the chunks apart. Data is passed on before its signature has come: it must not be taken for true until the end is reached
 * without an error.
 *
 * @param chunks - signs what is signed; undefined: chunks have no signatures
 * @param trailers - filled with the headers after the last chunk, by name in lower case
 * @throws S3Error SignatureDoesNotMatch, IncompleteBody, InvalidRequest
 */
export async function* decodeChunks(
  source: AsyncIterable<Buffer>,
  chunks: Authenticated['chunks'] | undefined,
  trailers: Map<string, string>,
): AsyncGenerator<Buffer> {
  await using reader = createReader(source);
  let previous = chunks?.seed ?? '';
  const check = (given: string | undefined, kind: string, lines: readonly string[]): void => {
    if (!chunks) return;
    const expected = chunks.sign(kind, [previous, ...lines]);
    if (given === undefined || !isSame(expected, given)) throw new S3Error('SignatureDoesNotMatch');
    previous = expected;
  };

  for (;;) {
    const head = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec((await reader.line()) ?? '');
    if (!head?.[1]) throw new S3Error('InvalidRequest', 'The body is not in the encoding aws-chunked.');
    const size = Number.parseInt(head[1], 16);
    const hash = createHash('sha256');
    for await (const piece of reader.bytes(size)) {
      if (chunks) hash.update(piece);
      yield piece;
    }
    check(head[2], 'PAYLOAD', [emptyHash, hash.digest('hex')]);
    if (size === 0) break;
    if ((await reader.line()) !== '')
      throw new S3Error('InvalidRequest', 'A chunk of the body is longer than it says.');
  }

  let signature: string | undefined;
  for (let line = await reader.line(); line; line = await reader.line()) {
    const at = line.indexOf(':');
    if (at === -1 || trailers.size >= maxTrailers)
      throw new S3Error('InvalidRequest', 'A header after the body is malformed.');
    const [name, value] = [line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim()];
    if (name === 'x-amz-trailer-signature') signature = value;
    else trailers.set(name, value);
  }
  if (chunks && trailers.size > 0) {
    check(signature, 'TRAILER', [sha256([...trailers].map(([name, value]) => `${name}:${value}\n`).join(''))]);
  }
}
