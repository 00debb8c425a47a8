/**
 * Stopping writes to a file system for a moment, so that what is on its disk is whole. By a program (fsfreeze(8)) and not by a system
 * call from here: this process's threads may all be waiting to write to what is frozen.
 */
import { CommandError, run } from '@lxd-ts/host';
import { QUICK, timeLimit } from '../cluster.ts';

const fsfreeze = async (path: string, option: '--freeze' | '--unfreeze'): Promise<void> => {
  using limit = timeLimit(QUICK, `"${path}" could not be frozen or thawed for a snapshot`);
  await run(['fsfreeze', option, path], { debianPackage: 'util-linux', signal: limit.signal });
};

/** Lets a file system be written again. One that is not frozen is no error. */
export const thaw = async (path: string): Promise<void> => {
  try {
    await fsfreeze(path, '--unfreeze');
  } catch (error) {
    // EINVAL says that it was not frozen.
    if (!(error instanceof CommandError && /Invalid argument/.test(error.stderr))) throw error;
  }
};

/** Runs a function while nothing is written to the file system mounted at a path, and all that was written is on its disk. */
export const whileFrozen = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
  await fsfreeze(path, '--freeze');
  try {
    return await work();
  } finally {
    await thaw(path);
  }
};
