/** System calls that neither Node nor @lxd-ts/host has. Failures are thrown as errno-coded errors. */
import { errnoError } from '@lxd-ts/host';
import koffi from 'koffi';

/** The program's own symbols: whichever libc Node was linked with. */
export const libc = koffi.load(null);

/** Binds a function of libc that returns -1 and sets errno on failure. */
export const bind = <A extends unknown[]>(prototype: string) => {
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
const pipe2 = bind<[fds: Int32Array, flags: number]>('int pipe2(int *fds, int flags)');
const O_CLOEXEC = 0o2000000;

/** A pipe, closed when another program is executed. */
export const makePipe = (): { readonly reading: number; readonly writing: number } => {
  const fds = new Int32Array(2);
  pipe2(fds, O_CLOEXEC);
  const [reading = -1, writing = -1] = fds;
  return { reading, writing };
};

/** dup2(2): the copy is kept by programs that are executed. */
export const duplicateTo = bind<[fd: number, copy: number]>('int dup2(int fd, int copy)');
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

/** chroot(2). */
export const changeRoot = bind<[path: string]>('int chroot(const char *path)');
/** mknodat(2): directory, name, mode with the type's bits, device number. */
export const mknodAt = bind<[directory: number, name: string, mode: number, device: number]>(
  'int mknodat(int directory, const char *name, unsigned int mode, unsigned long device)',
);
/** mount(2): source, target, type, flags, data. */
export const mountFileSystem = bind<[source: string, target: string, type: string, flags: number, data: string]>(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
);

type XattrArguments = [path: string, name: string, value: Uint8Array, size: number, flags: number];
const setxattr = bind<XattrArguments>(
  'int setxattr(const char *path, const char *name, const void *value, size_t size, int flags)',
);
const lsetxattr = bind<XattrArguments>(
  'int lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)',
);

/** Sets an extended attribute of a file, or of a symlink itself. */
export const setXattr = (path: string, name: string, value: Uint8Array, flags: number, follow: boolean): number =>
  (follow ? setxattr : lsetxattr)(path, name, value, value.length, flags);

const schedulerSet = bind<[pid: number, policy: number, parameters: Uint8Array]>(
  'int sched_setscheduler(int pid, int policy, const void *parameters)',
);

/** sched_setscheduler(2). */
export const setScheduler = (pid: number, policy: number, priority: number): void => {
  const parameters = Buffer.alloc(4);
  parameters.writeInt32LE(priority);
  schedulerSet(pid, policy, parameters);
};
