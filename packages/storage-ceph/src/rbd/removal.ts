/**
 * Removing images and snapshots of which clones may live. RBD cannot take away what a clone reads from: it is given a name that
 * begins with `zombie_` instead, and goes with the last clone of it.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { isKind, type Work } from '@lxd-ts/driver-kit';
import { endedWith } from '../cluster.ts';
import type { ImageParent, Images, ListedImage } from './images.ts';
import { ZOMBIE, ZOMBIE_SNAPSHOT } from './names.ts';

/** For how long a client that was killed still counts as one who has the image open, and more (osd_client_watch_timeout: 30 s). */
const WATCH_TIMEOUT = 45_000;

/** Removes a snapshot, or renames it while clones of it live. Nothing there is no error. */
export const removeSnapshot = async (images: Images, image: string, snapshot: string): Promise<void> => {
  if (await images.removeSnapshot(image, snapshot)) return;
  if ((await images.unprotect(image, snapshot)) && (await images.removeSnapshot(image, snapshot))) return;
  if (!snapshot.startsWith(ZOMBIE_SNAPSHOT)) {
    await images.renameSnapshot(image, snapshot, `${ZOMBIE_SNAPSHOT}${randomUUID()}`);
  }
};

/** Removes an image without snapshots, once those who were killed with it open are forgotten. */
const removeAlone = async (images: Images, image: string): Promise<void> => {
  for (const end = Date.now() + WATCH_TIMEOUT; ; await setTimeout(1000)) {
    try {
      await images.remove(image);
      return;
    } catch (error) {
      if (!endedWith(error, 'EBUSY') || Date.now() > end) throw error;
    }
  }
};

/** Takes away what a removed clone was made of, if nothing else is left of it or made of it. */
const release = async (images: Images, { pool, image, snapshot }: ImageParent): Promise<void> => {
  if (pool !== images.osdPool) return;
  if (!image.startsWith(ZOMBIE) && !snapshot.startsWith(ZOMBIE_SNAPSHOT)) return;
  if (!(await images.unprotect(image, snapshot))) return;
  await images.removeSnapshot(image, snapshot);
  if (image.startsWith(ZOMBIE)) await removeImage(images, image);
};

/** Removes an image with all its snapshots, or renames it while clones of it live. Nothing there is no error. */
export const removeImage = async (images: Images, image: string): Promise<void> => {
  const info = await images.info(image);
  // Should an earlier removal have been killed, this one goes on with it.
  if (info === undefined) return await removeAlone(images, image);
  if (info.snapshot_count > 0) {
    let needed = false;
    for (const snapshot of await images.snapshots(image)) {
      if (snapshot.protected && !(await images.unprotect(image, snapshot.name))) needed = true;
      else await images.removeSnapshot(image, snapshot.name);
    }
    if (needed) {
      if (!image.startsWith(ZOMBIE)) await images.rename(image, `${ZOMBIE}${image}_${randomUUID()}`);
      return;
    }
  }
  await removeAlone(images, image);
  if (info.parent !== undefined) await release(images, info.parent);
};

/** How old a snapshot for a copy must be before it counts as forgotten: longer than it takes to clone it. */
const FORGOTTEN = 3_600_000;

/** Runs the removal of something. Is somebody at it, then they, or the next sweep, will see to it. */
const attempt = async (work: () => Promise<void>): Promise<void> => {
  try {
    await work();
  } catch (error) {
    if (!isKind(error, 'conflict') && !isKind(error, 'not-found')) throw error;
  }
};

/** How long an image may be listed and not be there: longer than it takes to make one. */
const MAKING = 10_000;

/**
 * Ends removals that a run that was killed has begun. What they leave has a name that no image answers to.
 *
 * @param listed - all images of the pool, of which more can be told than their names
 */
export const sweepRemains = async (images: Images, listed: readonly ListedImage[], work: Work): Promise<void> => {
  const known = new Set(listed.map(({ image }) => image));
  const suspects = (await images.names(work)).filter((name) => !known.has(name));
  if (suspects.length === 0) return;
  await setTimeout(MAKING, undefined, work);
  const still = await images.names(work);
  for (const name of suspects) {
    if (still.includes(name) && !(await images.info(name))) await attempt(() => removeImage(images, name));
  }
};

/**
 * Removes zombies without clones, which a run that was killed left behind.
 *
 * @param listed - all images of the pool
 */
export const sweepZombies = async (images: Images, listed: readonly ListedImage[]): Promise<void> => {
  const inUse = new Set(listed.map(({ parent }) => parent && `${parent.image}@${parent.snapshot}`));
  const parents = new Set(listed.map(({ parent }) => parent?.image));
  for (const { image, snapshot } of listed) {
    await attempt(async () => {
      if (snapshot === undefined && image.startsWith(ZOMBIE) && !parents.has(image)) await removeImage(images, image);
      if (!snapshot?.startsWith(ZOMBIE_SNAPSHOT) || image.startsWith(ZOMBIE) || inUse.has(`${image}@${snapshot}`))
        return;
      const taken = (await images.snapshots(image)).find(({ name }) => name === snapshot)?.timestamp;
      if (taken !== undefined && Date.now() - Date.parse(taken) > FORGOTTEN)
        await removeSnapshot(images, image, snapshot);
    });
  }
};
