/** Making, finding, renaming and deleting volumes. */
import { chmod } from 'node:fs/promises';
import {
  configuredFilesystem,
  conflict,
  describeVolume,
  type Fill,
  type FoundVolume,
  makeFilesystem,
  notFound,
  removeLostAndFound,
  UndoStack,
  type Volume,
  volumeMode,
  type Work,
} from '@lxd-ts/driver-kit';
import { complaint, rows, unless, whileBusy, zfs } from './commands.ts';
import type { PoolContext } from './context.ts';
import { destroyDataset } from './destroy.ts';
import { isUsers, nameOf } from './mounts.ts';
import { imageSnapshot, parseDataset, partsOf, splitSnapshot, userSnapshot } from './names.ts';
import { createArguments, newDiskSize } from './properties.ts';

/** The error that a failed step on a volume means to the caller. */
export const aboutVolume = (volume: Volume, error: unknown): unknown => {
  const what = complaint(error);
  if (what === 'exists') return conflict(`${describeVolume(volume)} exists already`, { cause: error });
  if (what === 'missing') return notFound(`${describeVolume(volume)} is not there`, { cause: error });
  return error;
};

export const hasVolume = async ({ root }: PoolContext, volume: Volume): Promise<boolean> => {
  const names = partsOf(root, volume).map((part) => nameOf(volume, part));
  // Of a volume in two parts one may be left after a crash: asked for one by one.
  for (const name of names) {
    if ((await unless('missing', () => zfs(['list', '-H', '-o', 'name', name]))) !== undefined) return true;
  }
  return false;
};

/** Deletes what there is of a volume, with the snapshots that the driver made of it for itself. */
export const deleteVolume = async ({ root, mounts, space }: PoolContext, volume: Volume): Promise<void> => {
  await mounts.forget(volume);
  for (const { dataset } of [...partsOf(root, volume)].reverse()) {
    await destroyDataset(root, dataset);
    space.forget(dataset);
  }
};

export const createVolume = async (
  pool: PoolContext,
  volume: Volume,
  fill: Fill | undefined,
  work: Work = {},
): Promise<void> => {
  const { root, disks, mounts, space } = pool;
  const parts = partsOf(root, volume);
  await using undo = new UndoStack();
  for (const { dataset, kind } of parts) {
    try {
      await zfs(createArguments(kind, dataset, volume));
    } catch (error) {
      throw aboutVolume(volume, error);
    }
    // Made in one step or not at all; and what was there before is not to be removed.
    undo.add(`delete ${dataset}`, () => destroyDataset(root, dataset));
    if (kind !== 'formatted') continue;
    await using disk = await disks.device(dataset);
    const options = { size: newDiskSize(volume), zeroed: true, ...work };
    await makeFilesystem(disk.path, configuredFilesystem(volume.config), options);
  }
  undo.add('remove the directory', () => mounts.forget(volume));
  {
    await using mounted = await mounts.mountVolume(volume);
    if (parts.some(({ kind }) => kind === 'formatted')) await removeLostAndFound(mounted.path);
    if (isUsers(volume) && parts[0].kind !== 'disk') await chmod(mounted.path, volumeMode(volume.type));
    await fill?.(mounted, work);
  }
  if (volume.type === 'image') await zfs(['snapshot', ...parts.map(({ dataset }) => `${dataset}@${imageSnapshot}`)]);
  space.changed(...parts.map(({ dataset }) => dataset));
  undo.commit();
};

export const renameVolume = async ({ root, mounts, space }: PoolContext, volume: Volume, name: string) => {
  const renamed = { ...volume, name };
  const [from, to] = [partsOf(root, volume), partsOf(root, renamed)];
  await mounts.forget(volume);
  await using undo = new UndoStack();
  for (const [at, { dataset }] of from.entries()) {
    const target = to[at]?.dataset ?? dataset;
    try {
      await whileBusy(() => zfs(['rename', dataset, target]));
    } catch (error) {
      throw complaint(error) === 'exists' ? aboutVolume(renamed, error) : aboutVolume(volume, error);
    }
    undo.add(`rename ${target} back`, () => zfs(['rename', target, dataset]));
  }
  for (const { dataset } of from) space.forget(dataset);
  space.changed(...to.map(({ dataset }) => dataset));
  undo.commit();
};

/** A row of `zfs list`, as far as finding volumes needs it. */
interface Listed {
  readonly name: string;
  readonly type: string;
  /** The transaction group in which it was made: grows with time. */
  readonly created: number;
  readonly content: string;
}

/** Tells the volumes among the datasets of a pool. */
export const volumesAmong = (root: string, listed: readonly Listed[]): FoundVolume[] => {
  const snapshots = listed
    .filter(({ type }) => type === 'snapshot')
    .map(({ name, created }) => ({ ...splitSnapshot(name), created }))
    .sort((a, b) => a.created - b.created);
  const disks = new Set(listed.filter(({ type }) => type === 'volume').map(({ name }) => name));
  return listed.flatMap(({ name, type, content }) => {
    if (type !== 'filesystem' && type !== 'volume') return [];
    const found = parseDataset(root, name, type, content);
    if (!found) return [];
    const volume: FoundVolume['volume'] =
      disks.has(`${name}.block`) && found.type !== 'custom' ? { ...found, content: 'block' } : found;
    const own = snapshots.filter(({ dataset }) => dataset === name).flatMap(({ label }) => userSnapshot(label) ?? []);
    return [{ volume, snapshots: own }];
  });
};

export const listVolumes = async ({ root }: PoolContext): Promise<FoundVolume[]> => {
  const output = await zfs(['list', '-H', '-p', '-r', '-t', 'all', '-o', 'name,type,createtxg,lxd:content_type', root]);
  return volumesAmong(
    root,
    rows(output).map(([name = '', type = '', created = '', content = '-']) => ({
      name,
      type,
      created: Number(created),
      content,
    })),
  );
};
