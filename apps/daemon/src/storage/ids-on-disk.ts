/** The owners of files on disk, where the file system cannot mount with an id map: it is the files that have the ids of the map then. */
import type { Work } from '@lxd-ts/driver-kit';
import { type IdMap, sameIdMap, shiftTree } from '@lxd-ts/host';

/** How the ids in a directory tree stand. */
export interface IdState {
  /** The map that they are shifted by; empty: they are those seen inside. */
  readonly current: IdMap;
  /** The map that a shifting is under way to; a crash in the middle leaves it behind. */
  readonly unfinished: IdMap | undefined;
}

export const isAligned = ({ current, unfinished }: IdState, wanted: IdMap): boolean =>
  unfinished === undefined && sameIdMap(current, wanted);

/**
 * Shifts a tree, which nobody may use meanwhile, to the ids of a map. What a crash has cut short is brought to its end first, whatever is
 * wanted now, since half of the files have its ids.
 *
 * @param remember - keeps how the ids stand, at once: called before the first change and after the last
 */
export const alignIds = async (
  tree: string,
  { current, unfinished }: IdState,
  wanted: IdMap,
  remember: (state: IdState) => Promise<void>,
): Promise<void> => {
  const shift = async (from: IdMap, to: IdMap, resume: boolean): Promise<void> => {
    await shiftTree(tree, { ...(from.length > 0 ? { from } : {}), ...(to.length > 0 ? { to } : {}), resume });
    await remember({ current: to, unfinished: undefined });
  };
  if (unfinished) await shift(current, unfinished, true);
  const before = unfinished ?? current;
  if (sameIdMap(before, wanted)) return;
  await remember({ current: before, unfinished: wanted });
  await shift(before, wanted, false);
};

/** Gives a tree the ids seen inside, however far the shifting of it had come: no map's ids on the host are ids seen inside too. */
export const unshiftIds = async (
  tree: string,
  { current, unfinished }: IdState,
  { signal }: Work = {},
): Promise<void> => {
  for (const from of [unfinished ?? [], current])
    if (from.length > 0) await shiftTree(tree, { from, ...(signal ? { signal } : {}) });
};
