/** Where a pool lives: a loop file, a block device, or a subvolume of a btrfs that is mounted already. */
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  badRequest,
  type Config,
  conflict,
  defaultLoopSize,
  isEmptyDirectory,
  isTrue,
  messageOf,
  type PoolSpec,
  parseSize,
  UndoStack,
} from '@lxd-ts/driver-kit';
import { createSparseFile, filesystemType, isErrno, run } from '@lxd-ts/host';
import { isSubvolume, makeSubvolume } from './subvolumes.ts';

export type SourceKind = 'file' | 'device' | 'subvolume';

/** The smallest device that mkfs.btrfs accepts. */
const minimumSize = 109 * 1024 ** 2;

/** The loop file that the driver makes for a pool without a source. */
export const loopFile = ({ disks, name }: Pick<PoolSpec, 'disks' | 'name'>): string => join(disks, `${name}.img`);

/** What is at a path; undefined: nothing. */
export const sourceKind = async (source: string): Promise<SourceKind | undefined> => {
  try {
    const stats = await stat(source);
    if (stats.isDirectory()) return 'subvolume';
    if (stats.isBlockDevice()) return 'device';
    if (stats.isFile()) return 'file';
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
  throw badRequest(`Source "${source}" must be a block device, a file or a Btrfs subvolume`);
};

/** Removes what tells that there is a file system. */
const wipe = async (source: string): Promise<void> => {
  await run(['wipefs', '--all', '--force', '--quiet', source], { debianPackage: 'util-linux' });
};

const makeFilesystem = async (spec: PoolSpec, source: string): Promise<void> => {
  try {
    await run(['mkfs.btrfs', '--quiet', '--label', spec.name, source], { debianPackage: 'btrfs-progs' });
  } catch (error) {
    throw conflict(`Failed to make a Btrfs file system on "${source}": ${messageOf(error)}`, { cause: error });
  }
};

const createLoopFile = async (spec: PoolSpec): Promise<Config> => {
  const file = loopFile(spec);
  await mkdir(spec.disks, { recursive: true, mode: 0o700 });
  const GiB = 1024 ** 3;
  const size = spec.config.size || `${Math.floor((await defaultLoopSize(spec.disks)) / GiB)}GiB`;
  if (parseSize(size) < minimumSize) {
    throw badRequest(`Invalid value for "size": "${size}" is too small for Btrfs, which needs ${minimumSize} bytes`);
  }
  await using undo = new UndoStack();
  try {
    await createSparseFile(file, parseSize(size));
    undo.add('remove the loop file', () => rm(file));
  } catch (error) {
    throw isErrno(error, 'EEXIST') ? conflict(`The loop file "${file}" exists already`, { cause: error }) : error;
  }
  await makeFilesystem(spec, file);
  undo.commit();
  return { ...spec.config, size, source: file };
};

const takeSubvolume = async (source: string): Promise<void> => {
  if ((await filesystemType(source)) !== 'btrfs') {
    throw badRequest(`Source path "${source}" does not reside on a Btrfs file system`);
  }
  if (!(await isSubvolume(source))) {
    throw badRequest(`Source path "${source}" is a plain directory; it must be a subvolume of its own`);
  }
  if (!(await isEmptyDirectory(source))) throw conflict(`Source path "${source}" isn't empty`);
};

/** Makes or takes what the pool lives in, as its `source` says. Returns the effective configuration. */
export const createSource = async (spec: PoolSpec): Promise<Config> => {
  const given = (spec.config.source ?? '').replace(/(?<=.)\/+$/, '');
  if (given === '') return createLoopFile(spec);
  if (!given.startsWith('/')) throw badRequest(`Invalid value for "source": "${given}" must be an absolute path`);
  const kind = await sourceKind(given);
  if (kind === undefined) {
    // A subvolume that is not there yet, in a btrfs that is.
    if ((await filesystemType(dirname(given)).catch(() => undefined)) !== 'btrfs') {
      throw badRequest(`Source path "${given}" doesn't exist, and its parent does not reside on a Btrfs file system`);
    }
    await makeSubvolume(given);
  } else if (kind === 'subvolume') {
    await takeSubvolume(given);
  } else {
    if (isTrue(spec.config['source.wipe'])) {
      await wipe(given);
    }
    await makeFilesystem(spec, given);
  }
  // A size is for loop files alone.
  const { size: _, ...config } = spec.config;
  return { ...config, source: given, 'volatile.initial_source': spec.config.source ?? given };
};

/** Takes away what `createSource` made; the file system is not mounted. What was given stays, empty. */
export const deleteSource = async (spec: Pick<PoolSpec, 'disks' | 'name'>, source: string): Promise<void> => {
  if (source === loopFile(spec)) {
    await rm(source, { force: true });
    return;
  }
  const kind = await sourceKind(source);
  if (kind === 'device' || kind === 'file') {
    // Forced: another mount namespace may still have a copy of the mount.
    await wipe(source);
  }
};
