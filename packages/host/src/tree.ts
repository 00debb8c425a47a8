import { constants } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { cString, openat2, type PathBytes } from './syscalls.ts';

const O_CLOEXEC = 0o2000000;
const RESOLVE_NO_XDEV = 0x01;
const RESOLVE_BENEATH = 0x08;
const SLICE_MS = 5;

/**
 * Opens a directory by its name in another, for reading. A symlink gives ENOTDIR, a mount point EXDEV.
 * @param dirFd the fd of the directory that holds it, O_PATH will do
 */
export function openSubdirectory(dirFd: number, name: PathBytes): number {
  // struct open_how of openat2(2): flags, mode, resolve.
  const how = Buffer.alloc(24);
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | O_CLOEXEC;
  how.writeBigUInt64LE(BigInt(flags), 0);
  how.writeBigUInt64LE(BigInt(RESOLVE_NO_XDEV | RESOLVE_BENEATH), 16);
  return openat2(dirFd, cString(name), how, how.length);
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
