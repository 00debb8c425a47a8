import { closeSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isErrno } from './errno.ts';
import { cloneTree } from './mount.ts';
import { setAttributes } from './mount-attributes.ts';
import { createUserNamespace } from './user-namespace.ts';

const known = new Map<number, Promise<boolean>>();

async function tryOn(path: string): Promise<boolean> {
  using namespace = await createUserNamespace([{ inside: 0, outside: 100000, size: 65536 }]);
  let fd: number | undefined;
  try {
    // Never attached: the copy is gone when its fd is closed.
    fd = cloneTree(path, 0);
    setAttributes(fd, '', { userNamespace: namespace.fd });
    return true;
  } catch (error) {
    // What kernels and file systems without the feature answer, and containers that are not allowed to.
    if (isErrno(error, 'EINVAL', 'ENOSYS', 'EPERM', 'EOPNOTSUPP')) return false;
    throw error;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/**
 * Says whether the file system that holds a directory can be mounted with mapped ids, by trying it for real.
 * The answer is kept per file system for the life of the process.
 */
export async function supportsIdmappedMounts(path: string): Promise<boolean> {
  const { dev } = await stat(path);
  let answer = known.get(dev);
  if (!answer) {
    answer = tryOn(path);
    known.set(dev, answer);
    answer.catch(() => known.delete(dev));
  }
  return answer;
}
