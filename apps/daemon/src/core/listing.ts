import { readdir } from 'node:fs/promises';
import { isErrno } from '@lxd-ts/host';

/** The names in a directory; none where it is not there. */
export const listing = async (directory: string): Promise<string[]> => {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
};
