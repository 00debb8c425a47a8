import { closeSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { isErrno } from './errno.ts';
import {
  type MountAttribute,
  mountAttributes,
  type Propagation,
  propagationFlags,
  setAttributes,
} from './mount-attributes.ts';
import { mountsBelow } from './mount-info.ts';
import { parseMountOptions } from './mount-options.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  mountCall,
  moveMount,
  O_CLOEXEC,
  openTree,
  umountCall,
} from './syscalls.ts';

const OPEN_TREE_CLONE = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 0x04;
const MOVE_MOUNT_T_SYMLINKS = 0x10;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
const MS_REMOUNT = 0x20;
const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MNT_FORCE = 1;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/** A path, or a file descriptor that stands for the place (from openat2 under a root, say). */
export type Place = string | number;

/** A mount that is unmounted when disposed of (`await using`). */
export interface Mount extends AsyncDisposable {
  readonly target: string;
}

export interface BindOptions {
  /** Brings the mounts below the source along. */
  recursive?: boolean;
  /** Attributes of the new mount; applied to those below too when recursive. Set before anyone can see the mount. */
  attributes?: readonly MountAttribute[];
  propagation?: Propagation;
  /** A user namespace's fd: owners on disk are shown as that namespace maps them. Needs Linux 5.12 and the file system's support. */
  userNamespace?: number;
}

function pathOf(place: Place): string {
  return typeof place === 'string' ? place : `/proc/self/fd/${place}`;
}

/** The path is resolved while it leads to the mount: unmounting follows no symlink. */
async function disposable(place: Place, recursive: boolean): Promise<Mount> {
  const target = await realpath(pathOf(place));
  return { target, [Symbol.asyncDispose]: () => (recursive ? unmountAll(target) : unmount(target)) };
}

/**
 * Mounts a file system (mount(2)). Runs on a thread of its own, since reading a super block takes time.
 *
 * @param source a device, a directory, or what the file system understands (`tmpfs`)
 * @param options.type the kernel's name of the file system
 * @param options.options a comma list as in fstab; those of the mount itself are known by name, the rest goes to the file system
 * @throws errno-coded error
 */
export async function mount(
  source: string,
  target: string,
  options: { type: string; options?: string },
): Promise<Mount> {
  const { flags, data } = parseMountOptions(options.options ?? '');
  await mountCall.async(source, target, options.type, flags, data === '' ? null : data);
  return disposable(target, false);
}

/** Changes the options of a mounted file system (`ro`, `remount` is implied). */
export async function remount(target: string, options: string): Promise<void> {
  const { flags, data } = parseMountOptions(options);
  await mountCall.async(null, target, null, flags | MS_REMOUNT, data === '' ? null : data);
}

/**
 * Shows a directory or file at a second place. The mount becomes visible with all its attributes at once.
 *
 * @throws errno-coded error; EINVAL when an id-mapped mount is asked of a file system that cannot do it
 */
export async function bindMount(source: Place, target: Place, options: BindOptions = {}): Promise<Mount> {
  const recursive = options.recursive ? AT_RECURSIVE : 0;
  const { attributes = [], propagation, userNamespace } = options;
  const fd = cloneTree(source, recursive);
  let remountFlags = 0;
  try {
    if (attributes.length > 0 || propagation || userNamespace !== undefined) {
      try {
        setAttributes(fd, '', { set: attributes, propagation, userNamespace, recursive: options.recursive });
      } catch (error) {
        // Linux before 5.12: the same in two steps, below, for the top mount alone. Id maps cannot be had there.
        if (!isErrno(error, 'ENOSYS') || userNamespace !== undefined) throw error;
        remountFlags = MS_REMOUNT | MS_BIND | mountAttributes(attributes).legacy;
      }
    }
    attach(fd, target);
  } finally {
    closeSync(fd);
  }
  if (remountFlags !== 0) {
    mountCall(null, pathOf(target), null, remountFlags, null);
    if (propagation) setPropagation(pathOf(target), propagation, options.recursive);
  }
  return disposable(target, options.recursive === true);
}

/** A detached copy of a mount (open_tree(2)): an fd that vanishes with its mount when closed, unless attached before. */
export function cloneTree(source: Place, recursive: number): number {
  const flags = OPEN_TREE_CLONE | O_CLOEXEC | recursive;
  return typeof source === 'string' ? openTree(AT_FDCWD, source, flags) : openTree(source, '', flags | AT_EMPTY_PATH);
}

/** Puts a detached mount into the file tree (move_mount(2)). */
export function attach(fd: number, target: Place): void {
  if (typeof target === 'string') {
    moveMount(fd, '', AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS);
  } else {
    moveMount(fd, '', target, '', MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
  }
}

/** Sets how mount events travel between a mount and its copies (mount_namespaces(7)). */
export function setPropagation(target: string, propagation: Propagation, recursive = false): void {
  mountCall(null, target, null, propagationFlags[propagation] | (recursive ? MS_REC : 0), null);
}

/**
 * Unmounts the topmost mount at a path. Nothing mounted there is no error, so that it can be repeated.
 * @param options.lazy detaches at once and lets open files live on; `force` gives up a dead network server
 * @throws errno-coded error: EBUSY while files are open
 */
export async function unmount(target: string, options: { lazy?: boolean; force?: boolean } = {}): Promise<void> {
  const flags = UMOUNT_NOFOLLOW | (options.lazy ? MNT_DETACH : 0) | (options.force ? MNT_FORCE : 0);
  try {
    await umountCall.async(target, flags);
  } catch (error) {
    // EINVAL: not a mount point.
    if (!isErrno(error, 'EINVAL', 'ENOENT')) throw error;
  }
}

/** Unmounts everything mounted at or below a directory, also when mounted over one another. */
export async function unmountAll(directory: string, options: { lazy?: boolean } = {}): Promise<void> {
  const base = await realpath(directory).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return directory;
    throw error;
  });
  for (const { target } of mountsBelow(base)) await unmount(target, options);
}
