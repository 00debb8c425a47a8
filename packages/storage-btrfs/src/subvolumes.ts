/** Subvolumes with those nested in them, which btrfs itself leaves out of snapshots and does not delete. */
import { closeSync, constants, openSync, rmdirSync } from 'node:fs';
import { chmod, lstat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { withDirectory } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import {
  childPath,
  childSubvolumes,
  createSnapshot,
  createSubvolume,
  destroySubvolume,
  isReadOnly,
  type SubvolumeInfo,
  setReadOnly,
  setReceived,
  subvolumeInfo,
} from './ioctl.ts';

const directoryFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** An open directory, closed when disposed of. */
export interface OpenDirectory extends Disposable {
  readonly fd: number;
}

const opened = (path: string | Buffer): OpenDirectory => {
  const fd = openSync(path, directoryFlags);
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
};

export const openDirectory = (path: string): OpenDirectory => opened(path);

const namesOf = (path: Uint8Array): Buffer[] =>
  Buffer.from(path)
    .toString('latin1')
    .split('/')
    .filter((name) => name !== '')
    .map((name) => Buffer.from(name, 'latin1'));

const inDirectory = (fd: number, name: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]);

/**
 * Opens a directory below another one name at a time, each without following symlinks: an instance that changes its tree meanwhile
 * leads nowhere else.
 */
const openBelow = (fd: number, names: readonly Uint8Array[]): OpenDirectory => {
  let current = opened(inDirectory(fd, Buffer.from('.')));
  for (const name of names) {
    using above = current;
    current = opened(inDirectory(above.fd, name));
  }
  return current;
};

/** A subvolume nested in another one, by the names that lead to it. Never empty. */
type Nested = readonly Buffer[];

/** All subvolumes nested in one, parents before children. */
const nestedIn = (fd: number): Nested[] =>
  childSubvolumes(fd).flatMap((child) => {
    const names = namesOf(childPath(fd, child));
    using below = openBelow(fd, names);
    return [names, ...nestedIn(below.fd).map((deeper) => [...names, ...deeper])];
  });

const joined = (names: Nested): Buffer =>
  Buffer.concat(names.flatMap((name, at) => (at === 0 ? [name] : [Buffer.from('/'), name])));

/** Opens the directory that a nested subvolume is (to be) in, and tells its last name. */
const parentBelow = (fd: number, names: Nested): { parent: OpenDirectory; name: Buffer } => ({
  parent: openBelow(fd, names.slice(0, -1)),
  name: names.at(-1) ?? Buffer.alloc(0),
});

/** Makes an empty subvolume. */
export const makeSubvolume = async (path: string, mode = 0o755): Promise<void> => {
  using parent = openDirectory(dirname(path));
  await createSubvolume(parent.fd, basename(path));
  await chmod(path, mode);
};

/** Whether a path is the top directory of a subvolume (each has inode 256, BTRFS_FIRST_FREE_OBJECTID). */
export const isSubvolume = async (path: string): Promise<boolean> => {
  const stats = await lstat(path);
  return stats.isDirectory() && stats.ino === 256;
};

/** Makes the snapshot `path` of the open subvolume, alone. */
const snapshotOne = async (fd: number, path: string, readOnly: boolean): Promise<void> => {
  using parent = openDirectory(dirname(path));
  await createSnapshot(parent.fd, basename(path), fd, readOnly);
};

/** Puts a snapshot of a subvolume in the place where a snapshot of its parent has an empty directory instead, or nothing. */
const nest = async (topFd: number, names: Nested, fd: number): Promise<void> => {
  const { parent, name } = parentBelow(topFd, names);
  using _ = parent;
  try {
    rmdirSync(inDirectory(parent.fd, name));
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  await createSnapshot(parent.fd, name, fd, false);
};

/**
 * Makes a snapshot of a subvolume and of all that are nested in it. Nested ones keep whether they are read-only.
 *
 * @param readOnly - whether the new subvolume itself is
 */
export const snapshotTree = async (source: string, target: string, readOnly: boolean): Promise<void> => {
  using from = openDirectory(source);
  const nested = nestedIn(from.fd);
  if (nested.length === 0) return await snapshotOne(from.fd, target, readOnly);
  await snapshotOne(from.fd, target, false);
  using to = openDirectory(target);
  const frozen: Nested[] = [];
  for (const names of nested) {
    using one = openBelow(from.fd, names);
    if (isReadOnly(one.fd)) frozen.push(names);
    await nest(to.fd, names, one.fd);
  }
  // Only now: nothing can be put into one that is read-only.
  for (const names of frozen) await freeze(to.fd, names);
  if (readOnly) await setReadOnly(to.fd, true);
};

const freeze = async (topFd: number, names: Nested): Promise<void> => {
  using one = openBelow(topFd, names);
  await setReadOnly(one.fd, true);
};

/** The name under which a nested subvolume travels. No volume or snapshot has a space in its name. */
export const nestedName = (at: number): string => `nested ${at}`;
export const isNestedName = (name: string): boolean => name.startsWith('nested ');

/**
 * Makes read-only what a tree of subvolumes is sent from: snapshots of all of them, side by side in the directory `into`, the top
 * first. A top that is read-only already is sent as itself, since later differences refer to it.
 */
export const flattenTree = async (source: string, into: string): Promise<Part[]> => {
  using top = openDirectory(source);
  using directory = openDirectory(into);
  const parts: Part[] = [];
  for (const names of [[], ...nestedIn(top.fd)]) {
    using one = openBelow(top.fd, names);
    const readOnly = isReadOnly(one.fd);
    const isTop = names.length === 0;
    const name = isTop ? 'volume' : nestedName(parts.length);
    if (!(isTop && readOnly)) await createSnapshot(directory.fd, name, one.fd, true);
    parts.push({ source: isTop && readOnly ? source : join(into, name), path: joined(names), readOnly });
  }
  return parts;
};

/** A subvolume that goes into a tree: where it is now, its path in the tree (empty: the top), whether it is to be read-only. */
export interface Part {
  readonly source: string;
  readonly path: Buffer;
  readonly readOnly: boolean;
}

/** Makes one tree of subvolumes that lie beside each other, the top first; what was received stays a base for differences. */
export const assembleTree = async (parts: readonly Part[], target: string): Promise<void> => {
  const [top, ...nested] = parts;
  if (!top) throw new RangeError('a tree has a top');
  const infoOf = (path: string): SubvolumeInfo => withDirectory(path, subvolumeInfo);
  using from = openDirectory(top.source);
  if (nested.length === 0) return await snapshotOne(from.fd, target, top.readOnly);
  await snapshotOne(from.fd, target, false);
  using to = openDirectory(target);
  for (const part of nested) {
    using one = openDirectory(part.source);
    await nest(to.fd, namesOf(part.path), one.fd);
  }
  for (const part of nested.filter(({ readOnly }) => readOnly)) await freeze(to.fd, namesOf(part.path));
  if (top.readOnly) {
    // A writable snapshot forgets where it came from.
    const { receivedUuid, sentTransaction } = infoOf(top.source);
    await setReceived(to.fd, receivedUuid, sentTransaction);
    await setReadOnly(to.fd, true);
  }
};

/**
 * Deletes a subvolume with all that are nested in it. Nothing there is no error.
 *
 * @param onDeleted - called with the id of the subvolume itself
 */
export const deleteTree = async (path: string, onDeleted?: (id: bigint) => Promise<void>): Promise<void> => {
  let top: OpenDirectory;
  try {
    top = openDirectory(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  using _ = top;
  const { id } = subvolumeInfo(top.fd);
  const nested = nestedIn(top.fd);
  if (nested.length > 0) {
    // Nothing can be taken out of one that is read-only.
    if (isReadOnly(top.fd)) await setReadOnly(top.fd, false);
    for (const names of nested) {
      using one = openBelow(top.fd, names);
      if (isReadOnly(one.fd)) await setReadOnly(one.fd, false);
    }
    for (const names of nested.reverse()) {
      const { parent, name } = parentBelow(top.fd, names);
      using __ = parent;
      await destroySubvolume(parent.fd, name);
    }
  }
  using parent = openDirectory(dirname(path));
  try {
    await destroySubvolume(parent.fd, basename(path));
  } catch (error) {
    // Without rights on the host (user_subvol_rm_allowed) only what can be written to can be deleted.
    if (!isErrno(error, 'EROFS')) throw error;
    await setReadOnly(top.fd, false);
    await destroySubvolume(parent.fd, basename(path));
  }
  await onDeleted?.(id);
};
