/**
 * What a sent volume looks like. A volume of one dataset or zvol is exactly what `zfs send` writes (also what LXD itself sends and
 * keeps in optimised backups). One in two parts (the metadata and the disk of a virtual machine) is a magic line, and then each
 * part in chunks: the length in four bytes (little endian), the bytes; a length of 0 ends the part.
 */
import { badRequest } from '@lxd-ts/driver-kit';

const magic = Buffer.from('lxd-ts-zfs-parts-1\n');
const maximumChunk = 64 * 1024 ** 2;

const lengthOf = (length: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(length);
  return bytes;
};

/** Joins the streams of a volume's parts to one. */
export const joinParts = async function* (parts: readonly AsyncIterable<Buffer>[]): AsyncIterable<Buffer> {
  const [first, ...others] = parts;
  if (first && others.length === 0) return yield* first;
  yield magic;
  for (const part of parts) {
    for await (const chunk of part) {
      // A length of 0 would end the part.
      if (chunk.length === 0) continue;
      yield lengthOf(chunk.length);
      yield chunk;
    }
    yield lengthOf(0);
  }
};

/** Reads so many bytes at a time, whatever the pieces in which they come. */
export interface ByteReader extends AsyncDisposable {
  /** The next bytes without taking them; fewer at the end of the stream. */
  peek(length: number): Promise<Buffer>;
  /** @throws LxdError bad-request when the stream ends before */
  take(length: number): Promise<Buffer>;
  /** All that is left. */
  rest(): AsyncIterable<Buffer>;
}

export const byteReader = (from: AsyncIterable<Buffer>): ByteReader => {
  const chunks = from[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);
  const peek = async (length: number): Promise<Buffer> => {
    while (held.length < length) {
      const next = await chunks.next();
      if (next.done) break;
      held = held.length === 0 ? next.value : Buffer.concat([held, next.value]);
    }
    return held.subarray(0, length);
  };
  return {
    peek,
    async take(length) {
      const bytes = await peek(length);
      if (bytes.length < length) throw badRequest('The stream ended too early');
      held = held.subarray(length);
      return bytes;
    },
    async *rest() {
      if (held.length > 0) yield held;
      held = Buffer.alloc(0);
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
    },
    async [Symbol.asyncDispose]() {
      await chunks.return?.();
    },
  };
};

const partOf = async function* (reader: ByteReader): AsyncIterable<Buffer> {
  for (;;) {
    const length = (await reader.take(4)).readUInt32LE();
    if (length === 0) return;
    if (length > maximumChunk) throw badRequest('The stream is none of a volume in parts');
    yield await reader.take(length);
  }
};

/**
 * Gives each part of a stream to a function, in order; each has to be read to its end.
 *
 * @param count - how many parts the volume has
 * @throws LxdError bad-request when the stream is one of another number of parts
 */
export const splitParts = async (
  from: AsyncIterable<Buffer>,
  count: number,
  receive: (part: AsyncIterable<Buffer>, at: number) => Promise<void>,
): Promise<void> => {
  await using reader = byteReader(from);
  const inParts = (await reader.peek(magic.length)).equals(magic);
  if (inParts !== count > 1) throw badRequest(`The stream is ${inParts ? '' : 'not '}one of a virtual machine`);
  // Awaited here: leaving ends the reader.
  if (!inParts) return await receive(reader.rest(), 0);
  await reader.take(magic.length);
  for (let at = 0; at < count; at++) await receive(partOf(reader), at);
};

/** The first words of a replay record (dmu_replay_record of OpenZFS's sys/zfs_ioctl.h): a BEGIN with its magic. */
const beginLength = 36;
const beginMagic = 0x2f5bacbacn;
const zvolType = 3;

/**
 * What a stream of `zfs send` holds, told by its first record, in the byte order of the sender.
 *
 * @returns undefined when it is no such stream
 */
export const streamType = (start: Buffer): 'filesystem' | 'volume' | undefined => {
  if (start.length < beginLength) return undefined;
  const little = start.readBigUInt64LE(8) === beginMagic;
  if (!little && start.readBigUInt64BE(8) !== beginMagic) return undefined;
  const type = little ? start.readUInt32LE(32) : start.readUInt32BE(32);
  return type === zvolType ? 'volume' : 'filesystem';
};
