/**
 * Going back to a snapshot: CephFS cannot, so what differs is copied. A snapshot of what is there is taken first, and a file says so:
 * should the work fail, or be killed, the volume goes back to that.
 */
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copyTree, exists, incompleteDirectory, makeDirectory, type Work } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import { hasSnapshot, quotaOf, removeSnapshot, setQuota, snapshotPath, takeSnapshot } from './tree.ts';

/** The snapshot of a volume as it was before it is restored. */
export const BEFORE = 'lxd-ts.before-restore';

const unfinishedShape = z.object({ path: z.string(), size: z.number().optional() });

const copyBack = async (path: string, snapshot: string, size: number | undefined, work?: Work): Promise<void> => {
  // What is added before something else is deleted may need more for a moment.
  if (quotaOf(path) !== undefined) setQuota(path, undefined);
  await copyTree(snapshotPath(path, snapshot), path, { ...work, refresh: true });
  if (size !== undefined) setQuota(path, size);
};

/** Makes the directory of a volume what it was at a snapshot; its quota stays. On failure it is as before. */
export const restoreTree = async (root: string, path: string, snapshot: string, work?: Work): Promise<void> => {
  const directory = incompleteDirectory(root);
  await makeDirectory(directory, 0o700);
  const file = join(directory, `${path.slice(path.lastIndexOf('/') + 1)}.json`);
  const size = quotaOf(path);
  // No trace of an earlier try may be taken for the state to go back to.
  await removeSnapshot(path, BEFORE);
  await writeFile(`${file}.new`, JSON.stringify({ path, size }));
  await rename(`${file}.new`, file);
  await takeSnapshot(path, BEFORE);
  try {
    await copyBack(path, snapshot, size, work);
  } catch (error) {
    await copyBack(path, BEFORE, size);
    throw error;
  }
  await rm(file);
  await removeSnapshot(path, BEFORE);
};

/** Puts volumes back that were being restored when an earlier run was killed. */
export const putBackUnfinished = async (root: string): Promise<void> => {
  const directory = incompleteDirectory(root);
  if (!(await exists(directory))) return;
  for (const name of await readdir(directory)) {
    const file = join(directory, name);
    if (name.endsWith('.json')) {
      const { path, size } = unfinishedShape.parse(JSON.parse(await readFile(file, 'utf8')));
      if ((await exists(path)) && hasSnapshot(path, BEFORE)) {
        await copyBack(path, BEFORE, size);
        await rm(file);
        await removeSnapshot(path, BEFORE);
        continue;
      }
    }
    await rm(file);
  }
};
