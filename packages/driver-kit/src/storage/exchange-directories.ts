import { rename } from 'node:fs/promises';
import { isErrno } from '@lxd-ts/host';
import { exchange } from './system-calls.ts';

/**
 * Puts a directory in another's place, which ends up where the first was: in one step where the file system can
 * (ext4, xfs, btrfs, tmpfs), in three otherwise. Both are on one file system.
 */
export const exchangeDirectories = async (one: string, other: string): Promise<void> => {
  try {
    exchange(one, other);
  } catch (error) {
    if (!isErrno(error, 'EINVAL', 'ENOSYS')) throw error;
    const aside = `${one}.exchange`;
    await rename(other, aside);
    try {
      await rename(one, other);
    } catch (failure) {
      await rename(aside, other);
      throw failure;
    }
    await rename(aside, one);
  }
};
