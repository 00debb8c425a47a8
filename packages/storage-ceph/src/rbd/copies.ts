/**
 * Copies of volumes: a clone of the first state that is wanted, to which the differences up to the later ones are applied. What
 * image and copy have in common is stored once.
 */
import { chmod } from 'node:fs/promises';
import {
  conflict,
  describeVolume,
  isTrueOrUnset,
  notFound,
  type PoolSpec,
  UndoStack,
  type Volume,
  volumeSize,
  type Work,
} from '@lxd-ts/driver-kit';
import { endedWith } from '../cluster.ts';
import type { ImageParent, Images } from './images.ts';
import { type Moment, momentOf } from './moment.ts';
import type { Mounts } from './mounts.ts';
import { imageNames, READONLY, snapshotName } from './names.ts';
import { removeImage, removeSnapshot } from './removal.ts';
import type { Resize } from './resize.ts';
import { copyDiff } from './transfer.ts';
import { rootMode } from './volume-root.ts';

/** The kernel maps no image with more than 16 ancestors (drivers/block/rbd.c). */
const DEEPEST = 12;

/** How many images an image that was cloned is made of, one on the other, from the one that it was cloned of on. */
const depthOf = async (images: Images, parent: ImageParent | undefined): Promise<number> => {
  let depth = 0;
  for (let next = parent; next?.pool === images.osdPool && depth <= DEEPEST; depth++) {
    next = (await images.info(next.image))?.parent;
  }
  return depth;
};

/** How a copy is made: a clone, a clone that then gets all that it shares, or a full copy. */
type How = 'cloned' | 'flattened' | 'copied';

export interface Copier {
  /** @returns the size of the copy in bytes */
  copy(target: Volume, source: Volume, snapshots: readonly string[], work?: Work): Promise<number>;
  /** Makes the snapshot of an image volume that instances are cloned of. */
  seal(volume: Volume, work?: Work): Promise<void>;
}

export const copier = (images: Images, mounts: Mounts, resize: Resize, config: () => PoolSpec['config']): Copier => {
  /** Makes an image that is what another was at a snapshot. */
  const copyFirst = async (source: string, target: string, first: string, how: How, work?: Work): Promise<void> => {
    if (how === 'copied') {
      await images.copy(source, first, target, work);
      return;
    }
    if (first !== READONLY) await images.protect(source, first);
    await images.clone(source, first, target, work);
    if (how === 'flattened') await images.flatten(target, work);
  };

  /** @param parent - what the source was cloned of; all images of a volume were cloned together */
  const howToCopy = async (first: string, parent: ImageParent | undefined): Promise<How> => {
    // An image that was unpacked is made of nothing else.
    if (first === READONLY) return 'cloned';
    if (!isTrueOrUnset(config()['ceph.rbd.clone_copy'])) return 'copied';
    return (await depthOf(images, parent)) >= DEEPEST ? 'flattened' : 'cloned';
  };

  /**
   * Copies one image.
   *
   * @param states - RBD snapshots of the source, oldest first, the last being what the copy is made to be
   * @param kept - how many of them the copy gets as its own
   * @param undo - gets to remove the copy, unless another image has its name
   */
  const copyImage = async (
    source: string,
    target: string,
    states: readonly string[],
    kept: number,
    how: How,
    undo: UndoStack,
    work?: Work,
  ): Promise<void> => {
    const [first = READONLY, ...later] = states;
    let ours = true;
    undo.add(`remove ${target}`, async () => {
      if (ours) await removeImage(images, target);
    });
    try {
      await copyFirst(source, target, first, how, work);
    } catch (error) {
      ours = !endedWith(error, 'EEXIST');
      throw error;
    }
    if (kept > 0) await images.takeSnapshot(target, first, work);
    let base = first;
    for (const state of later) {
      // Applying a difference needs its base as a snapshot, and makes one.
      if (base === first && kept === 0) await images.takeSnapshot(target, first, work);
      await copyDiff(images, source, target, base, state, work);
      base = state;
    }
    for (const state of states.slice(kept)) if (states.length > 1) await removeSnapshot(images, target, state);
  };

  const checkThere = async (source: Volume, wanted: readonly string[]): Promise<void> => {
    if (wanted.length === 0) return;
    const [image] = imageNames(source).slice(-1);
    const there = new Set((await images.snapshots(image ?? '')).map(({ name }) => name));
    const missing = wanted.find((snapshot) => !there.has(snapshotName(snapshot)));
    if (missing !== undefined) throw notFound(`${describeVolume({ ...source, snapshot: missing })} is not there`);
  };

  const seal = async (volume: Volume, work?: Work): Promise<void> => {
    for (const image of imageNames(volume)) {
      await images.takeSnapshot(image, READONLY, work);
      await images.protect(image, READONLY);
    }
  };

  const copyStates = async (
    target: Volume,
    source: Volume,
    snapshots: readonly string[],
    parent: ImageParent | undefined,
    undo: UndoStack,
    work?: Work,
  ): Promise<void> => {
    const named = snapshots.map(snapshotName);
    let moment: Moment | undefined;
    let last: string;
    if (source.snapshot !== undefined) last = snapshotName(source.snapshot);
    else if (source.type === 'image') last = READONLY;
    else {
      moment = await momentOf(images, mounts, source, work);
      last = moment.name;
    }
    try {
      const sources = imageNames(source);
      const states = [...named.filter((one) => one !== last), last];
      const how = await howToCopy(states[0] ?? last, parent);
      for (const [at, name] of imageNames(target).entries()) {
        await copyImage(sources[at] ?? '', name, states, named.length, how, undo, work);
      }
      if (named.length === 0 && how === 'cloned') moment?.keep();
    } finally {
      await moment?.[Symbol.asyncDispose]();
    }
  };

  return {
    seal,
    async copy(target, source, snapshots, work) {
      work?.signal?.throwIfAborted();
      await checkThere(source, snapshots);
      const [main = ''] = imageNames(source).slice(-1);
      const info = await images.info(main, source.snapshot === undefined ? undefined : snapshotName(source.snapshot));
      if (info === undefined) throw notFound(`${describeVolume(source)} is not there`);
      await using undo = new UndoStack();
      let taken = false;
      undo.add(`unmount ${describeVolume(target)}`, async () => {
        if (!taken) await mounts.clear(target);
      });
      try {
        await copyStates(target, source, snapshots, info.parent, undo, work);
      } catch (error) {
        taken = endedWith(error, 'EEXIST');
        throw taken ? conflict(`${describeVolume(target)} exists already`, { cause: error }) : error;
      }
      const size = volumeSize(target) ?? info.size;
      if (size !== info.size) await resize(target, size, work, info.size);
      if (source.content !== 'iso' && rootMode(target.type) !== rootMode(source.type)) {
        await using mounted = await mounts.mount(target);
        await chmod(mounted.path, rootMode(target.type));
      }
      if (target.type === 'image') await seal(target, work);
      undo.commit();
      return size;
    },
  };
};
