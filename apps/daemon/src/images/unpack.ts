import { access, lstat, mkdir, mkdtemp, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { badRequest, type Fill, type InstanceType, type MountedVolume } from '@lxd-ts/driver-kit';
import { type Argv, decompressor, isCompression, isErrno, removeTree, run, spawnStream, unpack } from '@lxd-ts/host';
import { type ArchiveFormat, formatOf } from './archive.ts';
import { imageCopies, imageFiles, workPrefix } from './files.ts';

/** Compressed tarballs up to this size are kept decompressed too, if they then are no larger than `quickLimit`. */
const quickBytes = 8 * 1024 * 1024;
const quickLimit = 32 * quickBytes;

/**
 * The decompressed copy of a small tarball, made when it is unpacked again: for small images, decompression is a large part
 * of the time that making an instance takes. Large ones would take too much space for it.
 *
 * @returns the file itself when it has no such copy
 */
const quickCopy = async (file: string, format: ArchiveFormat, signal: AbortSignal | undefined): Promise<string> => {
  if (!isCompression(format) || (await stat(file)).size > quickBytes) return file;
  const { quick } = imageCopies(file);
  try {
    await access(quick);
    return quick;
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  const directory = await mkdtemp(join(dirname(file), workPrefix));
  try {
    const work = join(directory, 'tar');
    await using source = await open(file);
    await using target = await open(work, 'wx', 0o600);
    const limited: Argv = ['head', '-c', String(quickLimit + 1)];
    const copying = spawnStream([(await decompressor(format)).argv, limited], {
      stdin: source.fd,
      stdout: target.fd,
      ...(signal ? { signal } : {}),
    });
    // Cut off, the decompressor complains about the closed pipe: then there is too much, which the size tells.
    const failed = await copying.done.then(
      () => undefined,
      (error: unknown) => error,
    );
    if ((await target.stat()).size > quickLimit) return file;
    if (failed) throw failed;
    await rename(work, quick);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return quick;
};

interface Extraction {
  readonly signal: AbortSignal | undefined;
  readonly keepDirectory: boolean;
  readonly isRepeated: boolean;
  /** Called with how much is done, 0 to 100. */
  readonly tell: (percent: number) => void;
}

const extract = async (archive: string, directory: string, extraction: Extraction): Promise<void> => {
  const { signal, keepDirectory, isRepeated, tell } = extraction;
  const format = await formatOf(archive);
  if (format === 'qcow2') throw badRequest('The image is a disk, and a root file system is wanted');
  const file = isRepeated ? await quickCopy(archive, format, signal) : archive;
  const { size } = await stat(file);
  const onProgress = (bytes: number): void => tell((100 * bytes) / size);
  await unpack(file, directory, { keepDirectory, onProgress, ...(signal ? { signal } : {}) });
};

/** What may stand at the top of an image; everything else an archive brings is dropped. */
const topLevel: Readonly<Record<string, 'file' | 'directory'>> = {
  'metadata.yaml': 'file',
  templates: 'directory',
  rootfs: 'directory',
  'rootfs.img': 'file',
};

/** Drops what does not belong into a volume, and refuses links in place of what does: they would lead out of it. */
const tidy = async (directory: string): Promise<void> => {
  for (const name of await readdir(directory)) {
    const wanted = topLevel[name];
    const stats = await lstat(join(directory, name));
    if (wanted === undefined) await removeTree(join(directory, name));
    else if (!(wanted === 'file' ? stats.isFile() : stats.isDirectory()))
      throw badRequest(`The image is not valid: ${name} must be a ${wanted}`);
  }
};

/** Writes a qcow2 image onto a volume's disk, which reads as zeros so far. */
const writeDisk = async (image: string, disk: string, signal: AbortSignal | undefined): Promise<void> => {
  await run(['qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', '-n', '--target-is-zero', image, disk], {
    ...(signal ? { signal } : {}),
    debianPackage: 'qemu-utils',
  });
};

const unpackDisk = async (
  volume: MountedVolume,
  image: string,
  { keep, signal }: { keep: boolean; signal: AbortSignal | undefined },
): Promise<void> => {
  if (!volume.disk) throw badRequest('The image is that of a virtual machine, and the volume has no disk');
  await writeDisk(image, volume.disk, signal);
  if (!keep) await rm(image);
};

/** An image to be unpacked. */
export interface PackedImage {
  /** Where the images' files are. */
  readonly directory: string;
  readonly fingerprint: string;
  readonly isSplit: boolean;
  readonly type: InstanceType;
  /** It was unpacked before, and may be again: worth being quick. */
  readonly isRepeated: boolean;
}

/** Unpacks an image into a new volume: `metadata.yaml`, `templates/` and `rootfs/`, or the disk of a virtual machine. */
export const unpackImage =
  ({ directory, fingerprint, isSplit, type, isRepeated }: PackedImage): Fill =>
  async (volume, { signal, progress }) => {
    const { main, rootfs } = imageFiles(directory, fingerprint);
    const tell = (percent: number): void => progress?.({ stage: 'create_instance_from_image_unpack', percent });
    const extraction = { signal, isRepeated, tell };
    tell(0);
    // Little is in the first of two files.
    await extract(main, volume.path, {
      ...extraction,
      keepDirectory: true,
      ...(isSplit ? { tell: () => undefined } : {}),
    });
    await tidy(volume.path);
    if (type === 'virtual-machine') {
      await unpackDisk(volume, isSplit ? rootfs : join(volume.path, 'rootfs.img'), { keep: isSplit, signal });
    } else if (isSplit) {
      const target = join(volume.path, 'rootfs');
      await mkdir(target, { recursive: true });
      await extract(rootfs, target, { ...extraction, keepDirectory: false });
    }
    tell(100);
  };
