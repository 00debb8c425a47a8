/** Stacks: the layers of each volume and snapshot, kept in one small file each. */
import { mkdir, open, readFile, rename, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Volume } from '@lxd-ts/driver-kit';
import { type FoundVolume, findVolumes, volumeDirectory } from '@lxd-ts/driver-kit';
import { isErrno, removeTree } from '@lxd-ts/host';

/** Layer ids, the topmost first. Of a volume that is the one written to; of a snapshot all are frozen. */
export type Stack = readonly [string, ...string[]];

export interface Stacks {
  /** The directory of a volume's stack, also for the scratch directory that overlayfs needs. */
  directoryOf(volume: Volume): string;
  /** Undefined: there is no such volume or snapshot. */
  read(volume: Volume): Promise<Stack | undefined>;
  /** Writes a stack in one step: after a crash it is the old or the new one. */
  write(volume: Volume, stack: Stack): Promise<void>;
  /** Nothing there is no error. */
  remove(volume: Volume): Promise<void>;
  list(): Promise<FoundVolume[]>;
}

const isStack = (ids: string[]): ids is [string, ...string[]] => ids.length > 0;

export const openStacks = (directory: string): Stacks => {
  const directoryOf = (volume: Volume): string => volumeDirectory(directory, volume);
  const fileOf = (volume: Volume): string => join(directoryOf(volume), 'stack');
  return {
    directoryOf,
    async read(volume) {
      try {
        const ids = (await readFile(fileOf(volume), 'utf8')).split('\n').filter(Boolean);
        if (!isStack(ids)) throw new Error(`"${fileOf(volume)}" is damaged: it names no layer`);
        return ids;
      } catch (error) {
        if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
        throw error;
      }
    },
    async write(volume, stack) {
      await mkdir(directoryOf(volume), { recursive: true, mode: 0o700 });
      const file = `${fileOf(volume)}.new`;
      {
        await using handle = await open(file, 'w', 0o600);
        await handle.writeFile(`${stack.join('\n')}\n`);
        await handle.sync();
      }
      await rename(file, fileOf(volume));
    },
    async remove(volume) {
      const path = directoryOf(volume);
      try {
        await removeTree(path);
        if (volume.snapshot !== undefined) await rmdir(dirname(path));
      } catch (error) {
        if (!isErrno(error, 'ENOENT', 'ENOTEMPTY')) throw error;
      }
    },
    list: () => findVolumes(directory, ['container', 'image', 'custom']),
  };
};
