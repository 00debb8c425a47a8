import { closeSync, constants, openSync } from 'node:fs';
import { isErrno } from './errno.ts';
import { flockCall } from './syscalls.ts';

// flock(2)
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Locks a directory against others who lock it, in this process or another. The lock goes when it is disposed of, or with the process,
 * however that ends; nothing is left on disk.
 *
 * @returns undefined when somebody else holds it
 * @throws errno-coded error when the directory cannot be opened
 */
export const lockDirectory = (path: string): Disposable | undefined => {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    flockCall(fd, LOCK_EX | LOCK_NB);
  } catch (error) {
    closeSync(fd);
    if (isErrno(error, 'EAGAIN', 'EWOULDBLOCK')) return undefined;
    throw error;
  }
  return { [Symbol.dispose]: () => closeSync(fd) };
};
