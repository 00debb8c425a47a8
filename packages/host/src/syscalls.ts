/**
 * The system calls that Node has no function for, bound through koffi to the libc this process runs on.
 * A call costs about 0.3 µs; one that can block for long (mounting) has `.async`, which runs on a thread of its own.
 * Failures are thrown as errno-coded errors (see errno.ts); an interrupted call (EINTR) is made again.
 */
import koffi, { type KoffiFunc } from 'koffi';
import { errnoError } from './errno.ts';

/** A path, or one name of a directory entry: names on disk are bytes and need not be UTF-8. */
export type PathBytes = string | Uint8Array;

type Argument = number | bigint | string | Uint8Array | null;

/** A bound call: synchronous when called, on a worker thread with `.async`. */
export interface SystemCall<A extends Argument[]> {
  (...args: A): number;
  async(...args: A): Promise<number>;
}

const EINTR = 4;
// The program's own symbols: whichever libc Node was linked with.
const libc = koffi.load(null);

function subject(args: readonly Argument[]): string | undefined {
  const path = args.find((arg) => typeof arg === 'string' && arg !== '');
  return typeof path === 'string' ? path : undefined;
}

function bind<A extends Argument[]>(name: string, prototype: string, transform?: (args: A) => Argument[]) {
  const native: KoffiFunc<(...args: Argument[]) => number> = libc.func(prototype);
  const call = (...args: A): number => {
    const actual = transform ? transform(args) : args;
    for (;;) {
      const result = native(...actual);
      if (result !== -1) return result;
      const errno = koffi.errno();
      if (errno !== EINTR) throw errnoError(errno, name, subject(args));
    }
  };
  const async = (...args: A): Promise<number> =>
    new Promise((resolve, reject) => {
      const attempt = () => {
        // koffi hands the worker thread's errno to this callback.
        native.async(...(transform ? transform(args) : args), (error: unknown, result: number) => {
          if (error) return reject(error);
          if (result !== -1) return resolve(result);
          const errno = koffi.errno();
          if (errno === EINTR) return attempt();
          reject(errnoError(errno, name, subject(args)));
        });
      };
      attempt();
    });
  return Object.assign(call, { async }) satisfies SystemCall<A>;
}

/** Binds a call that libc wraps in a function. The prototype is C, names of arguments left out. */
function wrapped<A extends Argument[]>(prototype: string): SystemCall<A> {
  const name = /(\w+)\(/.exec(prototype)?.[1];
  if (name === undefined) throw new TypeError(`no function name in '${prototype}'`);
  return bind<A>(name, prototype);
}

/**
 * Binds a call by its number, for those newer than the oldest libc we run on.
 * Calls from number 424 on have the same number on every architecture (Documentation/process/adding-syscalls.rst).
 */
function numbered<A extends Argument[]>(name: string, number: number, types: string): SystemCall<A> {
  return bind<A>(name, `long syscall(long, ${types})`, (args) => [number, ...args]);
}

/** A string as a NUL-terminated buffer; a buffer gets its terminator when it has none. */
export function cString(value: PathBytes): Uint8Array | string {
  if (typeof value === 'string') return value;
  return value.at(-1) === 0 ? value : Buffer.concat([value, Buffer.of(0)]);
}

// Flags of open(2) that Node does not name; the same on every architecture Node runs on.
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_EMPTY_PATH = 0x1000;
export const AT_RECURSIVE = 0x8000;

/** mount(2): source, target, type, flags, data. */
export const mountCall = wrapped<
  [source: string | null, target: string, type: string | null, flags: number, data: string | null]
>('int mount(const char*, const char*, const char*, unsigned long, const char*)');
/** umount2(2): target, flags. */
export const umountCall = wrapped<[target: string, flags: number]>('int umount2(const char*, int)');
/** open_tree(2), Linux 5.2: directory fd, path, flags; returns an fd. */
export const openTree = numbered<[dirFd: number, path: PathBytes, flags: number]>(
  'open_tree',
  428,
  'int, const char*, unsigned int',
);
/** move_mount(2), Linux 5.2: from fd, from path, to fd, to path, flags. */
export const moveMount = numbered<[fromFd: number, from: string, toFd: number, to: string, flags: number]>(
  'move_mount',
  429,
  'int, const char*, int, const char*, unsigned int',
);
/** openat2(2), Linux 5.6: directory fd, path, struct open_how, its size; returns an fd. */
export const openat2 = numbered<[dirFd: number, path: PathBytes, how: Uint8Array, size: number]>(
  'openat2',
  437,
  'int, const char*, const void*, size_t',
);
/** mount_setattr(2), Linux 5.12: directory fd, path, flags, struct mount_attr, its size. */
export const mountSetattr = numbered<
  [dirFd: number, path: PathBytes, flags: number, attributes: Uint8Array, size: number]
>('mount_setattr', 442, 'int, const char*, unsigned int, const void*, size_t');

export const mkdirat = wrapped<[dirFd: number, name: PathBytes, mode: number]>(
  'int mkdirat(int, const char*, unsigned int)',
);
export const unlinkat = wrapped<[dirFd: number, name: PathBytes, flags: number]>('int unlinkat(int, const char*, int)');
/** setfsuid(2) and setfsgid(2) return the former id, and never fail visibly. */
export const setfsuid = wrapped<[uid: number]>('int setfsuid(unsigned int)');
export const setfsgid = wrapped<[gid: number]>('int setfsgid(unsigned int)');
const PR_SET_SECUREBITS = 28;
const prctl = wrapped<[option: number, value: number, a: number, b: number, c: number]>(
  'int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)',
);
/** Sets the secure bits of this thread (capabilities(7)). */
export const setSecureBits = (bits: number): number => prctl(PR_SET_SECUREBITS, bits, 0, 0, 0);
export const symlinkat = wrapped<[target: PathBytes, dirFd: number, name: PathBytes]>(
  'int symlinkat(const char*, int, const char*)',
);
export const linkat = wrapped<[fromFd: number, from: PathBytes, toFd: number, to: PathBytes, flags: number]>(
  'int linkat(int, const char*, int, const char*, int)',
);
export const renameat = wrapped<[fromFd: number, from: PathBytes, toFd: number, to: PathBytes]>(
  'int renameat(int, const char*, int, const char*)',
);
export const fchownat = wrapped<[dirFd: number, name: PathBytes, uid: number, gid: number, flags: number]>(
  'int fchownat(int, const char*, unsigned int, unsigned int, int)',
);
/** readlinkat(2): writes into the buffer, returns the number of bytes. */
export const readlinkat = wrapped<[dirFd: number, name: PathBytes, buffer: Uint8Array, size: number]>(
  'long readlinkat(int, const char*, void*, size_t)',
);
/** pipe2(2): writes two file descriptors (int32, reading end first) into the buffer. */
export const pipe2 = wrapped<[fds: Uint8Array, flags: number]>('int pipe2(void*, int)');
/** llistxattr(2): writes NUL-terminated names into the buffer, returns the number of bytes. */
export const llistxattr = wrapped<[path: PathBytes, list: Uint8Array, size: number]>(
  'long llistxattr(const char*, void*, size_t)',
);
export const lgetxattr = wrapped<[path: PathBytes, name: string, value: Uint8Array, size: number]>(
  'long lgetxattr(const char*, const char*, void*, size_t)',
);
export const lsetxattr = wrapped<[path: PathBytes, name: string, value: Uint8Array, size: number, flags: number]>(
  'int lsetxattr(const char*, const char*, const void*, size_t, int)',
);
export const lremovexattr = wrapped<[path: PathBytes, name: string]>('int lremovexattr(const char*, const char*)');

/** setns(2): namespace fd, its kind (CLONE_NEW…, 0 for any). Moves the calling thread alone. */
export const setns = wrapped<[fd: number, kind: number]>('int setns(int, int)');
export const socketCall = wrapped<[family: number, type: number, protocol: number]>('int socket(int, int, int)');
export const bindCall = wrapped<[fd: number, address: Uint8Array, length: number]>(
  'int bind(int, const void*, unsigned int)',
);
export const listenCall = wrapped<[fd: number, backlog: number]>('int listen(int, int)');
export const setsockopt = wrapped<[fd: number, level: number, name: number, value: Uint8Array, length: number]>(
  'int setsockopt(int, int, int, const void*, unsigned int)',
);
/** getsockopt(2): `length` is a socklen_t (uint32), in: room in the buffer, out: bytes written. */
export const getsockopt = wrapped<[fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array]>(
  'int getsockopt(int, int, int, void*, void*)',
);
export const send = wrapped<[fd: number, data: Uint8Array, length: number, flags: number]>(
  'long send(int, const void*, size_t, int)',
);
/** recv(2): writes into the buffer, returns the number of bytes. */
export const recv = wrapped<[fd: number, buffer: Uint8Array, size: number, flags: number]>(
  'long recv(int, void*, size_t, int)',
);
/** pidfd_open(2), Linux 5.3: process id, flags; returns an fd. */
export const pidfdOpen = numbered<[pid: number, flags: number]>('pidfd_open', 434, 'int, unsigned int');
/** pidfd_send_signal(2), Linux 5.1. */
export const pidfdSendSignal = numbered<[fd: number, signal: number, info: null, flags: number]>(
  'pidfd_send_signal',
  424,
  'int, int, const void*, unsigned int',
);
export const connectCall = wrapped<[fd: number, address: Uint8Array, length: number]>(
  'int connect(int, const void*, unsigned int)',
);
/** ioctl(2) with a buffer that is read, written, or both. */
export const ioctl = wrapped<[fd: number, request: number, argument: Uint8Array]>(
  'int ioctl(int, unsigned long, void*)',
);
/** ioctl(2) with a plain number. */
export const ioctlNumber = wrapped<[fd: number, request: number, argument: number]>(
  'int ioctl(int, unsigned long, long)',
);
/** madvise(2): address, length, advice. */
export const madvise = wrapped<[address: bigint, length: bigint, advice: number]>(
  'int madvise(uintptr_t, size_t, int)',
);
/** malloc_trim(3): how much to leave at the top of the heap. */
export const mallocTrim = wrapped<[pad: number]>('int malloc_trim(size_t)');
/** flock(2). */
export const flockCall = wrapped<[fd: number, operation: number]>('int flock(int, int)');
