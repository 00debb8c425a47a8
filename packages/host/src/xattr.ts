import { isErrno } from './errno.ts';
import { cString, lgetxattr, llistxattr, lremovexattr, lsetxattr, type PathBytes } from './syscalls.ts';

// xattr(7): a value has at most 64 KiB, so has a list of names.
const scratch = Buffer.alloc(65536);

/** The names of a file's extended attributes; a symlink is not followed. None where the file system has no such thing. */
export function listXattrs(path: PathBytes): string[] {
  try {
    const size = llistxattr(cString(path), scratch, scratch.length);
    return size === 0 ? [] : scratch.toString('utf8', 0, size - 1).split('\0');
  } catch (error) {
    if (isErrno(error, 'EOPNOTSUPP', 'ENOTSUP')) return [];
    throw error;
  }
}

/** The value of an extended attribute; undefined when the file has no such one. A symlink is not followed. */
export function getXattr(path: PathBytes, name: string): Buffer | undefined {
  try {
    const size = lgetxattr(cString(path), name, scratch, scratch.length);
    return Buffer.from(scratch.subarray(0, size));
  } catch (error) {
    if (isErrno(error, 'ENODATA', 'EOPNOTSUPP', 'ENOTSUP')) return undefined;
    throw error;
  }
}

/** Sets an extended attribute, replacing a former value. A symlink is not followed. */
export function setXattr(path: PathBytes, name: string, value: Uint8Array): void {
  lsetxattr(cString(path), name, value, value.length, 0);
}

/** Removes an extended attribute. One that is not there is no error. */
export function removeXattr(path: PathBytes, name: string): void {
  try {
    lremovexattr(cString(path), name);
  } catch (error) {
    if (!isErrno(error, 'ENODATA')) throw error;
  }
}
