/** Whoever made an intercepted call: what they may do, and acting in their place. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { parseFields } from '@lxd-ts/host';
import { changeRoot, enterMountNamespace, fchdir } from '../syscalls.ts';

const O_PATH = 0o10000000;
const AT_FDCWD = -100;
const PATH_MAX = 4096;
const EFAULT = 14;
const EBADF = 9;
const ENAMETOOLONG = 36;

/** capabilities(7), linux/capability.h. */
export const capability = { dacOverride: 1, sysAdmin: 21, sysNice: 23, mknod: 27 } as const;

/** An error number for the caller. */
export class CallError extends Error {
  readonly errno: number;
  constructor(errno: number) {
    super(`error ${errno}`);
    this.errno = errno;
  }
}

export interface Caller {
  /** Descriptor of its /proc/<pid>, which stays that of this process. */
  readonly directory: number;
  readonly memory: number;
  /** Host ids by which it accesses files. */
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
  /** Whether it has a capability, in its own user namespace. */
  has(capability: number): boolean;
}

const file = (directory: number, name: string): string => `/proc/self/fd/${directory}/${name}`;

export const describeCaller = (directory: number, memory: number): Caller => {
  const status = parseFields(readFileSync(file(directory, 'status'), 'utf8'));
  const effective = BigInt(`0x${status.get('CapEff') ?? '0'}`);
  // Real, effective, saved and file system id.
  const fsId = (name: string) => Number(status.get(name)?.split(/\s+/)[3]);
  return {
    directory,
    memory,
    uid: fsId('Uid'),
    gid: fsId('Gid'),
    umask: Number.parseInt(status.get('Umask') ?? '0', 8),
    has: (bit) => ((effective >> BigInt(bit)) & 1n) === 1n,
  };
};

/** Reads the caller's memory. @throws CallError EFAULT */
export const readMemory = (caller: Caller, address: bigint, length: number): Buffer => {
  const buffer = Buffer.alloc(length);
  try {
    const size = readSync(caller.memory, buffer, 0, length, address);
    return buffer.subarray(0, size);
  } catch (error) {
    throw Object.assign(new CallError(EFAULT), { cause: error });
  }
};

/** Reads a text that ends with NUL. @throws CallError EFAULT or ENAMETOOLONG */
export const readText = (caller: Caller, address: bigint, max = PATH_MAX): string => {
  const page = 4096n;
  let text = Buffer.alloc(0);
  let at = address;
  while (text.length < max) {
    // Not across the end of a page: the next may not be there.
    const part = readMemory(caller, at, Number(page - (at % page)));
    if (part.length === 0) throw new CallError(EFAULT);
    const end = part.indexOf(0);
    text = Buffer.concat([text, end === -1 ? part : part.subarray(0, end)]);
    if (end !== -1) return text.toString('utf8');
    at += BigInt(part.length);
  }
  throw new CallError(ENAMETOOLONG);
};

const open = (caller: Caller, name: string): number => openSync(file(caller.directory, name), O_PATH);

let home: number | undefined;

/**
 * Runs a function with the mounts, the root and a working directory of the caller, so that paths mean what they mean to it.
 * Works on the calling thread alone; the function must be synchronous.
 *
 * @param directory - a descriptor of the caller's, as the first argument of mknodat(2)
 */
export const inPlaceOf = <T>(caller: Caller, directory: number, action: () => T): T => {
  home ??= openSync('/proc/thread-self/ns/mnt', 'r');
  const opened: number[] = [];
  try {
    const namespace = openSync(file(caller.directory, 'ns/mnt'), 'r');
    opened.push(namespace);
    const root = open(caller, 'root');
    opened.push(root);
    const start = openWorkingDirectory(caller, directory);
    opened.push(start);
    enterMountNamespace(namespace);
    try {
      fchdir(root);
      changeRoot('.');
      fchdir(start);
      return action();
    } finally {
      enterMountNamespace(home);
    }
  } finally {
    for (const fd of opened) closeSync(fd);
  }
};

const openWorkingDirectory = (caller: Caller, directory: number): number => {
  try {
    return open(caller, directory === AT_FDCWD ? 'cwd' : `fd/${directory}`);
  } catch (error) {
    throw Object.assign(new CallError(EBADF), { cause: error });
  }
};

/** A descriptor argument: 32 bits with a sign. */
export const asDescriptor = (argument: bigint | undefined): number => Number(BigInt.asIntN(32, argument ?? 0n));
