import { stat, truncate } from 'node:fs/promises';
import { run } from '@lxd-ts/host';
import { badRequest } from '../errors.ts';
import type { Work } from '../work.ts';
import type { ContentType } from './contract.ts';
import { dieWithUs } from './die-with-us.ts';

/** The size of a block volume for which none is set. */
export const defaultDiskSize: number = 10 * 1024 ** 3;

/** The name of the disk file in a volume's directory, for drivers that keep disks as files; undefined: it has none. */
export const diskFile = (content: ContentType): string | undefined =>
  ({ filesystem: undefined, block: 'root.img', iso: 'root.iso' })[content];

/**
 * Grows a raw disk file; new space is a hole.
 *
 * @throws LxdError bad-request when it would shrink
 */
export const growRawDisk = async (path: string, size: number): Promise<void> => {
  const { size: now } = await stat(path);
  if (size < now) {
    throw badRequest(`Block volumes cannot be shrunk: it has ${now} bytes, ${size} were asked for`);
  }
  if (size > now) await truncate(path, size);
};

/**
 * Copies a disk, file or device, to a file (made if missing) or a device (not smaller). Empty parts become holes in a file,
 * blocks are shared where the file system can.
 */
export const copyRawDisk = async (source: string, target: string, work: Work = {}): Promise<void> => {
  const options = work.signal ? { signal: work.signal } : {};
  const isDevice = (await stat(target).catch(() => undefined))?.isBlockDevice() ?? false;
  if (isDevice) {
    await run([...dieWithUs, 'dd', `if=${source}`, `of=${target}`, 'bs=4M', 'conv=nocreat,fsync', 'status=progress'], {
      ...options,
      onStderr: (line) => {
        const bytes = /^([0-9]+) bytes/.exec(line)?.[1];
        if (bytes) work.progress?.({ stage: 'block', bytes: Number(bytes) });
      },
    });
  } else {
    // A file already as long would keep its tail: cp empties it first.
    await run([...dieWithUs, 'cp', '--sparse=always', '--reflink=auto', source, target], options);
  }
};
