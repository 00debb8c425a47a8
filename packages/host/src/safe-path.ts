import { chmodSync, closeSync, constants, fstatSync, openSync, readdirSync, type Stats, utimesSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { errnoError, errnoNamed, isErrno } from './errno.ts';
import { withFsIds } from './fs-ids.ts';
import { openBeneath, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS } from './open-beneath.ts';
import { removeAt } from './remove-tree.ts';
import {
  AT_EMPTY_PATH,
  AT_REMOVEDIR,
  cString,
  fchownat,
  linkat,
  mkdirat,
  O_CLOEXEC,
  O_PATH,
  type PathBytes,
  readlinkat,
  renameat,
  symlinkat,
  unlinkat,
} from './syscalls.ts';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, O_TRUNC, O_APPEND } =
  constants;
const PATH_MAX = 4096;

/** Owner and permissions of something that is made. Without an owner it belongs to this process. */
export interface Ownership {
  mode?: number;
  uid?: number;
  gid?: number;
}

export type OpenMode = 'read' | 'write' | 'read-write' | 'append';

const openFlags: Record<OpenMode, number> = {
  read: O_RDONLY,
  write: O_WRONLY,
  'read-write': O_RDWR,
  append: O_WRONLY | O_APPEND,
};

/** Splits off the last name, which must be a real one. */
function split(path: string, syscall: string): { parent: string; name: string } {
  const trimmed = path.replace(/\/+$/, '');
  const slash = trimmed.lastIndexOf('/');
  const name = trimmed.slice(slash + 1);
  if (name === '' || name === '.' || name === '..') throw errnoNamed('EINVAL', syscall, path);
  return { parent: trimmed.slice(0, slash + 1) || '/', name };
}

export interface RootOptions {
  followSymlinks?: boolean;
  creator?: { uid: number; gid: number };
}

/**
 * A directory that stands for `/`: every path is resolved below it by the kernel (openat2(2), RESOLVE_IN_ROOT), so that
 * neither `..` nor a symlink that somebody swaps in at any moment leads out. Works while a hostile owner changes the tree.
 *
 * Paths are relative to the root, with or without a leading `/`. Symlinks inside are followed, except where a method
 * says that it is about the link itself. Metadata calls take microseconds and are synchronous; what moves data is not.
 * All methods throw errno-coded errors (ENOENT, ENOTDIR, ELOOP, EEXIST, ENAMETOOLONG, ENOSPC, …).
 * Dispose of it when done.
 */
export class Root implements Disposable {
  readonly fd: number;
  readonly #resolve: number;
  readonly #creator: { uid: number; gid: number } | undefined;

  /**
   * @param fd a directory's fd; it belongs to this object from here on
   * @param options.followSymlinks false refuses every symlink with ELOOP
   * @param options.creator ids under which things are made, where the tree is on a mount that does not know root
   *   (one with an id map, or of a user namespace)
   */
  constructor(fd: number, options: RootOptions = {}) {
    this.fd = fd;
    this.#creator = options.creator;
    this.#resolve =
      RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (options.followSymlinks === false ? RESOLVE_NO_SYMLINKS : 0);
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }

  /**
   * Opens with flags of open(2) and returns the bare fd, which the caller closes.
   * With O_PATH nothing is opened for real: safe for FIFOs and devices.
   */
  openFd(path: string, flags: number, mode = 0): number {
    return openBeneath(this.fd, path === '' ? '.' : path, flags, this.#resolve, mode);
  }

  /** Runs a call that makes something. */
  #making<T>(make: () => T): T {
    return this.#creator ? withFsIds(this.#creator.uid, this.#creator.gid, make) : make();
  }

  /** Calls a function with an O_PATH fd of a path, closed afterwards. */
  #at<T>(path: string, flags: number, use: (fd: number) => T): T {
    const fd = this.openFd(path, flags | O_PATH);
    try {
      return use(fd);
    } finally {
      closeSync(fd);
    }
  }

  #atParent<T>(path: string, syscall: string, use: (dirFd: number, name: string) => T): T {
    const { parent, name } = split(path, syscall);
    return this.#at(parent, O_DIRECTORY, (fd) => {
      try {
        return use(fd, name);
      } catch (error) {
        throw isErrno(error) ? errnoError(-error.errno, syscall, path) : error;
      }
    });
  }

  /**
   * Opens a regular file or directory. Anything else is refused with EINVAL and is not touched (`stat` tells its type):
   * opening a FIFO would wait for its other side, opening a device can do anything.
   */
  async open(path: string, mode: OpenMode = 'read'): Promise<FileHandle> {
    return this.#openExisting(path, openFlags[mode]);
  }

  async #openExisting(path: string, flags: number): Promise<FileHandle> {
    const fd = this.openFd(path, O_PATH);
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile() && !stats.isDirectory()) throw errnoNamed('EINVAL', 'open', path);
      // The fd stands for the inode that was looked at, whatever has become of its name.
      return await open(`/proc/self/fd/${fd}`, flags | O_NONBLOCK);
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Opens a regular file for writing and makes it if it is not there; with `exclusive` it must not be (EEXIST).
   * Owner and mode (0644) are given to a new file only. An existing one is emptied unless `append` is set.
   */
  async create(path: string, options: Ownership & { exclusive?: boolean; append?: boolean } = {}): Promise<FileHandle> {
    const flags = O_WRONLY | (options.append ? O_APPEND : O_TRUNC);
    try {
      return await this.#makeFile(path, flags | O_EXCL, options);
    } catch (error) {
      if (!isErrno(error, 'EEXIST') || options.exclusive) throw error;
    }
    try {
      return await this.#openExisting(path, flags);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
      // The name is a symlink to a file that is not there yet.
      return this.#makeFile(path, flags, options);
    }
  }

  async #makeFile(path: string, flags: number, owner: Ownership): Promise<FileHandle> {
    const fd = this.#making(() => this.openFd(path, flags | O_CREAT | O_NONBLOCK, 0o600));
    try {
      this.#own(fd, owner, 0o644);
      return await open(`/proc/self/fd/${fd}`, flags & ~O_EXCL);
    } finally {
      closeSync(fd);
    }
  }

  /** Sets owner, then mode (a change of owner takes setuid bits away), past the umask. */
  #own(fd: number, { mode, uid = -1, gid = -1 }: Ownership, defaultMode: number): void {
    if (uid !== -1 || gid !== -1) fchownat(fd, '', uid >>> 0, gid >>> 0, AT_EMPTY_PATH);
    chmodSync(`/proc/self/fd/${fd}`, mode ?? defaultMode);
  }

  stat(path: string): Stats {
    return this.#at(path, 0, (fd) => fstatSync(fd));
  }

  /** Like stat, of a symlink itself. */
  lstat(path: string): Stats {
    return this.#at(path, O_NOFOLLOW, (fd) => fstatSync(fd));
  }

  /** Says whether a path leads to something. */
  exists(path: string): boolean {
    try {
      this.stat(path);
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
      throw error;
    }
  }

  /** The text of a symlink. EINVAL when it is none. */
  readlink(path: string): string {
    return this.#at(path, O_NOFOLLOW, (fd) => {
      if (!fstatSync(fd).isSymbolicLink()) throw errnoNamed('EINVAL', 'readlink', path);
      const buffer = Buffer.alloc(PATH_MAX);
      return buffer.toString('utf8', 0, readlinkat(fd, '', buffer, buffer.length));
    });
  }

  /** The names in a directory, sorted. */
  list(path: string): string[] {
    const fd = this.openFd(path, O_DIRECTORY | O_RDONLY);
    try {
      return readdirSync(`/proc/self/fd/${fd}`).sort();
    } finally {
      closeSync(fd);
    }
  }

  /** Makes a directory (mode 0755). EEXIST when the name is taken. */
  mkdir(path: string, owner: Ownership = {}): void {
    const flags = O_PATH | O_DIRECTORY | O_NOFOLLOW;
    const fd = this.#atParent(path, 'mkdir', (dirFd, name) => {
      this.#making(() => mkdirat(dirFd, name, 0o700));
      return openBeneath(dirFd, name, flags, RESOLVE_IN_ROOT);
    });
    try {
      this.#own(fd, owner, 0o755);
    } finally {
      closeSync(fd);
    }
  }

  /** Makes a directory and those missing above it, all with the same owner and mode. What exists is left as it is. */
  mkdirAll(path: string, owner: Ownership = {}): void {
    const names = path.split('/').filter((name) => name !== '' && name !== '.');
    for (let depth = 1; depth <= names.length; depth++) {
      const part = `/${names.slice(0, depth).join('/')}`;
      if (this.#isDirectory(part)) continue;
      try {
        this.mkdir(part, owner);
      } catch (error) {
        if (!isErrno(error, 'EEXIST')) throw error;
        throw errnoNamed('ENOTDIR', 'mkdir', part);
      }
    }
  }

  #isDirectory(path: string): boolean {
    try {
      return this.stat(path).isDirectory();
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    }
  }

  /** Makes a symlink with any text. EEXIST when the name is taken. */
  symlink(target: PathBytes, path: string, owner: { uid?: number; gid?: number } = {}): void {
    this.#atParent(path, 'symlink', (dirFd, name) => {
      this.#making(() => symlinkat(cString(target), dirFd, name));
    });
    if (owner.uid !== undefined || owner.gid !== undefined) this.lchown(path, owner.uid ?? -1, owner.gid ?? -1);
  }

  /** Removes one name that is not a directory. */
  unlink(path: string): void {
    this.#atParent(path, 'unlink', (dirFd, name) => unlinkat(dirFd, name, 0));
  }

  /** Removes an empty directory. */
  rmdir(path: string): void {
    this.#atParent(path, 'rmdir', (dirFd, name) => unlinkat(dirFd, name, AT_REMOVEDIR));
  }

  /** Removes a file or a whole directory tree. Mounts inside it are refused (EXDEV). ENOENT when there is nothing. */
  async remove(path: string): Promise<void> {
    const { parent, name } = split(path, 'unlink');
    const fd = this.openFd(parent, O_PATH | O_DIRECTORY);
    try {
      await removeAt(fd, name);
    } finally {
      closeSync(fd);
    }
  }

  /** Moves within the root; an existing file at the new path is replaced. */
  rename(from: string, to: string): void {
    this.#atParent(from, 'rename', (fromFd, fromName) =>
      this.#atParent(to, 'rename', (toFd, toName) => this.#making(() => renameat(fromFd, fromName, toFd, toName))),
    );
  }

  /** Makes a further name for a file; of a symlink, for the link itself. EEXIST when the name is taken. */
  link(from: string, to: string): void {
    this.#atParent(from, 'link', (fromFd, fromName) =>
      this.#atParent(to, 'link', (toFd, toName) => this.#making(() => linkat(fromFd, fromName, toFd, toName, 0))),
    );
  }

  /** Changes the owner; -1 leaves an id as it is. */
  chown(path: string, uid: number, gid: number): void {
    this.#at(path, 0, (fd) => fchownat(fd, '', uid >>> 0, gid >>> 0, AT_EMPTY_PATH));
  }

  /** Changes the owner of a symlink itself. */
  lchown(path: string, uid: number, gid: number): void {
    this.#at(path, O_NOFOLLOW, (fd) => fchownat(fd, '', uid >>> 0, gid >>> 0, AT_EMPTY_PATH));
  }

  /** Changes permissions, 0 to 07777. */
  chmod(path: string, mode: number): void {
    this.#at(path, 0, (fd) => chmodSync(`/proc/self/fd/${fd}`, mode));
  }

  /** Sets the times of access and modification, in seconds (fractions allowed) or as dates. */
  utimes(path: string, accessed: number | Date, modified: number | Date): void {
    this.#at(path, 0, (fd) => utimesSync(`/proc/self/fd/${fd}`, accessed, modified));
  }
}

/** Opens a directory as a Root. The path itself belongs to the caller and is followed as usual. */
export function openRoot(path: string, options: RootOptions = {}): Root {
  return new Root(openSync(path, O_PATH | O_DIRECTORY | O_CLOEXEC), options);
}
