import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '@lxd-ts/host';
import type { ContentType, FoundVolume, Volume } from './contract.ts';
import { exists } from './directories.ts';
import { parseDiskName, snapshotsDirectory, volumesDirectory } from './layout.ts';
import { diskFile } from './raw-disk.ts';

/** The names of the directories in a directory; none when it is not there. */
const directoriesIn = async (path: string): Promise<string[]> => {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
};

/** What a volume's directory holds, told by its disk file. */
const contentOf = async (path: string): Promise<ContentType> => {
  for (const content of ['block', 'iso'] as const) {
    if (await exists(join(path, diskFile(content) ?? ''))) return content;
  }
  return 'filesystem';
};

/** When a directory was made, in milliseconds, for drivers whose snapshots are made as new directories. */
export const birthTime = async (path: string): Promise<number> => (await stat(path)).birthtimeMs;

/** The names of the snapshots in a directory. One that is deleted meanwhile is left out. */
const oldestFirst = async (parent: string, age: (path: string) => Promise<number>): Promise<string[]> => {
  const aged = await Promise.all(
    (await directoriesIn(parent)).map(async (name) => {
      try {
        return [{ name, at: await age(join(parent, name)) }];
      } catch (error) {
        if (isErrno(error, 'ENOENT')) return [];
        throw error;
      }
    }),
  );
  return aged
    .flat()
    .sort((a, b) => a.at - b.at || a.name.localeCompare(b.name))
    .map(({ name }) => name);
};

/**
 * Lists the volumes of a pool that keeps each as a directory in LXD's layout.
 *
 * @param types - the volume types to look for
 * @param age - when a snapshot's directory was made, in any unit that grows
 */
export const findVolumes = async (
  poolPath: string,
  types: readonly Volume['type'][],
  age: (snapshotPath: string) => Promise<number> = birthTime,
): Promise<FoundVolume[]> => {
  const found: FoundVolume[] = [];
  for (const type of types) {
    const directory = volumesDirectory(poolPath, type);
    for (const name of (await directoriesIn(directory)).sort()) {
      const content = await contentOf(join(directory, name));
      const volume: FoundVolume['volume'] = { type, content, ...parseDiskName(type, name), config: {} };
      const parent = snapshotsDirectory(poolPath, volume);
      found.push({ volume, snapshots: await oldestFirst(parent, age) });
    }
  }
  return found;
};
