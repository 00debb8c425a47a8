import { closeSync, constants, openSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { isErrno } from './errno.ts';
import { AT_REMOVEDIR, cString, type PathBytes, renameat, unlinkat } from './syscalls.ts';
import { openSubdirectory, timeSlices } from './tree.ts';

// Each level holds an fd; deeper trees are flattened by moving directories up.
const MAX_DEPTH = 200;

interface Work {
  /** fd of the directory that the whole removal started in. */
  topFd: number;
  /** Directories moved up into it, because they were too deep. */
  aside: string[];
  breathe: ReturnType<typeof timeSlices>;
}

async function empty(fd: number, depth: number, work: Work): Promise<void> {
  for (const entry of await readdir(`/proc/self/fd/${fd}`, { withFileTypes: true, encoding: 'buffer' })) {
    await work.breathe();
    if (entry.isDirectory()) await removeDirectory(fd, entry.name, depth + 1, work);
    else unlinkat(fd, cString(entry.name), 0);
  }
}

async function removeDirectory(dirFd: number, name: PathBytes, depth: number, work: Work): Promise<void> {
  if (depth > MAX_DEPTH) {
    const aside = `.removed-${process.pid}-${work.aside.length}`;
    renameat(dirFd, cString(name), work.topFd, aside);
    work.aside.push(aside);
    return;
  }
  const fd = openSubdirectory(dirFd, name);
  try {
    await empty(fd, depth, work);
  } finally {
    closeSync(fd);
  }
  unlinkat(dirFd, cString(name), AT_REMOVEDIR);
}

/**
 * Removes a name in a directory, with everything below when it is a directory. Never follows a symlink and never enters
 * a mount (EXDEV), whatever happens to the tree meanwhile. Gives way to other work every few milliseconds.
 *
 * @param dirFd an fd of the directory, O_PATH will do
 */
export async function removeAt(dirFd: number, name: PathBytes): Promise<void> {
  try {
    unlinkat(dirFd, cString(name), 0);
    return;
  } catch (error) {
    if (!isErrno(error, 'EISDIR')) throw error;
  }
  const work: Work = { topFd: dirFd, aside: [], breathe: timeSlices() };
  await removeDirectory(dirFd, name, 1, work);
  // The list grows while it is worked through.
  for (const moved of work.aside) await removeDirectory(dirFd, moved, 1, work);
}

/** Removes a file or directory tree by path. Nothing there is no error. @see removeAt */
export async function removeTree(path: string): Promise<void> {
  const slash = path.replace(/\/+$/, '').lastIndexOf('/');
  const fd = openSync(slash < 0 ? '.' : path.slice(0, slash + 1), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await removeAt(fd, path.slice(slash + 1).replace(/\/+$/, ''));
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  } finally {
    closeSync(fd);
  }
}
