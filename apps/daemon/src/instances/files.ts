import type { Stats } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { badRequest, conflict, forbidden, isKind, notFound } from '@lxd-ts/driver-kit';
import {
  type FileType,
  fileType,
  type IdMap,
  isErrno,
  openRoot,
  type Root,
  toContainerId,
  toHostId,
} from '@lxd-ts/host';
import { fileChunk } from '../core/file-chunk.ts';

/** The id the kernel shows for those that a map does not know. */
const overflowId = 65534;

/**
 * The files of an instance as seen inside: a running one's with all its mounts, a stopped one's root volume. Every path is
 * resolved by the kernel below the instance's root, whatever symlinks are in it. Ids are those inside. Dispose it when done.
 */
export interface InstanceFiles extends AsyncDisposable {
  stat(path: string): FileInfo;
  /** The names in a directory, sorted. */
  list(path: string): string[];
  readlink(path: string): string;
  /** Opens a regular file for reading. */
  read(path: string): Promise<{ stream: Readable; size: number } & AsyncDisposable>;
  /** Creates or replaces a file, or appends to it. What is unset of `owner` keeps its value, or gets the default of a new file. */
  write(path: string, content: Readable, owner: FileOwner, append: boolean): Promise<void>;
  /** Makes a directory; one that is there is left as it is. */
  mkdir(path: string, owner: FileOwner): void;
  /** Makes a symlink, replacing one that is there. */
  symlink(path: string, target: string, owner: FileOwner): void;
  /** Removes a file or an empty directory. */
  remove(path: string): void;
  readonly root: Root;
  /** The id on disk of one inside. @throws LxdError bad-request for one that the instance does not have */
  hostId(kind: 'uid' | 'gid', id: number): number;
  /** The id inside of one on disk; 65534 for one that the instance does not know. */
  insideId(kind: 'uid' | 'gid', id: number): number;
}

/** What a file is, with ids as seen inside. */
export interface FileInfo {
  readonly type: FileType;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
  readonly size: number;
  readonly modified: Date;
}

export interface FileOwner {
  readonly uid?: number;
  readonly gid?: number;
  readonly mode?: number;
}

/** Turns errors of the file system into errors of the API. */
const explain = (error: unknown, path: string): unknown => {
  if (isErrno(error, 'ENOENT')) return notFound(`File "${path}" not found`, { cause: error });
  if (isErrno(error, 'ENOTDIR')) return notFound(`A part of the path "${path}" is not a directory`, { cause: error });
  if (isErrno(error, 'EISDIR')) return badRequest(`"${path}" is a directory`, { cause: error });
  if (isErrno(error, 'EEXIST')) return conflict(`"${path}" exists already`, { cause: error });
  if (isErrno(error, 'ENOTEMPTY')) return conflict(`The directory "${path}" is not empty`, { cause: error });
  if (isErrno(error, 'EINVAL'))
    return badRequest(`"${path}" is neither a file nor a directory nor a symlink, or holds characters a path cannot`, {
      cause: error,
    });
  if (isErrno(error, 'ELOOP')) return badRequest(`Too many symlinks in "${path}"`, { cause: error });
  if (isErrno(error, 'ENAMETOOLONG')) return badRequest('The path, or a name in it, is too long', { cause: error });
  if (isErrno(error, 'ENOSPC') || isErrno(error, 'EDQUOT'))
    return conflict(`No space is left for "${path}"`, { cause: error });
  if (isErrno(error, 'EROFS')) return forbidden(`"${path}" is on a read-only file system`, { cause: error });
  if (
    isErrno(error, 'EACCES') ||
    isErrno(error, 'EPERM') ||
    isErrno(error, 'EXDEV') ||
    isErrno(error, 'EBUSY') ||
    isErrno(error, 'EOVERFLOW')
  ) {
    return forbidden(`"${path}" cannot be used this way: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
  return error;
};

/**
 * Opens the files of an instance.
 *
 * @param path - its root on the host: `/proc/<pid>/root` of a running one, the volume's `rootfs` of a stopped one
 * @param idmap - the map between ids at that path and inside; unset: they are the same
 * @param release - called when done
 */
export const openFiles = (path: string, idmap: IdMap | undefined, release: () => Promise<void>): InstanceFiles => {
  const hostId = (kind: 'uid' | 'gid', id: number): number => {
    if (!idmap) return id;
    const found = toHostId(idmap, kind, id);
    if (found === undefined) throw badRequest(`The ${kind} ${id} is outside the id map of the instance`);
    return found;
  };
  const insideId = (kind: 'uid' | 'gid', id: number): number =>
    idmap ? (toContainerId(idmap, kind, id) ?? overflowId) : id;
  const creator = idmap ? { creator: { uid: hostId('uid', 0), gid: hostId('gid', 0) } } : {};
  const root = openRoot(path, creator);

  const ids = ({ uid, gid }: FileOwner) => ({ uid: hostId('uid', uid ?? 0), gid: hostId('gid', gid ?? 0) });
  const withMode = (owner: FileOwner, fallback: number) => ({ ...ids(owner), mode: owner.mode ?? fallback });

  const infoOf = (stats: Stats): FileInfo => ({
    type: fileType(stats),
    uid: insideId('uid', stats.uid),
    gid: insideId('gid', stats.gid),
    mode: stats.mode & 0o7777,
    size: stats.size,
    modified: stats.mtime,
  });

  const explained = <T>(path: string, work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw isKind(error) ? error : explain(error, path);
    }
  };

  const removeIfThere = (path: string): void => {
    try {
      root.unlink(path);
    } catch (error) {
      if (!isErrno(error)) throw error;
    }
  };

  /** Sets what was asked for on a file that was there before. */
  const adopt = (path: string, { uid, gid, mode }: FileOwner): void => {
    if (uid !== undefined || gid !== undefined) {
      root.chown(path, uid === undefined ? -1 : hostId('uid', uid), gid === undefined ? -1 : hostId('gid', gid));
    }
    if (mode !== undefined) root.chmod(path, mode);
  };

  return {
    root,
    hostId,
    insideId,
    stat: (path) => explained(path, () => infoOf(root.lstat(path))),
    list: (path) => explained(path, () => root.list(path)),
    readlink: (path) => explained(path, () => root.readlink(path)),

    async read(path) {
      try {
        const handle = await root.open(path, 'read');
        const { size } = await handle.stat();
        return {
          // No more than the size told, though the file may grow meanwhile.
          stream:
            size === 0
              ? Readable.from([])
              : handle.createReadStream({ start: 0, end: size - 1, autoClose: false, highWaterMark: fileChunk }),
          size,
          [Symbol.asyncDispose]: () => handle.close(),
        };
      } catch (error) {
        throw explain(error, path);
      }
    },

    async write(path, content, owner, append) {
      const existed = explained(path, () => root.exists(path));
      try {
        const handle = await root.create(path, { ...withMode(owner, 0o644), append });
        await pipeline(content, handle.createWriteStream({ highWaterMark: fileChunk }));
        if (existed) adopt(path, owner);
      } catch (error) {
        // A new file that could not be written whole is not left half there.
        if (!existed) removeIfThere(path);
        throw isKind(error) ? error : explain(error, path);
      }
    },

    mkdir: (path, owner) =>
      explained(path, () => {
        if (root.exists(path)) {
          if (!root.stat(path).isDirectory()) throw conflict(`"${path}" exists and is not a directory`);
          return;
        }
        root.mkdir(path, withMode(owner, 0o755));
      }),

    symlink: (path, target, owner) =>
      explained(path, () => {
        if (target === '') throw badRequest('The target of the symlink is missing: send it as the body');
        try {
          if (root.lstat(path).isSymbolicLink()) root.unlink(path);
        } catch (error) {
          if (!isErrno(error, 'ENOENT')) throw error;
        }
        root.symlink(target, path, ids(owner));
      }),

    remove: (path) =>
      explained(path, () => {
        if (root.lstat(path).isDirectory()) root.rmdir(path);
        else root.unlink(path);
      }),

    async [Symbol.asyncDispose]() {
      root[Symbol.dispose]();
      await release();
    },
  };
};
