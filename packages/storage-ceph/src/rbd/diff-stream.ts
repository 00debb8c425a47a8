/**
 * The format of `rbd export-diff` (Ceph, doc/dev/rbd-diff.rst, version 1), read far enough to tell where one stream ends and the next
 * begins, and to change the name of the snapshot that it makes.
 */
import { badRequest, type LxdError } from '@lxd-ts/driver-kit';

const MAGIC = Buffer.from('rbd diff v1\n');
const LONGEST_NAME = 4096;

const tooEarly = (): LxdError => badRequest('The stream ended too early');

/** Bytes of a stream, in pieces of the wanted length. */
export interface ByteReader {
  /** Exactly so many bytes. @throws LxdError bad-request when the stream ends before */
  exactly(length: number): Promise<Buffer>;
  /** So many bytes, in the pieces in which they come. */
  pieces(length: number): AsyncIterable<Buffer>;
  /** Whether nothing is left. */
  ended(): Promise<boolean>;
}

export const byteReader = (from: AsyncIterable<Uint8Array>): ByteReader => {
  const chunks = from[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  const more = async (): Promise<boolean> => {
    const next = await chunks.next();
    if (next.done) return false;
    const bytes = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    return true;
  };
  const take = (length: number): Buffer => {
    const taken = rest.subarray(0, length);
    rest = rest.subarray(length);
    return taken;
  };
  return {
    async exactly(length) {
      while (rest.length < length) if (!(await more())) throw tooEarly();
      return take(length);
    },
    async *pieces(length) {
      let left = length;
      while (left > 0) {
        if (rest.length === 0 && !(await more())) throw tooEarly();
        const piece = take(Math.min(left, rest.length));
        left -= piece.length;
        yield piece;
      }
    },
    async ended() {
      while (rest.length === 0) if (!(await more())) return true;
      return false;
    },
  };
};

const named = (tag: 'f' | 't', name: string): Buffer => {
  const bytes = Buffer.from(name);
  const head = Buffer.alloc(5);
  head.write(tag, 'latin1');
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
};

/**
 * Passes one stream on, and stops at its end.
 *
 * @param base - the snapshot that it must be a difference to; undefined: it must be whole
 * @param to - the snapshot to make of it, instead of the one that it names; undefined: none
 * @throws LxdError bad-request when it is none, is cut off, or is another difference
 */
export async function* rewriteDiff(
  reader: ByteReader,
  { base, to }: { readonly base: string | undefined; readonly to: string | undefined },
): AsyncGenerator<Buffer> {
  const magic = await reader.exactly(MAGIC.length);
  if (!magic.equals(MAGIC)) throw badRequest('This is not a stream of RBD differences');
  yield magic;
  if (base !== undefined) yield named('f', base);
  if (to !== undefined) yield named('t', to);
  let from: string | undefined;
  for (;;) {
    const tag = await reader.exactly(1);
    const kind = tag.toString('latin1');
    if (kind === 'f' || kind === 't') {
      const length = (await reader.exactly(4)).readUInt32LE();
      if (length > LONGEST_NAME) throw badRequest('This is not a stream of RBD differences');
      const name = (await reader.exactly(length)).toString();
      if (kind === 'f') from = name;
      continue;
    }
    if (from !== base) {
      throw badRequest(`The stream is a difference to ${from ?? 'nothing'}, but ${base ?? 'nothing'} was expected`);
    }
    yield tag;
    if (kind === 'e') return;
    if (kind === 's') yield await reader.exactly(8);
    else if (kind === 'w' || kind === 'z') {
      const place = await reader.exactly(16);
      yield place;
      if (kind === 'w') yield* reader.pieces(Number(place.readBigUInt64LE(8)));
    } else throw badRequest('This is not a stream of RBD differences');
  }
}
