import { badRequest, messageOf } from '@lxd-ts/driver-kit';
import { type FileFormat, fileFormat, run, tarMembers } from '@lxd-ts/host';

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

/** What an image file holds. */
export interface ArchiveContents {
  /** The text of `metadata.yaml`. */
  readonly metadata: string | undefined;
  readonly rootfs: boolean;
  /** A virtual machine's disk, `rootfs.img`. */
  readonly disk: boolean;
}

const readTar = async (file: string, needsRoot: boolean): Promise<ArchiveContents> => {
  let metadata: string | undefined;
  let rootfs = false;
  let disk = false;
  for await (const { name, isFile, size, read } of tarMembers(file)) {
    if (isFile && name === 'metadata.yaml' && metadata === undefined) {
      if (size > 1024 * 1024) throw badRequest('metadata.yaml is larger than 1 MiB');
      metadata = (await read()).toString('utf8');
    }
    rootfs ||= name === 'rootfs' || name.startsWith('rootfs/');
    disk ||= isFile && name === 'rootfs.img';
    if (metadata !== undefined && (rootfs || disk || !needsRoot)) break;
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
    return await readTar(file, needsRoot);
  } catch (error) {
    throw badRequest(`The image file cannot be read: ${messageOf(error)}`, { cause: error });
  }
};
