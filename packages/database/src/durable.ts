/** File operations that outlast a power cut. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';

/** Waits until a file's contents, or a directory's entries, are on the disk. */
export const sync = (path: string): void => {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
};

/** Makes an empty file that only its owner may read. There must be none. */
export const createEmpty = (path: string): void => {
  closeSync(openSync(path, 'wx', 0o600));
  sync(dirname(path));
};

/** Puts a finished file in the place of another. */
export const replace = (path: string, by: string): void => {
  sync(by);
  renameSync(by, path);
  sync(dirname(path));
};

/** Deletes a file. */
export const remove = (path: string): void => {
  rmSync(path);
  sync(dirname(path));
};
