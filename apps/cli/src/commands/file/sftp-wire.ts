import type { Socket } from 'node:net';

/**
 * The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02): a length, a type, a request number, and fields by type.
 */

/** Attributes of a file; those that are not said are absent. */
export interface Attributes {
  size?: number;
  uid?: number;
  gid?: number;
  mode?: number;
  atime?: number;
  mtime?: number;
}

/** One field of a request, by its kind. */
export type Field = { text: string | Buffer } | { u32: number } | { u64: number } | { attributes: Attributes };

/** The reply to a request. */
export type Reply =
  | { kind: 'status'; code: number; message: string }
  | { kind: 'handle'; handle: Buffer }
  | { kind: 'data'; data: Buffer }
  | { kind: 'name'; names: { filename: string; longname: string; attributes: Attributes }[] }
  | { kind: 'attributes'; attributes: Attributes };

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};

const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

const attributes = ({ size, uid, gid, mode, atime, mtime }: Attributes): Buffer => {
  const parts: Buffer[] = [];
  let flags = 0;
  if (size !== undefined) {
    flags |= 1;
    parts.push(u64(size));
  }
  if (uid !== undefined && gid !== undefined) {
    flags |= 2;
    parts.push(u32(uid), u32(gid));
  }
  if (mode !== undefined) {
    flags |= 4;
    parts.push(u32(mode));
  }
  if (atime !== undefined && mtime !== undefined) {
    flags |= 8;
    parts.push(u32(atime), u32(mtime));
  }
  return Buffer.concat([u32(flags), ...parts]);
};

const field = (part: Field): Buffer => {
  if ('u32' in part) return u32(part.u32);
  if ('u64' in part) return u64(part.u64);
  if ('attributes' in part) return attributes(part.attributes);
  const bytes = Buffer.from(part.text);
  return Buffer.concat([u32(bytes.length), bytes]);
};

const packet = (type: number, ...parts: Buffer[]): Buffer => {
  const length = parts.reduce((sum, { length: size }) => sum + size, 1);
  return Buffer.concat([u32(length), Buffer.from([type]), ...parts]);
};

/** Reads the fields of one packet in turn. */
class Reader {
  #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  #take(length: number): Buffer {
    const taken = this.#bytes.subarray(0, length);
    if (taken.length < length) throw new Error('An SFTP packet ended in the middle of a field');
    this.#bytes = this.#bytes.subarray(length);
    return taken;
  }

  byte = (): number => this.#take(1).readUInt8();
  u32 = (): number => this.#take(4).readUInt32BE();
  u64 = (): number => Number(this.#take(8).readBigUInt64BE());
  bytes = (): Buffer => this.#take(this.u32());
  text = (): string => this.bytes().toString('utf8');

  attributes = (): Attributes => {
    const flags = this.u32();
    const found: Attributes = {};
    if (flags & 1) found.size = this.u64();
    if (flags & 2) {
      found.uid = this.u32();
      found.gid = this.u32();
    }
    if (flags & 4) found.mode = this.u32();
    if (flags & 8) {
      found.atime = this.u32();
      found.mtime = this.u32();
    }
    if (flags & 0x80000000) {
      for (let left = this.u32(); left > 0; left--) {
        this.bytes();
        this.bytes();
      }
    }
    return found;
  };
}

const replyOf = (type: number, reader: Reader): Reply => {
  if (type === 101) return { kind: 'status', code: reader.u32(), message: reader.text() };
  if (type === 102) return { kind: 'handle', handle: reader.bytes() };
  if (type === 103) return { kind: 'data', data: reader.bytes() };
  if (type === 105) return { kind: 'attributes', attributes: reader.attributes() };
  if (type !== 104) throw new Error(`Unknown SFTP reply ${type}`);
  const names = Array.from({ length: reader.u32() }, () => ({
    filename: reader.text(),
    longname: reader.text(),
    attributes: reader.attributes(),
  }));
  return { kind: 'name', names };
};

/** A session with an SFTP server over a bare stream. */
export interface SftpSession {
  /** Sends a request and gives its reply; rejects when the session ends before. */
  request(type: number, fields: readonly Field[]): Promise<Reply>;
  close(): void;
}

const version = 3;

/** Greets the server and waits for its greeting. */
export const openSession = async (socket: Socket): Promise<SftpSession> => {
  const waiting = new Map<number, { resolve: (reply: Reply) => void; reject: (error: Error) => void }>();
  const greeted = Promise.withResolvers<void>();
  let next = 0;
  let buffered: Buffer = Buffer.alloc(0);

  const fail = (error: Error): void => {
    greeted.reject(error);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
    socket.destroy();
  };
  const take = (body: Buffer): void => {
    const reader = new Reader(body);
    const type = reader.byte();
    if (type === 2) {
      greeted.resolve();
      return;
    }
    const id = reader.u32();
    waiting.get(id)?.resolve(replyOf(type, reader));
    waiting.delete(id);
  };
  socket.on('data', (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk]);
    try {
      while (buffered.length >= 4 && buffered.length >= buffered.readUInt32BE() + 4) {
        const length = buffered.readUInt32BE();
        take(buffered.subarray(4, length + 4));
        buffered = buffered.subarray(length + 4);
      }
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)));
    }
  });
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('The SFTP session was closed')));
  socket.write(packet(1, u32(version)));
  await greeted.promise;

  return {
    request: (type, fields) => {
      const id = next++;
      const { promise, resolve, reject } = Promise.withResolvers<Reply>();
      waiting.set(id, { resolve, reject });
      socket.write(packet(type, u32(id), ...fields.map(field)));
      return promise;
    },
    close: () => socket.destroy(),
  };
};
