/**
 * Changes of a volume's content that take long and are not one step for RBD. A snapshot of the volume as it was is taken first, and
 * a file on this host says so: should the work fail, or be killed, the volume goes back to it.
 */
import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { incompleteDirectory, makeDirectory } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import { z } from 'zod';
import type { Images } from './images.ts';
import { ZOMBIE_SNAPSHOT } from './names.ts';

const recordShape = z.object({ images: z.array(z.string()), snapshot: z.string() });
type Unfinished = z.infer<typeof recordShape>;

/** Makes images what they were when the work began. Those without the snapshot had not begun, or were done with. */
const goBack = async (images: Images, { images: names, snapshot }: Unfinished): Promise<void> => {
  for (const image of names) {
    if ((await images.info(image, snapshot)) === undefined) continue;
    await images.rollBack(image, snapshot);
    await images.removeSnapshot(image, snapshot);
  }
};

/**
 * Runs work that changes the content of images that are not in use. When it fails they are as before.
 *
 * @param keep - whether they go back in any case: the work was only about snapshots
 */
export const changing = async <T>(
  root: string,
  images: Images,
  names: readonly string[],
  work: () => Promise<T>,
  keep = false,
): Promise<T> => {
  const record: Unfinished = { images: [...names], snapshot: `${ZOMBIE_SNAPSHOT}${randomUUID()}` };
  const directory = incompleteDirectory(root);
  await makeDirectory(directory, 0o700);
  const file = join(directory, `${record.snapshot}.json`);
  await writeFile(`${file}.new`, JSON.stringify(record));
  await rename(`${file}.new`, file);
  let done = false;
  try {
    for (const image of names) await images.takeSnapshot(image, record.snapshot);
    const result = await work();
    done = true;
    return result;
  } finally {
    if (done && !keep) for (const image of names) await images.removeSnapshot(image, record.snapshot);
    else await goBack(images, record);
    await rm(file);
  }
};

/** Puts back what an earlier run was changing when it was killed. */
export const putBackUnfinished = async (root: string, images: Images): Promise<void> => {
  const directory = incompleteDirectory(root);
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  for (const name of names) {
    const file = join(directory, name);
    if (name.endsWith('.json')) await goBack(images, recordShape.parse(JSON.parse(await readFile(file, 'utf8'))));
    await rm(file);
  }
};
