import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno, removeTree } from '@lxd-ts/host';
import type { Volume } from './contract.ts';
import { poolDirectories } from './layout.ts';

/** Containers and buckets are entered by other users than root: theirs can be passed through, not listed. */
const passable = new Set(['containers', 'containers-snapshots', 'buckets']);

/** Where a pool keeps what is not finished: emptied when the pool is opened. */
export const incompleteDirectory = (poolPath: string): string => join(poolPath, '.incomplete');

/** Makes the directories of a pool that are missing, with LXD's modes. */
export const makePoolDirectories = async (poolPath: string): Promise<void> => {
  await Promise.all(
    poolDirectories.map((name) => makeDirectory(join(poolPath, name), passable.has(name) ? 0o711 : 0o700)),
  );
};

/** Makes a directory with exactly this mode. One that is there stays as it is. */
export const makeDirectory = async (path: string, mode: number): Promise<void> => {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
};

/** Removes the directories that `makePoolDirectories` made, with what is left in them. Nothing there is no error. */
export const removePoolDirectories = async (poolPath: string): Promise<void> => {
  for (const name of [...poolDirectories, incompleteDirectory('')]) await removeTree(join(poolPath, name));
};

/** Whether a directory is empty, but for what a new file system brings. */
export const isEmptyDirectory = async (path: string): Promise<boolean> =>
  (await readdir(path)).every((name) => name === 'lost+found');

/** The mode of a new volume's directory: what an instance is made of is not listed by users of the host. */
export const volumeMode = (type: Volume['type']): number =>
  type === 'container' || type === 'virtual-machine' ? 0o100 : 0o711;
