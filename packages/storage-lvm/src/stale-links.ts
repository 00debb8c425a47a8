import { readdir, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '@lxd-ts/host';

/**
 * Removes the links in `/dev/<group>` that lead nowhere, and that directory with the last of them: LVM leaves them when udevd came
 * or went while a group was active, and refuses a new group of that name.
 */
export const removeStaleLinks = async (group: string): Promise<void> => {
  const directory = join('/dev', group);
  try {
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      if (!entry.isSymbolicLink()) return;
      const leads = await stat(path).then(
        () => true,
        (error: unknown) => !isErrno(error, 'ENOENT'),
      );
      if (leads) return;
      await unlink(path);
    }
    await rmdir(directory);
  } catch (error) {
    // Nothing there, or something that is no directory: LVM says so itself.
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ENOTEMPTY')) throw error;
  }
};
