import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { decompressor, fileFormat, isCompression } from './compression.ts';
import { spawnStream } from './spawn-stream.ts';

/** A member of a tar archive. */
export interface TarMember {
  /** Without `./` and `/` before it. Names of more than 255 bytes are cut. */
  readonly name: string;
  readonly isFile: boolean;
  readonly size: number;
  /**
   * Reads its bytes, all of them into memory. To be called before the next member is asked for.
   *
   * @throws Error when the archive ends before
   */
  read(): Promise<Buffer>;
}

/** The bytes of a tarball, decompressed. Dispose it when enough is read. */
interface OpenTar extends AsyncDisposable {
  readonly stream: Readable;
  /** Settles when the stream has ended by itself; rejects when that was no proper end. */
  readonly ended: Promise<void>;
}

const openTar = async (path: string): Promise<OpenTar> => {
  const format = await fileFormat(path);
  if (format !== 'tar' && !isCompression(format)) throw new TypeError(`${path} is no archive (${format})`);
  const file = await open(path);
  // Where Node can do it no program needs to start.
  const inProcess = format === 'gzip' ? createGunzip() : format === 'zstd' ? createZstdDecompress() : undefined;
  if (format === 'tar' || inProcess) {
    const source = file.createReadStream({ autoClose: false });
    if (inProcess) source.on('error', (error) => inProcess.destroy(error));
    const stream = inProcess ? source.pipe(inProcess) : source;
    return {
      stream,
      // A damaged file breaks the stream itself.
      ended: Promise.resolve(),
      async [Symbol.asyncDispose]() {
        source.destroy();
        stream.destroy();
        await file.close();
      },
    };
  }
  // Read at once: Node drops what a program wrote when it ends before anybody reads.
  const child = spawnStream([(await decompressor(format)).argv], { stdin: file.fd });
  if (!child.stdout) throw new TypeError('standard output was asked for');
  const stream = child.stdout;
  return {
    stream,
    ended: child.done,
    async [Symbol.asyncDispose]() {
      stream.destroy();
      // Stopped before its end it complains about the closed pipe; what else it complains of, `ended` has told.
      await child.done.catch(() => undefined);
      await file.close();
    },
  };
};

/** Takes bytes off a stream, so many at a time. */
const takeFrom = (stream: AsyncIterable<Buffer>) => {
  const chunks = stream[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  /** @returns the pieces; fewer bytes than asked for when the stream ends */
  return async (length: number, keep: boolean): Promise<Buffer[]> => {
    const pieces: Buffer[] = [];
    for (let missing = length; missing > 0; ) {
      if (rest.length === 0) {
        const next = await chunks.next();
        if (next.done) break;
        rest = next.value;
      }
      const piece = rest.subarray(0, missing);
      rest = rest.subarray(piece.length);
      missing -= piece.length;
      if (keep) pieces.push(piece);
    }
    return pieces;
  };
};

const block = 512;

/** The size field of a tar header: octal digits, or base 256 when the first bit is set (GNU). */
const sizeIn = (header: Buffer): number =>
  (header[124] ?? 0) & 0x80
    ? Number(header.readBigUInt64BE(128))
    : Number.parseInt(header.toString('latin1', 124, 136).replace(/[\0 ].*$/s, '') || '0', 8);

const nameIn = (header: Buffer): string => {
  const text = (from: number, to: number): string => header.toString('utf8', from, to).replace(/\0.*$/s, '');
  const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? text(345, 500) : '';
  const name = prefix ? `${prefix}/${text(0, 100)}` : text(0, 100);
  // What GNU tar puts before the names of files with holes (its manual, "PAX Format, Version 1.0").
  return name.replace(/^(\.?\/)+/, '').replace(/(^|\/)GNUSparseFile\.\d+\//, '$1');
};

/**
 * The members of a tar archive, compressed or not, in their order, read as far as they are asked for.
 *
 * @throws TypeError for a file that is no archive; Error when its compression is damaged
 */
export async function* tarMembers(path: string): AsyncGenerator<TarMember> {
  await using tar = await openTar(path);
  const take = takeFrom(tar.stream);
  for (;;) {
    const header = Buffer.concat(await take(block, true));
    if (header.length < block) return await tar.ended;
    if (header.every((byte) => byte === 0)) return;
    const [name, size] = [nameIn(header), sizeIn(header)];
    const padded = Math.ceil(size / block) * block;
    let left = padded;
    yield {
      name,
      size,
      isFile: header[156] === 0x30 || header[156] === 0,
      async read() {
        left = padded - size;
        const data = Buffer.concat(await take(size, true));
        if (data.length < size) await tar.ended;
        if (data.length < size) throw new Error(`The archive ends in the middle of ${name}`);
        return data;
      },
    };
    await take(left, false);
  }
}
