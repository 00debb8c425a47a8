/**
 * The system calls of storage drivers that Node has no function for, through koffi.
 * All are short; failures are thrown as errno-coded errors.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { errnoError } from '@lxd-ts/host';
import koffi from 'koffi';

const libc = koffi.load(null);
const ioctlCall = libc.func('int ioctl(int, unsigned long, void*)');
const renameat2 = libc.func('int renameat2(int, const char*, int, const char*, unsigned int)');
const quotactlFd = libc.func('long syscall(long, int, unsigned int, unsigned int, void*)');

const syncfsCall = libc.func('int syncfs(int)');

const EINTR = 4;
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;
/** The same on every architecture, as all calls from 424 on. */
const SYS_quotactl_fd = 443;

const checked = (name: string, path: string | undefined, call: () => number): number => {
  for (;;) {
    const result = call();
    if (result !== -1) return result;
    const errno = koffi.errno();
    if (errno !== EINTR) throw errnoError(errno, name, path);
  }
};

/**
 * ioctl(2) with a structure (or an integer's four bytes) that the kernel reads and writes in place.
 *
 * @param path - what the fd stands for, for the message
 * @throws errno-coded error
 */
export const ioctl = (fd: number, request: number, argument: Uint8Array | null, path?: string): number =>
  checked('ioctl', path, () => ioctlCall(fd, request, argument));

/** Like `ioctl`, on a thread of its own: for what waits for a disk. */
export const ioctlAsync = (fd: number, request: number, argument: Uint8Array | null, path?: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const attempt = (): void => {
      // koffi hands the thread's errno to this callback.
      ioctlCall.async(fd, request, argument, (failure: unknown, result: number) => {
        if (failure) return reject(failure);
        if (result !== -1) return resolve(result);
        const errno = koffi.errno();
        if (errno === EINTR) return attempt();
        reject(errnoError(errno, 'ioctl', path));
      });
    };
    attempt();
  });

/**
 * Writes a file system back to its device (syncfs(2)), on a thread of its own.
 *
 * @param path - any directory on it
 * @throws errno-coded error when something could not be written since it was mounted, Linux 5.8: ENOSPC, EIO
 */
export const syncFilesystem = async (path: string): Promise<void> => {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await new Promise<void>((resolve, reject) => {
      syncfsCall.async(fd, (failure: unknown, result: number) => {
        if (failure) reject(failure);
        else if (result === -1) reject(errnoError(koffi.errno(), 'syncfs', path));
        else resolve();
      });
    });
  } finally {
    closeSync(fd);
  }
};

/** Opens a directory, calls a function with its fd, closes it. Symlinks in the last place are refused. */
export const withDirectory = <T>(path: string, use: (fd: number) => T): T => {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
};

/**
 * Exchanges two files or directories of one file system in one step (renameat2(2), RENAME_EXCHANGE).
 *
 * @throws errno-coded error; EINVAL where the file system cannot
 */
export const exchange = (one: string, other: string): void => {
  checked('renameat2', one, () => renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE));
};

/**
 * quotactl_fd(2), Linux 5.14.
 *
 * @param fd - anything on the file system
 * @param command - as quotactl(2)'s QCMD makes it
 * @throws errno-coded error: ESRCH and ENOSYS when quotas are off
 */
export const quotactl = (fd: number, command: number, id: number, argument: Uint8Array): void => {
  checked('quotactl_fd', undefined, () => quotactlFd(SYS_quotactl_fd, fd, command, id, argument));
};
