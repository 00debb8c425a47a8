import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { badRequest, messageOf } from '@lxd-ts/driver-kit';
import { type Argv, run, spawnStream } from '@lxd-ts/host';

/** How an image file is packed. */
export type ArchiveFormat = 'tar' | 'gzip' | 'bzip2' | 'xz' | 'lzma' | 'zstd' | 'lz4' | 'squashfs' | 'qcow2';

/** Endings of file names, as exports are named. */
export const extensions: Readonly<Record<ArchiveFormat, string>> = {
  tar: '.tar',
  gzip: '.tar.gz',
  bzip2: '.tar.bz2',
  xz: '.tar.xz',
  lzma: '.tar.lzma',
  zstd: '.tar.zst',
  lz4: '.tar.lz4',
  squashfs: '.squashfs',
  qcow2: '.qcow2',
};

/** First bytes by format: RFC 1952, RFC 8878, the formats' own documents; kernel Documentation/filesystems/squashfs; docs/interop/qcow2 of QEMU. */
const magics: readonly (readonly [ArchiveFormat, number, string])[] = [
  ['gzip', 0, '\x1f\x8b'],
  ['bzip2', 0, 'BZh'],
  ['xz', 0, '\xfd7zXZ\0'],
  ['lzma', 0, '\x5d\0\0'],
  ['zstd', 0, '\x28\xb5\x2f\xfd'],
  ['lz4', 0, '\x04\x22\x4d\x18'],
  ['squashfs', 0, 'hsqs'],
  ['qcow2', 0, 'QFI\xfb'],
  ['tar', 257, 'ustar'],
];

/** Finds out how a file is packed by its first bytes. @throws LxdError bad-request when it is none of the formats */
export const formatOf = async (file: string): Promise<ArchiveFormat> => {
  await using handle = await open(file);
  const { buffer } = await handle.read(Buffer.alloc(512), 0, 512, 0);
  const head = buffer.toString('latin1');
  const found = magics.find(([, at, magic]) => head.startsWith(magic, at));
  if (!found) {
    throw badRequest(
      'Unsupported compression: an image is a tarball (plain, gzip, bzip2, xz, lzma, zstd, lz4), squashfs or qcow2',
    );
  }
  return found[0];
};

/** Programs that write a file's decompressed bytes to standard output; the file's name goes last. */
export const decompressors: Readonly<Partial<Record<ArchiveFormat, Argv>>> = {
  gzip: ['gzip', '-dc'],
  zstd: ['zstd', '-dcq'],
  bzip2: ['bzip2', '-dc'],
  xz: ['xz', '-dc'],
  lzma: ['xz', '--format=lzma', '-dc'],
  lz4: ['lz4', '-dc'],
};

/** The option that makes tar(1) read a format. It finds most by itself, but not lzma of unknown length. */
export const tarOptions: Readonly<Partial<Record<ArchiveFormat, string>>> = {
  gzip: '--gzip',
  bzip2: '--bzip2',
  xz: '--xz',
  lzma: '--lzma',
  zstd: '--zstd',
  lz4: '--use-compress-program=lz4',
};

/** A tarball's bytes, decompressed. Dispose it when enough is read. */
const openTar = (file: string, format: ArchiveFormat): { stream: Readable } & AsyncDisposable => {
  const inProcess = format === 'gzip' ? createGunzip() : format === 'zstd' ? createZstdDecompress() : undefined;
  const argv = inProcess ? undefined : decompressors[format];
  if (argv) {
    // Read at once: Node drops what a program wrote when it ends before anybody reads.
    const child = spawnStream([[...argv, file]]);
    if (!child.stdout) throw new Error('The decompressor has no output');
    const stream = child.stdout;
    return {
      stream,
      async [Symbol.asyncDispose]() {
        stream.destroy();
        // Stopped before its end it complains about the closed pipe; what matters was read.
        await child.done.catch(() => undefined);
      },
    };
  }
  const source = createReadStream(file);
  if (inProcess) source.on('error', (error) => inProcess.destroy(error));
  const stream = inProcess ? source.pipe(inProcess) : source;
  return {
    stream,
    async [Symbol.asyncDispose]() {
      source.destroy();
      stream.destroy();
    },
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
  return (prefix ? `${prefix}/${text(0, 100)}` : text(0, 100)).replace(/^(\.?\/)+/, '');
};

/** What an image file holds. */
export interface ArchiveContents {
  /** The text of `metadata.yaml`. */
  readonly metadata: string | undefined;
  readonly rootfs: boolean;
  /** A virtual machine's disk, `rootfs.img`. */
  readonly disk: boolean;
}

const readTar = async (stream: Readable, needsRoot: boolean): Promise<ArchiveContents> => {
  let metadata: string | undefined;
  let rootfs = false;
  let disk = false;
  let pending: Buffer = Buffer.alloc(0);
  let skip = 0;
  let wanted = 0;
  for await (const chunk of stream) {
    let data: Buffer = pending.length > 0 ? Buffer.concat([pending, chunk]) : chunk;
    for (;;) {
      const skipped = Math.min(skip, data.length);
      data = data.subarray(skipped);
      skip -= skipped;
      if (skip > 0 || data.length < block + wanted) break;
      const header = data.subarray(0, block);
      if (header.every((byte) => byte === 0)) return { metadata, rootfs, disk };
      const size = sizeIn(header);
      const name = nameIn(header);
      const isFile = header[156] === 0x30 || header[156] === 0;
      if (isFile && name === 'metadata.yaml' && metadata === undefined) {
        if (size > 1024 * 1024) throw badRequest('metadata.yaml is larger than 1 MiB');
        if (data.length < block + size) {
          wanted = size;
          break;
        }
        metadata = data.toString('utf8', block, block + size);
        wanted = 0;
      }
      rootfs ||= name === 'rootfs' || name.startsWith('rootfs/');
      disk ||= isFile && name === 'rootfs.img';
      if (metadata !== undefined && (rootfs || disk || !needsRoot)) return { metadata, rootfs, disk };
      skip = block + Math.ceil(size / block) * block;
    }
    pending = data;
  }
  return { metadata, rootfs, disk };
};

/**
 * Looks into an image file, as far as needed.
 *
 * @param needsRoot - a unified image: reads on until the root file system is found
 * @throws LxdError bad-request when it is damaged or no archive
 */
export const inspectArchive = async (file: string, needsRoot: boolean): Promise<ArchiveContents> => {
  const format = await formatOf(file);
  try {
    if (format === 'squashfs') {
      const { stdout } = await run(['unsquashfs', '-cat', file, 'metadata.yaml'], { debianPackage: 'squashfs-tools' });
      return { metadata: stdout, rootfs: true, disk: false };
    }
    if (format === 'qcow2') return { metadata: undefined, rootfs: false, disk: true };
    await using tar = openTar(file, format);
    return await readTar(tar.stream, needsRoot);
  } catch (error) {
    throw badRequest(`The image file cannot be read: ${messageOf(error)}`, { cause: error });
  }
};
