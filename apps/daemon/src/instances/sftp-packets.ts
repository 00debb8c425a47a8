/**
 * Packets of the SSH file transfer protocol, version 3 (draft-ietf-secsh-filexfer-02): a length of four bytes, a type, then fields;
 * numbers are big-endian, texts carry their length.
 */
import { badRequest } from '@lxd-ts/driver-kit';

/** Types of packets. */
export const packetType = {
  init: 1,
  version: 2,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  fstat: 8,
  setstat: 9,
  fsetstat: 10,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  realpath: 16,
  stat: 17,
  rename: 18,
  readlink: 19,
  symlink: 20,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attrs: 105,
  extended: 200,
  extendedReply: 201,
} as const;

/** The largest packet that is accepted, as OpenSSH has it. */
export const maxPacket = 256 * 1024;

/** Reads the fields of one packet. All methods throw LxdError bad-request at its end. */
export class PacketReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw badRequest('The packet is shorter than its fields');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  byte(): number {
    return this.#take(1).readUInt8();
  }

  uint32(): number {
    return this.#take(4).readUInt32BE();
  }

  /** A number of 64 bits. Offsets beyond what a number holds exactly are refused. */
  uint64(): number {
    const value = this.#take(8).readBigUInt64BE();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw badRequest(`${value} is larger than any file`);
    return Number(value);
  }

  bytes(): Buffer {
    return this.#take(this.uint32());
  }

  text(): string {
    return this.bytes().toString('utf8');
  }
}

/** A field of a packet to be sent. */
export const uint32 = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};

export const uint64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)));
  return bytes;
};

export const text = (value: string | Buffer): Buffer => {
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
};

/** A packet as it is sent. */
export const packet = (type: number, ...fields: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(fields);
  return Buffer.concat([uint32(body.length + 1), Buffer.of(type), body]);
};

/**
 * Splits a stream into packets: type and fields.
 *
 * @throws LxdError bad-request for one that is empty or larger than `maxPacket`
 */
export async function* packetsOf(stream: AsyncIterable<Buffer>): AsyncGenerator<{ type: number; body: Buffer }> {
  let pieces: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    pieces.push(chunk);
    size += chunk.length;
    while (size >= 4) {
      const [first] = pieces;
      const start = first && first.length >= 4 ? first : Buffer.concat(pieces);
      const length = start.readUInt32BE();
      if (length < 1 || length > maxPacket) throw badRequest(`A packet of ${length} bytes is not accepted`);
      if (size < length + 4) break;
      const all = pieces.length === 1 ? start : Buffer.concat(pieces);
      yield { type: all.readUInt8(4), body: all.subarray(5, length + 4) };
      const rest = all.subarray(length + 4);
      pieces = rest.length > 0 ? [rest] : [];
      size = rest.length;
    }
  }
}
