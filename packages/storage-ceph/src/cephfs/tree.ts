/** What CephFS knows of directories: quotas, sizes and snapshots, by virtual extended attributes and `.snap` (Ceph, doc/cephfs). */
import { lstatSync } from 'node:fs';
import { mkdir, readdir, rename, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { getXattr, isErrno, setXattr } from '@lxd-ts/host';

const QUOTA = 'ceph.quota.max_bytes';

const number = (path: string, name: string): number => Number(getXattr(path, name)?.toString() ?? 0);

/** Limits a directory with all below to so many bytes; undefined lifts the limit. */
export const setQuota = (path: string, size: number | undefined): void => {
  setXattr(path, QUOTA, Buffer.from(String(size ?? 0)));
};

/** The limit of a directory in bytes, if it has one. */
export const quotaOf = (path: string): number | undefined => number(path, QUOTA) || undefined;

/** The bytes of all files below a directory, as far as the metadata server has added them up. */
export const bytesBelow = (path: string): number => number(path, 'ceph.dir.rbytes');

/** The directory of a snapshot of a directory. */
export const snapshotPath = (path: string, snapshot: string): string => join(path, '.snap', snapshot);

/** The snapshots of a directory itself, oldest first, those of directories above it left out. */
export const snapshotsOf = async (path: string): Promise<string[]> => {
  let names: string[];
  try {
    names = await readdir(join(path, '.snap'));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
  // `_name_inode`: of a directory above.
  const own = names.filter((name) => !name.startsWith('_'));
  return own
    .map((name) => ({ name, at: number(snapshotPath(path, name), 'ceph.snap.btime') }))
    .sort((a, b) => a.at - b.at)
    .map(({ name }) => name);
};

/** Whether a directory has a snapshot. */
export const hasSnapshot = (path: string, snapshot: string): boolean =>
  lstatSync(snapshotPath(path, snapshot), { throwIfNoEntry: false }) !== undefined;

/** @throws errno-coded EEXIST, ENOENT */
export const takeSnapshot = (path: string, snapshot: string): Promise<unknown> => mkdir(snapshotPath(path, snapshot));

/** Nothing there is no error. */
export const removeSnapshot = async (path: string, snapshot: string): Promise<void> => {
  try {
    await rmdir(snapshotPath(path, snapshot));
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
};

export const renameSnapshot = (path: string, snapshot: string, name: string): Promise<void> =>
  rename(snapshotPath(path, snapshot), snapshotPath(path, name));
