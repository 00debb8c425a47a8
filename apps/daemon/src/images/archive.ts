import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { badRequest, messageOf } from '@lxd-ts/driver-kit';
import { decompressor, type FileFormat, fileFormat, isCompression, run, spawnStream } from '@lxd-ts/host';

/** How an image file is packed. */
export type ArchiveFormat = Exclude<FileFormat, 'unknown'>;

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

/** Finds out how a file is packed by its first bytes. @throws LxdError bad-request when it is none of the formats */
export const formatOf = async (file: string): Promise<ArchiveFormat> => {
  const format = await fileFormat(file);
  if (format !== 'unknown') return format;
  throw badRequest(
    'Unsupported compression: an image is a tarball (plain, gzip, bzip2, xz, lzma, zstd, lz4), squashfs or qcow2',
  );
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
const openTar = async (path: string, format: ArchiveFormat): Promise<{ stream: Readable } & AsyncDisposable> => {
  const file = await open(path);
  const inProcess = format === 'gzip' ? createGunzip() : format === 'zstd' ? createZstdDecompress() : undefined;
  if (!inProcess && isCompression(format)) {
    // Read at once: Node drops what a program wrote when it ends before anybody reads.
    const child = spawnStream([(await decompressor(format)).argv], { stdin: file.fd });
    if (!child.stdout) throw new TypeError('standard output was asked for');
    const stream = child.stdout;
    return {
      stream,
      async [Symbol.asyncDispose]() {
        stream.destroy();
        // Stopped before its end it complains about the closed pipe; what matters was read.
        await child.done.catch(() => undefined);
        await file.close();
      },
    };
  }
  const source = file.createReadStream({ autoClose: false });
  if (inProcess) source.on('error', (error) => inProcess.destroy(error));
  const stream = inProcess ? source.pipe(inProcess) : source;
  return {
    stream,
    async [Symbol.asyncDispose]() {
      source.destroy();
      stream.destroy();
      await file.close();
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
  const name = prefix ? `${prefix}/${text(0, 100)}` : text(0, 100);
  // What GNU tar puts before the names of files with holes (its manual, "PAX Format, Version 1.0").
  return name.replace(/^(\.?\/)+/, '').replace(/^GNUSparseFile\.\d+\//, '');
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
    await using tar = await openTar(file, format);
    return await readTar(tar.stream, needsRoot);
  } catch (error) {
    throw badRequest(`The image file cannot be read: ${messageOf(error)}`, { cause: error });
  }
};
