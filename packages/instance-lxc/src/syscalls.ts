/** System calls that neither Node nor @lxd-ts/host has. Failures are thrown as errno-coded errors. */
import { errnoError } from '@lxd-ts/host';
import koffi from 'koffi';

const libc = koffi.load(null);

/** Binds a function of libc that returns -1 and sets errno on failure. */
const bind = <A extends unknown[]>(prototype: string) => {
  const native = libc.func(prototype);
  const name = /(\w+)\(/.exec(prototype)?.[1] ?? prototype;
  return (...args: A): number => {
    const result: number = native(...args);
    if (result === -1) throw errnoError(koffi.errno(), name);
    return result;
  };
};

/** mknod(2): path, mode with the type's bits, device number. */
export const mknod = bind<[path: string, mode: number, device: number]>(
  'int mknod(const char *path, unsigned int mode, unsigned long device)',
);
/** pipe2(2): writes two descriptors, reading end first. */
export const pipe2 = bind<[fds: Int32Array, flags: number]>('int pipe2(int *fds, int flags)');
/** memfd_create(2). */
export const memfdCreate = bind<[name: string, flags: number]>(
  'int memfd_create(const char *name, unsigned int flags)',
);
/** close_range(2): first and last descriptor, flags. */
export const closeRange = bind<[first: number, last: number, flags: number]>(
  'int close_range(unsigned int first, unsigned int last, int flags)',
);
/** fcntl(2) with a number. */
export const fcntl = bind<[fd: number, command: number, argument: number]>(
  'int fcntl(int fd, int command, int argument)',
);
/** ioctl(2) with a pointer or number. */
export const ioctl = bind<[fd: number, request: number, argument: number | Uint8Array | null]>(
  'int ioctl(int fd, unsigned long request, void *argument)',
);

const WNOHANG = 1;
const waitpid = bind<[pid: number, status: Int32Array, options: number]>(
  'int waitpid(int pid, int *status, int options)',
);

/**
 * Collects a child process.
 *
 * @returns its status as a shell gives it, 128 + n when signal n killed it; undefined while it runs
 */
export const waitPid = (pid: number): number | undefined => {
  const status = new Int32Array(1);
  if (waitpid(pid, status, WNOHANG) === 0) return undefined;
  const [word = 0] = status;
  const signal = word & 0x7f;
  return signal === 0 ? (word >> 8) & 0xff : 128 + signal;
};
