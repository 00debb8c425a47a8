import { constants } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { openBeneath, RESOLVE_BENEATH, RESOLVE_NO_XDEV } from './open-beneath.ts';
import { cString, type PathBytes } from './syscalls.ts';

const SLICE_MS = 5;

/**
 * Opens a directory by its name in another, for reading. A symlink gives ENOTDIR, a mount point EXDEV.
 * @param dirFd the fd of the directory that holds it, O_PATH will do
 */
export function openSubdirectory(dirFd: number, name: PathBytes): number {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  return openBeneath(dirFd, cString(name), flags, RESOLVE_NO_XDEV | RESOLVE_BENEATH);
}

/** Lets a long series of quick system calls give way to other work every few milliseconds. */
export function timeSlices(signal?: AbortSignal): () => Promise<void> | undefined {
  let end = performance.now() + SLICE_MS;
  return () => {
    if (performance.now() < end) return undefined;
    signal?.throwIfAborted();
    return setImmediate().then(() => {
      end = performance.now() + SLICE_MS;
    });
  };
}
