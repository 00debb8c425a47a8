import { lstatSync } from 'node:fs';
import { readdir, rename, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '@lxd-ts/host';
import { conflict } from '../errors.ts';

/** Whether there is anything at a path. Asks at once: on a thread of its own it takes thirty times as long. */
export const exists = async (path: string): Promise<boolean> => {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (isErrno(error, 'ENOTDIR')) return false;
    throw error;
  }
};

/**
 * Renames a directory.
 *
 * @throws LxdError conflict when the new name is taken (rename(2) would replace an empty directory)
 */
export const renameDirectory = async (from: string, to: string): Promise<void> => {
  if (await exists(to)) throw conflict(`"${to}" exists already`);
  await rename(from, to);
};

/**
 * Renames the directory of a volume and the one of its snapshots, which need not be there. The volume itself comes last: while it is
 * there under the old name, the call can be repeated.
 *
 * @param volume - old and new path; the new one is free
 * @param snapshots - those of the snapshots
 */
export const renameWithSnapshots = async (
  volume: readonly [from: string, to: string],
  snapshots: readonly [from: string, to: string],
): Promise<void> => {
  const [from, to] = snapshots;
  const some = await exists(from);
  if (some) await renameDirectory(from, to);
  try {
    await renameDirectory(...volume);
  } catch (error) {
    if (some) await rename(to, from);
    throw error;
  }
};

/** Removes a directory, and those below it, as far as they hold nothing but directories. Nothing there is no error. */
export const removeEmptyDirectories = async (root: string): Promise<void> => {
  try {
    for (const entry of await readdir(root, { withFileTypes: true }))
      if (entry.isDirectory()) await removeEmptyDirectories(join(root, entry.name));
    await rmdir(root);
  } catch (error) {
    // EBUSY: something is mounted there.
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY', 'EBUSY')) throw error;
  }
};
