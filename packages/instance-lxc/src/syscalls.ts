/** System calls that neither Node nor @lxd-ts/host has. Failures are thrown as errno-coded errors. */
import { closeSync } from 'node:fs';
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

const ifIndexToName = libc.func('const char *if_indextoname(unsigned int index, uint8_t *name)');

/** Name of a link in this network namespace, if_indextoname(3). Undefined when there is none with that index. */
export const linkName = (index: number): string | undefined => {
  const name: string | null = ifIndexToName(index, Buffer.alloc(16));
  return name ?? undefined;
};

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const F_SETFL = 4;
const socket = bind<[family: number, type: number, protocol: number]>('int socket(int family, int type, int protocol)');
const connect = bind<[fd: number, address: Uint8Array, length: number]>(
  'int connect(int fd, const void *address, unsigned int length)',
);

const setsockopt = bind<[fd: number, level: number, name: number, value: Uint8Array, length: number]>(
  'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
);
const SOL_SOCKET = 1;
const SO_PASSCRED = 16;

/**
 * Connects to an abstract Unix address (its NUL included). Messages tell the other side who sends them, from the first one on:
 * it may not have asked for that yet (SO_PASSCRED in unix(7)).
 *
 * @returns a blocking socket
 * @throws errno-coded error: ECONNREFUSED when nobody listens, EAGAIN when too many wait
 */
export const connectUnix = (address: string): number => {
  const path = Buffer.from(address);
  const name = Buffer.alloc(2 + path.length);
  name.writeUInt16LE(AF_UNIX, 0);
  path.copy(name, 2);
  const fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  try {
    const on = Buffer.alloc(4);
    on.writeInt32LE(1);
    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, on, on.length);
    connect(fd, name, name.length);
    fcntl(fd, F_SETFL, 0);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
};

// Types without names: koffi knows each name once per process, however often this module is loaded.
const vector = koffi.struct({ base: 'void *', length: 'size_t' });
const messageHeader = koffi.struct({
  name: 'void *',
  nameLength: 'uint32_t',
  data: koffi.pointer(vector),
  dataLength: 'size_t',
  control: 'void *',
  controlLength: 'size_t',
  flags: 'int',
});
const recvmsg = libc.func('recvmsg', 'long', ['int', koffi.inout(koffi.pointer(messageHeader)), 'int']);
const MSG_CMSG_CLOEXEC = 0x40000000;
const SCM_RIGHTS = 1;

/** Looks through control messages: length (64 bits), level, type (32 bits each), data, padded to 64 bits (cmsg(3)). */
const descriptorIn = (control: Buffer): number | undefined => {
  let at = 0;
  while (at + 16 < control.length) {
    const length = Number(control.readBigUInt64LE(at));
    if (length < 16) return undefined;
    const isRights = control.readInt32LE(at + 8) === SOL_SOCKET && control.readInt32LE(at + 12) === SCM_RIGHTS;
    if (isRights && length >= 20) return control.readInt32LE(at + 16);
    at += Math.ceil(length / 8) * 8;
  }
  return undefined;
};

/**
 * Receives a message with a file descriptor from a blocking Unix socket (unix(7)), on a thread of its own.
 *
 * @returns undefined when none comes along
 */
export const receiveDescriptor = async (socket: number): Promise<number | undefined> => {
  const control = Buffer.alloc(64);
  const message = {
    name: null,
    nameLength: 0,
    data: { base: Buffer.alloc(256), length: 256 },
    dataLength: 1,
    control,
    controlLength: control.length,
    flags: 0,
  };
  await new Promise<void>((resolve, reject) => {
    recvmsg.async(socket, message, MSG_CMSG_CLOEXEC, (error: unknown, size: number) => {
      if (error) reject(error);
      else if (size === -1) reject(errnoError(koffi.errno(), 'recvmsg'));
      else resolve();
    });
  });
  return descriptorIn(control);
};

const CLONE_FS = 0x200;
const CLONE_NEWNS = 0x20000;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
const unshare = bind<[flags: number]>('int unshare(int flags)');
const setns = bind<[fd: number, kind: number]>('int setns(int fd, int kind)');
const umount2 = bind<[target: string, flags: number]>('int umount2(const char *target, int flags)');
/** fchdir(2). */
export const fchdir = bind<[fd: number]>('int fchdir(int fd)');

/** Moves the calling thread into a mount namespace; its root and working directory become that namespace's root. */
export const enterMountNamespace = (fd: number): void => {
  // Root and working directory are shared by threads, until one that is to have its own says so.
  unshare(CLONE_FS);
  setns(fd, CLONE_NEWNS);
};

/** Detaches what is mounted at a path. */
export const unmountAt = (path: string): number => umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);

/** _LINUX_CAPABILITY_VERSION_3 of linux/capability.h: two words each of effective, permitted and inheritable bits. */
const CAPABILITY_VERSION = 0x20080522;
const capget = bind<[header: Uint8Array, data: Uint8Array]>('int capget(void *header, void *data)');
const capset = bind<[header: Uint8Array, data: Uint8Array]>('int capset(void *header, const void *data)');
const setfsuid = libc.func('int setfsuid(unsigned int uid)');
const setfsgid = libc.func('int setfsgid(unsigned int gid)');

const capabilityHeader = (): Buffer => {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(CAPABILITY_VERSION, 0);
  return header;
};

/** The calling thread's capability sets, capget(2). */
export const capabilities = (): Buffer => {
  const data = Buffer.alloc(24);
  capget(capabilityHeader(), data);
  return data;
};

/** Sets the calling thread's capability sets to those that `capabilities` gave. */
export const setCapabilities = (data: Uint8Array): void => {
  capset(capabilityHeader(), data);
};

/** Sets the ids by which the calling thread makes and opens files, setfsuid(2). */
export const setFsIds = (uid: number, gid: number): void => {
  setfsgid(gid);
  setfsuid(uid);
};

const filterProgram = koffi.struct({ length: 'uint16_t', filter: 'void *' });
const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2;
const prctl = libc.func('prctl', 'int', ['int', 'unsigned long', koffi.pointer(filterProgram)]);

/** Filters the system calls of the calling thread and of what it starts, seccomp(2). */
export const installSeccompFilter = (filter: Uint8Array, length: number): void => {
  const result: number = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, { length, filter });
  if (result === -1) throw errnoError(koffi.errno(), 'prctl');
};
