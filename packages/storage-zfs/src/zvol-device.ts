/** The device nodes of zvols, found by asking the devices themselves: links below /dev/zvol come and go a little later. */
import { watch } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ioctl, unavailable } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';

/** BLKZNAME of OpenZFS's sys/fs/zfs.h: `_IOR(0x12, 125, char[256])`. */
const BLKZNAME = 0x8100127d;
const nameLength = 256;

/** Which zvol, or snapshot of one, a device is; undefined when it has gone meanwhile. */
const zvolName = async (device: string): Promise<string | undefined> => {
  try {
    await using file = await open(device, 'r');
    const name = Buffer.alloc(nameLength);
    ioctl(file.fd, BLKZNAME, name, device);
    return name.toString('utf8', 0, name.indexOf(0));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENXIO', 'ENODEV', 'EIO', 'ENOTTY')) return undefined;
    throw error;
  }
};

const findDevice = async (name: string): Promise<string | undefined> => {
  const devices = (await readdir('/dev')).filter((one) => /^zd[0-9]+$/.test(one)).map((one) => join('/dev', one));
  for (const device of devices) if ((await zvolName(device)) === name) return device;
  return undefined;
};

/**
 * The device node of a zvol or of a snapshot of one that was just made visible; waits for it to appear.
 *
 * @param name - `pool/zvol` or `pool/zvol@snapshot`
 * @throws LxdError unavailable when there is none after half a minute
 */
export const zvolDevice = async (name: string, timeoutMs = 30_000): Promise<string> => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const look = (): void => {
    findDevice(name).then((device) => device !== undefined && resolve(device), reject);
  };
  const watcher = watch('/dev', (_, changed) => {
    if (changed === null || changed.startsWith('zd')) look();
  });
  watcher.on('error', reject);
  const timer = setTimeout(
    () => reject(unavailable(`The device of "${name}" did not appear within ${timeoutMs / 1000} seconds`)),
    timeoutMs,
  );
  look();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    watcher.close();
  }
};
