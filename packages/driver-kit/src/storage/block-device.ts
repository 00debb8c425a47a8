/** What drivers whose volumes are block devices ask the kernel about them. None of it starts a process. */
import { constants, watch } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { isErrno } from '@lxd-ts/host';
import { unavailable } from '../errors.ts';
import { exists } from './directories.ts';

const sectorSize = 512;

/** `major:minor` of a device node, as sysfs and device-mapper name devices; symlinks are followed. */
export const deviceNumber = async (path: string): Promise<string> => {
  const { rdev } = await stat(path);
  // makedev(3) of glibc.
  const major = ((rdev / 2 ** 8) & 0xfff) | (Math.floor(rdev / 2 ** 32) & 0xfffff000);
  const minor = (rdev & 0xff) | (Math.floor(rdev / 2 ** 12) & 0xffffff00);
  return `${major}:${minor}`;
};

/**
 * The size of a block device in bytes (sysfs, `size` of the device).
 *
 * @throws errno-coded ENOENT when there is no such device
 */
export const deviceSize = async (path: string): Promise<number> =>
  Number(await readFile(`/sys/dev/block/${await deviceNumber(path)}/size`, 'utf8')) * sectorSize;

/** Whether programs or file systems have a device open: opening it alone (open(2), O_EXCL of a block device) is refused then. */
export const deviceInUse = async (path: string): Promise<boolean> => {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_EXCL);
    await file.close();
    return false;
  } catch (error) {
    if (isErrno(error, 'EBUSY')) return true;
    throw error;
  }
};

/** Rounds a size up to what the driver can make: a multiple of its extents, blocks or objects. */
export const roundUp = (size: number, multiple: number): number => Math.ceil(size / multiple) * multiple;

/** A new device's node appears after the command that made it when udev makes it: waits for it, watching its directory. */
export const waitForDevice = async (path: string, timeoutMs = 30_000): Promise<void> => {
  if (await exists(path)) return;
  const directory = dirname(path);
  // The directory itself may be made with its first node.
  if (!(await exists(directory))) await waitForDevice(directory, timeoutMs);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const watcher = watch(directory, (_, name) => {
    if (name === null || name === basename(path)) exists(path).then((there) => there && resolve(), reject);
  });
  watcher.on('error', reject);
  const timer = setTimeout(
    () => reject(unavailable(`The device "${path}" did not appear within ${timeoutMs / 1000} seconds`)),
    timeoutMs,
  );
  try {
    // It may have come before the watch began.
    if (await exists(path)) return;
    await promise;
  } finally {
    clearTimeout(timer);
    watcher.close();
  }
};
