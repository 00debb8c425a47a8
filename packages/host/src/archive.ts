import { closeSync, createWriteStream, openSync, readFileSync, unlinkSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type CompressionCommand, compressor, decompressor, fileFormat, isCompression } from './compression.ts';
import { gzipBlocks } from './gzip-blocks.ts';
import { type Argv, run } from './run.ts';
import { spawnStream } from './spawn-stream.ts';

export interface ArchiveOptions {
  signal?: AbortSignal;
  /** Called every fifth of a second with the bytes of the archive that are done. */
  onProgress?: (bytes: number) => void;
}

export interface UnpackOptions extends ArchiveOptions {
  /** Patterns of names to leave out (GNU tar's wildcards). Not possible for squashfs images. */
  exclude?: readonly string[];
  /** Unpacks what is below this directory of the archive alone, without the directory's name. Not possible for squashfs images. */
  below?: string;
  /** With `below`: gives the target directory the owner, mode and times of that directory too. */
  itself?: boolean;
  /** Leaves the owner, mode and times of the target directory as they are, whatever the archive says of `.`. */
  keepDirectory?: boolean;
}

export interface PackOptions extends ArchiveOptions {
  /** As `compressor` takes it, or `none`. */
  compression?: string;
  /** What to pack, relative to the directory; everything by default. */
  names?: readonly string[];
  exclude?: readonly string[];
}

const PROGRESS_MS = 200;
/**
 * Owners by number, and what else a system's files carry: capabilities, ACLs and other attributes. ACLs go as the attributes that they are:
 * told of them, tar takes them away from files in archives whose writer, LXD for one, does the same.
 */
const faithful = ['--numeric-owner', '--xattrs', '--xattrs-include=*'];

/** Tells how far programs have come with a file they read or write through a descriptor that is shared with them. */
function watchPosition(fd: number, onProgress: ArchiveOptions['onProgress']): Disposable {
  if (!onProgress) return { [Symbol.dispose]: () => undefined };
  const tell = () => onProgress(Number(/^pos:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]));
  const timer = setInterval(tell, PROGRESS_MS);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      tell();
    },
  };
}

function packageOption(command: CompressionCommand | undefined): { debianPackage?: string } {
  return command?.debianPackage === undefined ? {} : { debianPackage: command.debianPackage };
}

async function withFile<T>(path: string, flags: string, use: (fd: number) => Promise<T>): Promise<T> {
  const fd = openSync(path, flags, 0o600);
  try {
    return await use(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Unpacks a tar archive, compressed or not, or a squashfs image into a directory. Owners, modes, ACLs, capabilities and
 * device nodes are restored as they are recorded.
 *
 * The directory should be empty and nobody else's to write to. Then nothing is written outside of it: GNU tar strips `/`
 * and refuses `..`, and makes symlinks that lead elsewhere only after everything else; unsquashfs follows none.
 *
 * @throws CommandError when the archive is damaged or a tool is missing; what was unpacked until then stays
 * @throws TypeError for a file that is no archive, or a squashfs image of which names are to be left out
 */
export async function unpack(archive: string, directory: string, options: UnpackOptions = {}): Promise<void> {
  const { exclude = [], below, signal } = options;
  const format = await fileFormat(archive);
  if (format === 'squashfs') {
    if (exclude.length > 0 || below !== undefined)
      throw new TypeError('a squashfs image can be unpacked as a whole only');
    const argv: Argv = ['unsquashfs', '-force', '-no-progress', '-dest', directory, archive];
    await run(argv, { debianPackage: 'squashfs-tools', ...(signal ? { signal } : {}) });
    return;
  }
  if (format !== 'tar' && !isCompression(format)) throw new TypeError(`${archive} is no archive (${format})`);
  const tar: Argv = [
    'tar',
    '--extract',
    '--file=-',
    `--directory=${directory}`,
    '--preserve-permissions',
    '--same-owner',
    ...faithful,
    ...(options.keepDirectory ? ['--no-overwrite-dir'] : []),
    ...exclude.map((pattern) => `--exclude=${pattern}`),
    ...(below === undefined
      ? []
      : options.itself
        ? [`--transform=s,^${matching(below)}\\(/\\|$\\),.\\1,S`, '--', below]
        : [`--strip-components=${below.split('/').length}`, '--', below]),
  ];
  const unzip = isCompression(format) ? await decompressor(format) : undefined;
  await withFile(archive, 'r', async (fd) => {
    using _ = watchPosition(fd, options.onProgress);
    const commands: [Argv, ...Argv[]] = unzip ? [unzip.argv, tar] : [tar];
    await spawnStream(commands, {
      stdin: fd,
      stdout: 'ignore',
      ...(signal ? { signal } : {}),
      ...packageOption(unzip),
    }).done;
  });
}

/** Options of every packing tar. Neither the times of reading nor our process id: equal trees give equal archives. */
const packing = [
  '--format=posix',
  '--pax-option=exthdr.name=PaxHeaders/%f,delete=atime,delete=ctime',
  '--sort=name',
  '--sparse',
  '--warning=no-file-ignored',
  ...faithful,
];

/** Runs a tar that writes to standard output, and compresses it here. */
async function writeGzip(tar: Argv, fd: number, signal?: AbortSignal): Promise<void> {
  const { stdout, done } = spawnStream([tar], signal ? { signal } : {});
  if (!stdout) throw new TypeError('standard output was asked for');
  const [written, ended] = await Promise.allSettled([
    pipeline(stdout, gzipBlocks, createWriteStream('', { fd, autoClose: false })),
    done,
  ]);
  // A full disk breaks the pipe.
  for (const part of [written, ended]) if (part.status === 'rejected') throw part.reason;
}

/** Runs a tar that writes to standard output, through a compressor, into a file. */
async function writeArchive(tar: Argv, archive: string | number, options: PackOptions): Promise<void> {
  const { compression = 'none', signal } = options;
  const zip = compression === 'none' ? undefined : await compressor(compression);
  const write = async (fd: number) => {
    using _ = watchPosition(fd, options.onProgress);
    // Only pigz, where it is installed, is quicker.
    if (compression === 'gzip' && zip?.argv[0] === 'gzip') return await writeGzip(tar, fd, signal);
    const commands: [Argv, ...Argv[]] = zip ? [tar, zip.argv] : [tar];
    await spawnStream(commands, { stdout: fd, ...(signal ? { signal } : {}), ...packageOption(zip) }).done;
  };
  if (typeof archive === 'number') return write(archive);
  await withFile(archive, 'wx', (fd) =>
    write(fd).catch((error: unknown) => {
      unlinkSync(archive);
      throw error;
    }),
  );
}

/**
 * Packs a directory into a tar archive, with names that begin with `./` in sorted order, sockets left out.
 *
 * @param archive the file to make; it must not exist, and does not after a failure. A number is a descriptor to write to
 * @throws CommandError when something cannot be read; that, or ENOSPC, when the disk is full; EEXIST when the file is there
 */
export async function pack(directory: string, archive: string | number, options: PackOptions = {}): Promise<void> {
  const { names = ['.'], exclude = [] } = options;
  const excluded = exclude.map((pattern) => `--exclude=${pattern}`);
  const tar: Argv = [
    'tar',
    '--create',
    '--file=-',
    `--directory=${directory}`,
    ...packing,
    ...excluded,
    '--',
    ...names,
  ];
  await writeArchive(tar, archive, options);
}

/** A file or directory tree, and its name in an archive. */
export interface NamedTree {
  /** Absolute. */
  path: string;
  name: string;
}

const backslashed = (signs: RegExp, text: string): string =>
  text.replace(signs, (sign) => (sign === '\n' ? '\\n' : `\\${sign}`));
/** A text as what a basic regular expression in tar's `s,,,` matches, and as what it puts there. */
const matching = (text: string): string => backslashed(/[\\.*[\]^$,\n]/g, text);
const replacement = (text: string): string => backslashed(/[\\&,\n]/g, text);

/**
 * Packs several files and directory trees into one tar archive, in the order given, each under a name of its own.
 *
 * @param archive as `pack` takes it
 * @throws as `pack`
 */
export async function packTrees(
  trees: readonly NamedTree[],
  archive: string | number,
  options: Omit<PackOptions, 'names'> = {},
): Promise<void> {
  // Names are changed, targets of hard links with them; the texts of symlinks are not.
  const renamed = trees.map(
    ({ path, name }) => `--transform=s,^${matching(path)}\\(/\\|$\\),${replacement(name)}\\1,S`,
  );
  const tar: Argv = [
    'tar',
    '--create',
    '--file=-',
    '--absolute-names',
    ...packing,
    ...renamed,
    ...(options.exclude ?? []).map((pattern) => `--exclude=${pattern}`),
    '--',
    ...trees.map(({ path }) => path),
  ];
  await writeArchive(tar, archive, options);
}

/** Makes a squashfs image of a directory. The file must not exist. */
export async function packSquashfs(
  directory: string,
  image: string,
  options: { signal?: AbortSignal; compression?: 'gzip' | 'xz' | 'zstd' | 'lz4' | 'lzo' } = {},
): Promise<void> {
  const compression = options.compression === undefined ? [] : ['-comp', options.compression];
  const argv: Argv = ['mksquashfs', directory, image, '-quiet', '-no-progress', '-noappend', ...compression];
  await run(argv, { debianPackage: 'squashfs-tools', ...(options.signal ? { signal: options.signal } : {}) });
}
