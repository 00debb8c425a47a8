/** Renaming a volume group or thin pool, so that a crash before the new name was written down is undone at the next start. */
import { conflict } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import { ask, lvm } from './command.ts';
import { type Group, qualified } from './group.ts';
import { volumeGroups } from './source.ts';
import { thinPoolsIn } from './thin-pool.ts';

/** Says under what name the pool's configuration may still know a group or thin pool. */
const formerTag = (name: string): string => `lxd_ts_was=${name}`;
const isFormer = (tag: string): boolean => tag.startsWith(formerTag(''));

const thinPoolRow = z.object({ lv_name: z.string(), lv_tags: z.string() });

export const renameGroup = async (group: Group, name: string): Promise<void> => {
  if ((await volumeGroups()).some((one) => one.name === name))
    throw conflict(`The volume group "${name}" exists already`);
  await lvm(['vgchange', '--addtag', formerTag(group.name), group.name]);
  await lvm(['vgrename', group.name, name]);
  group.name = name;
};

export const renameThinPool = async (group: Group, from: string, name: string): Promise<void> => {
  const volumes = await ask('lvs', thinPoolRow, group.name);
  if (volumes.some(({ lv_name }) => lv_name === name)) {
    throw conflict(`There is a logical volume "${name}" in volume group "${group.name}" already`);
  }
  await lvm(['lvchange', '--addtag', formerTag(from), qualified(group, from)]);
  await lvm(['lvrename', group.name, from, name]);
  group.thinPool = name;
};

/** Whether there is the group, and the thin pool if one is to be. */
export const isComplete = async (group: Group): Promise<boolean> => {
  if (!(await volumeGroups()).some(({ name }) => name === group.name)) return false;
  return group.thinPool === undefined || (await thinPoolsIn(group)).includes(group.thinPool);
};

/**
 * Settles renames that were under way: what has another name than the configuration says gets it back.
 *
 * @returns whether all is there now, as `isComplete` says
 */
export const settleNames = async (group: Group): Promise<boolean> => {
  const groups = await volumeGroups();
  const there = groups.find(({ name }) => name === group.name);
  const renamed = groups.find(({ tags }) => tags.includes(formerTag(group.name)));
  if (!there && !renamed) return false;
  if (!there && renamed) await lvm(['vgrename', renamed.name, group.name]);
  for (const tag of (there ?? renamed)?.tags.filter(isFormer) ?? [])
    await lvm(['vgchange', '--deltag', tag, group.name]);
  const { thinPool } = group;
  if (thinPool === undefined) return true;
  const volumes = await ask('lvs', thinPoolRow, group.name);
  const pool =
    volumes.find(({ lv_name }) => lv_name === thinPool) ??
    volumes.find(({ lv_tags }) => lv_tags.split(',').includes(formerTag(thinPool)));
  if (!pool) return false;
  if (pool.lv_name !== thinPool) await lvm(['lvrename', group.name, pool.lv_name, thinPool]);
  for (const tag of pool.lv_tags.split(',').filter(isFormer)) {
    await lvm(['lvchange', '--deltag', tag, qualified(group, thinPool)]);
  }
  return true;
};
