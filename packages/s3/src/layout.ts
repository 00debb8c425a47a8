/** What is where in the directory of a bucket. */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isErrno, S3Error } from './errors.ts';
import { objectNames } from './key-paths.ts';
import { removeFile } from './object-file.ts';

export interface Layout {
  /** The objects, by key. */
  readonly objects: string;
  /** Multipart uploads that are under way, a directory each. */
  readonly uploads: string;
  /** The directories of completed uploads, whose parts are the data of an object. */
  readonly assembled: string;
  /** What is being written or removed; nothing in it is worth keeping. */
  readonly temporary: string;
}

export const layoutOf = (directory: string): Layout => ({
  objects: join(directory, 'objects'),
  uploads: join(directory, 'uploads'),
  assembled: join(directory, 'assembled'),
  temporary: join(directory, 'tmp'),
});

/** Makes the directories that are missing, and clears what an earlier run left unfinished. */
export const prepareLayout = async (layout: Layout): Promise<void> => {
  for (const directory of Object.values(layout)) await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const name of await readdir(layout.temporary)) await removeTree(join(layout.temporary, name));
};

/** A new name for something unfinished. */
export const temporaryPath = (layout: Layout): string => join(layout.temporary, randomUUID());

/** Removes a directory with what is in it, on a full file system too. */
export const removeTree = async (path: string): Promise<void> => {
  let entries: Awaited<ReturnType<typeof listDirectory>>;
  try {
    entries = await listDirectory(path);
  } catch (error) {
    if (isErrno(error, 'ENOTDIR')) {
      await removeFile(path);
      return;
    }
    throw error;
  }
  for (const entry of entries) {
    if (entry.isDirectory()) await removeTree(join(path, entry.name));
    else await removeFile(join(path, entry.name));
  }
  await rm(path, { recursive: true, force: true });
};

const listDirectory = async (path: string) => {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
};

/** Takes a directory out of sight at once, then removes it. Nothing there is no error. */
export const discardDirectory = async (layout: Layout, path: string): Promise<void> => {
  const doomed = temporaryPath(layout);
  try {
    await rename(path, doomed);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  await removeTree(doomed);
};

/** The path of an object's file. */
export const objectPath = (layout: Layout, key: string): string => join(layout.objects, ...objectNames(key));

/** Removes the directories of an object's path that are empty. */
export const pruneDirectories = async (layout: Layout, path: string): Promise<void> => {
  for (let at = dirname(path); at !== layout.objects; at = dirname(at)) {
    try {
      await rmdir(at);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) continue;
      // Others are in it; or there is no room even to remove, and an empty directory does no harm.
      if (isErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOSPC', 'EDQUOT')) return;
      throw error;
    }
  }
};

/** Puts a finished file in the place of an object's, making the directories for it. */
export const placeFile = async (from: string, path: string): Promise<void> => {
  // Directories may go again with an object that is deleted meanwhile.
  for (let attempt = 0; attempt < 10; attempt++) {
    try {
      await rename(from, path);
      return;
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    }
  }
  throw new S3Error('SlowDown', 'Objects beside this one are deleted all the time: try again.');
};
