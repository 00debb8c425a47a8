/** Renaming a volume group or thin pool, so that a crash before the new name was written down is undone at the next start. */
import { conflict } from '@lxd-ts/driver-kit';
import { lvm } from './command.ts';
import { type Group, type LogicalVolume, logicalVolumes, qualified } from './group.ts';
import { type FoundGroup, volumeGroups } from './source.ts';

/** Says under what name the pool's configuration may still know a group or thin pool. */
const formerTag = (name: string): string => `lxd_ts_was=${name}`;
const isFormer = (tag: string): boolean => tag.startsWith(formerTag(''));

export const renameGroup = async (group: Group, name: string): Promise<void> => {
  if ((await volumeGroups()).some((one) => one.name === name))
    throw conflict(`The volume group "${name}" exists already`);
  await lvm(['vgchange', '--addtag', formerTag(group.name), group.name]);
  await lvm(['vgrename', group.name, name]);
  group.name = name;
};

export const renameThinPool = async (group: Group, from: string, name: string): Promise<void> => {
  if ((await logicalVolumes(group)).some((one) => one.name === name)) {
    throw conflict(`There is a logical volume "${name}" in volume group "${group.name}" already`);
  }
  await lvm(['lvchange', '--addtag', formerTag(from), qualified(group, from)]);
  await lvm(['lvrename', group.name, from, name]);
  group.thinPool = name;
};

/**
 * Settles renames that were under way: what has another name than the configuration says gets it back.
 *
 * @param inspect - nothing is changed: what has another name is not there
 * @returns the group and its logical volumes, when it is there, with the thin pool if one is to be
 */
export const settleNames = async (
  group: Group,
  inspect: boolean,
): Promise<{ found: FoundGroup; volumes: readonly LogicalVolume[] } | undefined> => {
  const groups = await volumeGroups();
  const isRenamed = ({ tags }: { readonly tags: readonly string[] }, name: string): boolean =>
    !inspect && tags.includes(formerTag(name));
  const found = groups.find(({ name }) => name === group.name) ?? groups.find((one) => isRenamed(one, group.name));
  if (!found) return undefined;
  if (found.name !== group.name) await lvm(['vgrename', found.name, group.name]);
  const formerNames = (tags: readonly string[]): string[] => (inspect ? [] : tags.filter(isFormer));
  for (const tag of formerNames(found.tags)) await lvm(['vgchange', '--deltag', tag, group.name]);
  const volumes = await logicalVolumes(group);
  const { thinPool } = group;
  if (thinPool === undefined) return { found, volumes };
  const pool = volumes.find(({ name }) => name === thinPool) ?? volumes.find((one) => isRenamed(one, thinPool));
  if (!pool?.isThinPool) return undefined;
  if (pool.name !== thinPool) await lvm(['lvrename', group.name, pool.name, thinPool]);
  for (const tag of formerNames(pool.tags)) await lvm(['lvchange', '--deltag', tag, qualified(group, thinPool)]);
  return { found, volumes };
};
