import { O_CLOEXEC, openat2, type PathBytes } from './syscalls.ts';

// RESOLVE_… of openat2(2)
export const RESOLVE_NO_XDEV = 0x01;
export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_NO_SYMLINKS = 0x04;
export const RESOLVE_BENEATH = 0x08;
export const RESOLVE_IN_ROOT = 0x10;

// struct open_how: flags, mode, resolve, each 64 bits. Filled anew for each call, which is synchronous.
const how = Buffer.alloc(24);

/**
 * Opens a path relative to a directory under the given rules of resolution (openat2(2)).
 * @returns the file descriptor, closed on exec
 */
export function openBeneath(dirFd: number, path: PathBytes, flags: number, resolve: number, mode = 0): number {
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(mode), 8);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  return openat2(dirFd, path, how, how.length);
}
