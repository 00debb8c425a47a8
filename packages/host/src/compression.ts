import { open } from 'node:fs/promises';
import { findProgram } from './programs.ts';
import type { Argv } from './run.ts';

/** What the beginning of a file says it is. A compressed file holds, as far as can be told, a tar archive. */
export type FileFormat = Compression | 'tar' | 'squashfs' | 'qcow2' | 'unknown';
export type Compression = 'gzip' | 'bzip2' | 'xz' | 'lzma' | 'zstd' | 'lz4';

const TAR_MAGIC_AT = 257;
const LONGEST_MAGIC = TAR_MAGIC_AT + 5;
const magics: readonly (readonly [format: FileFormat, at: number, magic: Buffer])[] = [
  ['gzip', 0, Buffer.of(0x1f, 0x8b)],
  ['bzip2', 0, Buffer.from('BZh')],
  ['xz', 0, Buffer.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)],
  ['zstd', 0, Buffer.of(0x28, 0xb5, 0x2f, 0xfd)],
  ['lz4', 0, Buffer.of(0x04, 0x22, 0x4d, 0x18)],
  ['squashfs', 0, Buffer.from('hsqs')],
  ['qcow2', 0, Buffer.from('QFI\xfb', 'latin1')],
  ['tar', TAR_MAGIC_AT, Buffer.from('ustar')],
  // No magic number: the usual properties byte, and a dictionary size that is a power of two.
  ['lzma', 0, Buffer.of(0x5d, 0x00, 0x00)],
];

const debianPackages: Record<Compression, string> = {
  gzip: 'gzip',
  bzip2: 'bzip2',
  xz: 'xz-utils',
  lzma: 'xz-utils',
  zstd: 'zstd',
  lz4: 'lz4',
};

/** Tools that do the same with all CPUs, preferred where installed. */
const parallel: Partial<Record<Compression, string>> = { gzip: 'pigz', bzip2: 'pbzip2' };

/** Recognises a format by the first bytes of a file, 262 of them at best. */
export function detectFormat(start: Uint8Array): FileFormat {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  return magics.find(([, at, magic]) => bytes.subarray(at, at + magic.length).equals(magic))?.[0] ?? 'unknown';
}

/** Recognises the format of a file. */
export async function fileFormat(path: string): Promise<FileFormat> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(LONGEST_MAGIC), 0, LONGEST_MAGIC, 0);
  return detectFormat(buffer.subarray(0, bytesRead));
}

export function isCompression(name: string): name is Compression {
  return name in debianPackages;
}

async function program(compression: Compression): Promise<string> {
  const name = parallel[compression];
  return (name && (await findProgram(name))) ?? compression;
}

function threads(compression: Compression): string[] {
  return compression === 'xz' || compression === 'zstd' ? ['-T0'] : [];
}

/** A command, and the Debian package to install when it is missing. */
export interface CompressionCommand {
  argv: Argv;
  debianPackage?: string;
}

/** The command that unpacks standard input to standard output. */
export async function decompressor(compression: Compression): Promise<CompressionCommand> {
  const argv: Argv = [await program(compression), '-d', '-c', ...threads(compression)];
  return { argv, debianPackage: debianPackages[compression] };
}

/**
 * The command that compresses standard input to standard output.
 * @param algorithm a name, perhaps with arguments (`zstd -19`); one not known here must be a program that takes `-c`
 * @throws TypeError when it is no such name
 */
export async function compressor(algorithm: string): Promise<CompressionCommand> {
  const [name = '', ...options] = algorithm.trim().split(/\s+/);
  if (!/^[a-z0-9][a-z0-9_+-]*$/i.test(name)) throw new TypeError(`"${algorithm}" is not the name of a compressor`);
  // No name and time in the header: equal input gives equal output.
  const plain = ['gzip', 'pigz'].includes(name) ? ['-n'] : [];
  if (!isCompression(name)) return { argv: [name, '-c', ...plain, ...options] };
  return {
    argv: [await program(name), '-c', ...plain, ...threads(name), ...options],
    debianPackage: debianPackages[name],
  };
}
