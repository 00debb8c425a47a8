import { chmodSync, closeSync, constants, fstatSync, lstatSync, openSync, type Stats } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { errnoNamed, isErrno } from './errno.ts';
import { type IdKind, type IdMap, toContainerId, toHostId } from './idmap.ts';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, cString, fchownat } from './syscalls.ts';
import { openSubdirectory, timeSlices } from './tree.ts';
import { getXattr, listXattrs, setXattr } from './xattr.ts';
import { shiftAcl, shiftCapability } from './xattr-ids.ts';

export interface ShiftOptions {
  /** How ids on disk are to be read; without one they are the ids inside themselves. */
  from?: IdMap;
  /** How ids are to be written; without one they become the ids inside themselves. */
  to?: IdMap;
  /** An earlier run was cut short: ids in the host ranges of `to` are taken for done. */
  resume?: boolean;
  signal?: AbortSignal;
  /** Called with the number of files done so far, every few milliseconds. */
  onProgress?: (files: number) => void;
}

const ACL_NAMES = ['system.posix_acl_access', 'system.posix_acl_default'];
const CAPABILITY = 'security.capability';
const SET_ID_BITS = 0o6000;
const MAX_DEPTH = 4096;

type ShiftId = (kind: IdKind, id: number) => number;

function translation({ from, to, resume }: ShiftOptions): ShiftId {
  return (kind, id) => {
    if (resume && to && toContainerId(to, kind, id) !== undefined) return id;
    const inside = from ? toContainerId(from, kind, id) : id;
    if (inside === undefined) return id;
    return (to ? toHostId(to, kind, inside) : inside) ?? id;
  };
}

/** Attributes to be written after the change of owner, which drops capabilities. */
function shiftedXattrs(path: Uint8Array, shift: ShiftId): [name: string, value: Buffer][] {
  return listXattrs(path)
    .filter((name) => name === CAPABILITY || ACL_NAMES.includes(name))
    .flatMap((name): [string, Buffer][] => {
      const value = getXattr(path, name);
      if (!value) return [];
      return [[name, name === CAPABILITY ? shiftCapability(value, (id) => shift('uid', id)) : shiftAcl(value, shift)]];
    });
}

function shiftInode(path: Uint8Array, stats: Stats, shift: ShiftId): void {
  const xattrs = shiftedXattrs(path, shift);
  const [uid, gid] = [shift('uid', stats.uid), shift('gid', stats.gid)];
  if (uid !== stats.uid || gid !== stats.gid) {
    fchownat(AT_FDCWD, cString(path), uid, gid, AT_SYMLINK_NOFOLLOW);
    // A change of owner takes setuid and setgid away (chown(2)).
    if ((stats.mode & SET_ID_BITS) !== 0 && !stats.isSymbolicLink()) chmodSync(Buffer.from(path), stats.mode & 0o7777);
  }
  for (const [name, value] of xattrs) setXattr(path, name, value);
}

/**
 * Rewrites the owners of everything in a directory tree from one id map to another: user and group, POSIX ACLs and the
 * root id of file capabilities. setuid bits and capabilities survive, hard-linked files are changed once, symlinks are
 * not followed, mounts inside are left alone. Ids that the maps do not know stay as they are.
 *
 * The tree must not be in use. Where the file system offers id-mapped mounts, those make this needless.
 *
 * @returns the number of files, directories and links seen
 */
export async function shiftTree(path: string, options: ShiftOptions): Promise<number> {
  const shift = translation(options);
  const breathe = timeSlices(options.signal);
  const linked = new Set<string>();
  let files = 0;

  const visit = (place: Uint8Array, stats: Stats): void => {
    files++;
    if (stats.nlink > 1 && !stats.isDirectory()) {
      const inode = `${stats.dev}:${stats.ino}`;
      if (linked.has(inode)) return;
      linked.add(inode);
    }
    shiftInode(place, stats, shift);
  };

  const descend = async (fd: number, depth: number): Promise<void> => {
    if (depth > MAX_DEPTH) throw errnoNamed('ENAMETOOLONG', 'open', path);
    const prefix = Buffer.from(`/proc/self/fd/${fd}/`);
    for (const name of await readdir(prefix, { encoding: 'buffer' })) {
      const pause = breathe();
      if (pause) {
        options.onProgress?.(files);
        await pause;
      }
      const place = Buffer.concat([prefix, name]);
      const stats = lstatSync(place);
      if (!stats.isDirectory()) {
        visit(place, stats);
        continue;
      }
      const below = openUnlessMount(fd, name);
      if (below === undefined) continue;
      try {
        visit(place, stats);
        await descend(below, depth + 1);
      } finally {
        closeSync(below);
      }
    }
  };

  const top = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    visit(Buffer.from(`/proc/self/fd/${top}/.`), fstatSync(top));
    await descend(top, 0);
  } finally {
    closeSync(top);
  }
  options.onProgress?.(files);
  return files;
}

function openUnlessMount(dirFd: number, name: Uint8Array): number | undefined {
  try {
    return openSubdirectory(dirFd, name);
  } catch (error) {
    if (isErrno(error, 'EXDEV')) return undefined;
    throw error;
  }
}
