/** Snapshots of RBD images, consistent as of one moment. */
import { randomUUID } from 'node:crypto';
import type { Volume, Work } from '@lxd-ts/driver-kit';
import { whileFrozen } from './freeze.ts';
import type { Images } from './images.ts';
import type { Mounts } from './mounts.ts';
import { imageNames, ZOMBIE_SNAPSHOT } from './names.ts';
import { removeSnapshot } from './removal.ts';

/** Takes a snapshot of each image of a volume, all or none. Writing to its file system, if it is mounted, waits meanwhile. */
export const takeSnapshots = async (
  images: Images,
  mounts: Mounts,
  volume: Volume,
  snapshot: string,
  work?: Work,
): Promise<void> => {
  const taken: string[] = [];
  const takeAll = async (): Promise<void> => {
    for (const image of imageNames(volume)) {
      await images.takeSnapshot(image, snapshot, work);
      taken.push(image);
    }
  };
  const path = await mounts.mountedAt(volume);
  try {
    await (path === undefined ? takeAll() : whileFrozen(path, takeAll));
  } catch (error) {
    for (const image of taken) await removeSnapshot(images, image, snapshot);
    throw error;
  }
};

/** A state of a volume that can be read while the volume goes on. */
export interface Moment extends AsyncDisposable {
  /** The name of the RBD snapshot. */
  readonly name: string;
  /** It is needed for longer: a clone was made of it, with which it goes. */
  keep(): void;
}

/** Takes a snapshot of a volume that is removed again. */
export const momentOf = async (images: Images, mounts: Mounts, volume: Volume, work?: Work): Promise<Moment> => {
  const name = `${ZOMBIE_SNAPSHOT}${randomUUID()}`;
  await takeSnapshots(images, mounts, volume, name, work);
  let kept = false;
  return {
    name,
    keep: () => {
      kept = true;
    },
    async [Symbol.asyncDispose]() {
      if (!kept) for (const image of imageNames(volume)) await removeSnapshot(images, image, name);
    },
  };
};
