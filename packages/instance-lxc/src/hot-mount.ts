/**
 * Mounts in running containers, made from the host's side: a detached mount is prepared in the host's namespace and moved into
 * the container's, so that the container needs to see neither source nor staging directory. Works on the calling thread, which
 * enters the container's mount namespace and comes back before anything else runs on it.
 */
import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path/posix';
import { attach, cloneTree, isErrno, mountInfo, openProcessRoot, type Root, setMountAttributes } from '@lxd-ts/host';
import { asOwner } from './as-owner.ts';
import { enterMountNamespace, fchdir, unmountAt } from './syscalls.ts';

const O_PATH = 0o10000000;
const AT_RECURSIVE = 0x8000;

export interface HotMount {
  /** Host pid of the container's init. */
  readonly initPid: number;
  /** On the host. */
  readonly source: string;
  /** Inside, absolute. */
  readonly target: string;
  readonly directory: boolean;
  readonly readonly: boolean;
  readonly recursive: boolean;
  readonly propagation: 'private' | 'shared' | 'slave' | 'unbindable';
  /** Show owners through the container's user namespace. */
  readonly shift: boolean;
  /** Owner of what is made for the mount point, on the host. */
  readonly uid: number;
  readonly gid: number;
}

let home: number | undefined;

/** Runs a function inside a container's mount namespace. */
const inMountNamespace = <T>(initPid: number, action: () => T): T => {
  home ??= openSync('/proc/thread-self/ns/mnt', 'r');
  const fd = openSync(`/proc/${initPid}/ns/mnt`, 'r');
  try {
    enterMountNamespace(fd);
  } finally {
    closeSync(fd);
  }
  try {
    return action();
  } finally {
    enterMountNamespace(home);
  }
};

const makeMountPoint = async (root: Root, { target, directory, uid, gid }: HotMount): Promise<void> => {
  if (root.exists(target)) return;
  const file = asOwner(uid, gid, () => {
    root.mkdirAll(directory ? target : dirname(target), { uid, gid });
    return directory ? undefined : root.create(target, { uid, gid, mode: 0o600 });
  });
  await (await file)?.close();
};

const prepare = (mount: HotMount): number => {
  const fd = cloneTree(mount.source, mount.recursive ? AT_RECURSIVE : 0);
  const path = `/proc/self/fd/${fd}`;
  const recursive = mount.recursive;
  try {
    if (mount.shift) setIdMap(path, mount.initPid, recursive);
    setMountAttributes(path, { set: mount.readonly ? ['ro'] : [], propagation: mount.propagation, recursive });
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
};

/** Makes a detached mount show owners through the user namespace of a container. */
export const setIdMap = (path: string, initPid: number, recursive: boolean): void => {
  const userNamespace = openSync(`/proc/${initPid}/ns/user`, 'r');
  try {
    setMountAttributes(path, { userNamespace, recursive });
  } finally {
    closeSync(userNamespace);
  }
};

/** Makes the mount, and what is missing of the way to its target. No symlink leads out of the container. */
export const hotMount = async (mount: HotMount): Promise<void> => {
  using root = openProcessRoot(mount.initPid);
  await makeMountPoint(root, mount);
  const target = root.openFd(mount.target, O_PATH);
  try {
    const tree = prepare(mount);
    try {
      inMountNamespace(mount.initPid, () => attach(tree, target));
    } finally {
      closeSync(tree);
    }
  } finally {
    closeSync(target);
  }
};

/** Unmounts what is mounted at a place in a container. Nothing there is no error. */
export const hotUnmount = (initPid: number, target: string): void => {
  const place = target.replace(/\/+$/, '');
  if (!mountInfo(initPid).some((mount) => mount.target === place)) return;
  using root = openProcessRoot(initPid);
  const parent = root.openFd(dirname(place), O_PATH);
  try {
    inMountNamespace(initPid, () => {
      fchdir(parent);
      unmountAt(place.slice(place.lastIndexOf('/') + 1));
    });
  } catch (error) {
    if (!isErrno(error, 'EINVAL', 'ENOENT')) throw error;
  } finally {
    closeSync(parent);
  }
};
