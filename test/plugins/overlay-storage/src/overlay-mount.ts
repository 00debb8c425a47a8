import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { badRequest } from '@lxd-ts/driver-kit';
import { isMountPoint, mount, unmount } from '@lxd-ts/host';

/** What mount(2) takes as options is one page; the rest of it is for the upper and the scratch directory. */
export const longestLower = 3000;

/** overlayfs separates directories by colons and options by commas: a path must have neither. */
export const checkPath = (path: string): void => {
  if (/[:,\\]/.test(path)) throw badRequest(`The path "${path}" must have no colon, comma or backslash in it`);
};

/** The directories to be read, topmost first, as overlayfs takes them. */
export const lowerOption = (paths: readonly string[]): string => `lowerdir=${paths.join(':')}`;

/** Mounts layers read-only. Two at least. */
export const mountFrozen = async (target: string, lower: readonly string[]): Promise<AsyncDisposable> => {
  await mkdir(target, { recursive: true });
  return mount('overlay', target, { type: 'overlay', options: `ro,redirect_dir=follow,${lowerOption(lower)}` });
};

/**
 * Mounts layers with one to write to on top. One that an earlier run left mounted is taken over.
 *
 * @param scratch - a directory on the upper layer's file system, for overlayfs alone
 */
export const mountWritable = async (
  target: string,
  upper: string,
  lower: readonly string[],
  scratch: string,
): Promise<AsyncDisposable> => {
  if (await isMountPoint(target)) return { [Symbol.asyncDispose]: () => unmount(target) };
  const work = join(scratch, 'work');
  await mkdir(work, { recursive: true });
  await mkdir(target, { recursive: true });
  // redirect_dir: directories of lower layers can be renamed, as on any file system.
  const options = `redirect_dir=on,${lowerOption(lower)},upperdir=${upper},workdir=${work}`;
  return mount('overlay', target, { type: 'overlay', options });
};
