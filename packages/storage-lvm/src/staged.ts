/**
 * Logical volumes that stand beside a volume's own while it is restored. The prefixes are none that volumes have, and what a
 * killed process left is finished or undone by them when the pool is opened.
 */

import { lvm } from './command.ts';
import type { Group } from './group.ts';
import { removeLogicalVolume } from './remove.ts';

export const newName = (name: string): string => `new_${name}`;
export const undoName = (name: string): string => `undo_${name}`;

const prefixed = (prefix: string, names: readonly string[]): string[] =>
  names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));

/** A volume's own logical volumes, without the last part of the name that tells them apart. */
const family = (name: string): string => name.replace(/\.block$/, '');

/**
 * Puts each `new_x` in the place of its `x`, which is removed: all of them first, so that one that is missing tells, to the end, that
 * this is to be finished and not undone.
 *
 * @param names - the logical volumes, without prefix
 * @param present - those of them that are still there
 */
export const swap = async (group: Group, names: readonly string[], present = names): Promise<void> => {
  for (const name of present) await removeLogicalVolume(group, name);
  for (const name of names) await lvm(['lvrename', group.name, newName(name), name]);
};

/**
 * Finishes swaps that were under way, and removes what was made for others that were not.
 *
 * @param names - all logical volumes of the group
 */
export const finishSwaps = async (group: Group, names: readonly string[]): Promise<void> => {
  const fresh = prefixed('new_', names);
  const isThere = (name: string): boolean => names.includes(name);
  const begun = new Set(fresh.filter((name) => !isThere(name)).map(family));
  for (const name of fresh) if (!begun.has(family(name))) await removeLogicalVolume(group, newName(name));
  const unfinished = fresh.filter((name) => begun.has(family(name)));
  await swap(group, unfinished, unfinished.filter(isThere));
};

/**
 * Merges `undo_x` back: the thick volume is again what it was when that snapshot was taken. Nobody has it open.
 * LVM itself goes on with a merge that was interrupted.
 */
export const mergeBack = async (group: Group, name: string): Promise<void> => {
  await lvm(['lvchange', '--activate', 'y', '--ignoreactivationskip', `${group.name}/${name}`]);
  await lvm(['lvconvert', '--merge', '--interval', '1', `${group.name}/${undoName(name)}`]);
};

/**
 * Undoes thick restores that were under way. Of a volume with two logical volumes the snapshots are made first to last, removed
 * last to first, and merged first to last: while the last is there, the volume is to be what it was.
 *
 * @param names - all logical volumes of the group
 * @param release - called with the logical volume's name before it is touched: unmounts it
 */
export const undoRestores = async (
  group: Group,
  names: readonly string[],
  release: (name: string) => Promise<void>,
): Promise<void> => {
  const undo = prefixed('undo_', names).sort();
  for (const name of undo) {
    // With a disk beside it the file system is the first of two.
    const last = names.includes(`${name}.block`) ? `${name}.block` : name;
    await release(name);
    if (undo.includes(last)) await mergeBack(group, name);
    else await removeLogicalVolume(group, undoName(name));
  }
};
