/** Snapshots, and going back to them. */
import { conflict, describeVolume, isTrue, notFound, parentOf, type Volume } from '@lxd-ts/driver-kit';
import { run } from '@lxd-ts/host';
import { rows, unless, whileBusy, zfs } from './commands.ts';
import type { PoolContext } from './context.ts';
import { destroySnapshot } from './destroy.ts';
import { nameOf } from './mounts.ts';
import { partsOf, snapshotLabel, splitSnapshot, userSnapshot } from './names.ts';
import { checkFits, refitDisk, sizeOfDisk } from './resize.ts';
import { aboutVolume } from './volumes.ts';

/** Writes out what a mounted file system on a disk still has in memory; that of a dataset is ZFS's own, and part of its snapshots. */
const settle = async ({ mounts, root }: PoolContext, volume: Volume): Promise<void> => {
  if (partsOf(root, volume)[0].kind !== 'formatted') return;
  const path = await mounts.mountedAt(volume);
  if (path !== undefined) await run(['sync', '--file-system', path]);
};

/** Takes a snapshot of all parts of a volume at one moment, under a short name. */
export const takeSnapshot = async (pool: PoolContext, volume: Volume, label: string): Promise<void> => {
  await settle(pool, volume);
  await zfs(['snapshot', ...partsOf(pool.root, volume).map(({ dataset }) => `${dataset}@${label}`)]);
};

const changed = ({ root, space }: PoolContext, volume: Volume): void =>
  space.changed(...partsOf(root, volume).map(({ dataset }) => dataset));

export const createSnapshot = async (pool: PoolContext, volume: Volume): Promise<void> => {
  try {
    await takeSnapshot(pool, parentOf(volume), snapshotLabel(volume.snapshot ?? ''));
  } catch (error) {
    throw aboutVolume(volume, error);
  }
  changed(pool, volume);
};

export const deleteSnapshot = async (pool: PoolContext, volume: Volume): Promise<void> => {
  await pool.mounts.forget(volume);
  for (const part of partsOf(pool.root, volume)) await destroySnapshot(nameOf(volume, part));
  changed(pool, volume);
};

export const renameSnapshot = async (pool: PoolContext, volume: Volume, name: string): Promise<void> => {
  const renamed = { ...volume, snapshot: name };
  await pool.mounts.forget(volume);
  const parts = partsOf(pool.root, volume);
  for (const [at, part] of parts.entries()) {
    try {
      await whileBusy(() => zfs(['rename', nameOf(volume, part), nameOf(renamed, part)]));
    } catch (error) {
      for (const done of parts.slice(0, at)) await zfs(['rename', nameOf(renamed, done), nameOf(volume, done)]);
      throw aboutVolume(/already exists/.test(String(error)) ? renamed : volume, error);
    }
  }
  changed(pool, volume);
};

interface Later {
  readonly label: string;
  /** Datasets cloned from it. */
  readonly clones: readonly string[];
}

/** The snapshots of a dataset that are newer than one, oldest first; undefined: that one is not there. */
export const newerThan = (label: string, listed: readonly (readonly string[])[]): Later[] | undefined => {
  const ordered = listed
    .map(([name = '', created = '0', clones = '-']) => ({
      label: splitSnapshot(name).label,
      created: Number(created),
      clones: clones === '-' || clones === '' ? [] : clones.split(','),
    }))
    .sort((a, b) => a.created - b.created);
  const at = ordered.findIndex((one) => one.label === label);
  return at === -1 ? undefined : ordered.slice(at + 1);
};

/** The snapshots that going back to one deletes; see the contract. */
export const deletedByRestore = async (pool: PoolContext, volume: Volume, snapshot: string): Promise<string[]> => {
  const names = new Set<string>();
  for (const { dataset } of partsOf(pool.root, volume)) {
    const output = await unless('missing', () =>
      zfs(['list', '-H', '-p', '-t', 'snapshot', '-d', '1', '-o', 'name,createtxg,clones', dataset]),
    );
    const newer = newerThan(snapshotLabel(snapshot), rows(output ?? ''));
    if (!newer) throw notFound(`${describeVolume({ ...volume, snapshot })} is not there`);
    refuseWhatStandsInTheWay(snapshot, newer, mayDeleteNewer(pool, volume));
    for (const name of userSnapshots(newer)) names.add(name);
  }
  return [...names];
};

/**
 * Goes back to a snapshot. ZFS can go back to the newest one alone: with `zfs.remove_snapshots` newer ones are deleted.
 */
export const restoreVolume = async (pool: PoolContext, volume: Volume, snapshot: string): Promise<void> => {
  const label = snapshotLabel(snapshot);
  await deletedByRestore(pool, volume, snapshot);
  await pool.mounts.forget(volume);
  for (const part of partsOf(pool.root, volume)) {
    const source = `${part.dataset}@${label}`;
    const size = part.kind === 'dataset' ? 0 : await sizeOfDisk(volume, part.dataset);
    if (part.kind === 'formatted') await checkFits(pool, volume, source, size);
    await whileBusy(() => zfs(['rollback', '-r', source]));
    if (part.kind !== 'dataset') await refitDisk(pool, volume, part, size);
  }
  changed(pool, volume);
};

const userSnapshots = (newer: readonly Later[]): string[] => newer.flatMap(({ label }) => userSnapshot(label) ?? []);

/** Whether the volume allows it, or the pool for those that say nothing, by what is configured now. */
const mayDeleteNewer = (pool: PoolContext, { config }: Volume): boolean =>
  isTrue(config['zfs.remove_snapshots'] || pool.config()['volume.zfs.remove_snapshots']);

const refuseWhatStandsInTheWay = (snapshot: string, newer: readonly Later[], mayDelete: boolean): void => {
  const names = userSnapshots(newer);
  if (names.length > 0 && !mayDelete) {
    throw conflict(
      `Snapshot "${snapshot}" cannot be restored due to subsequent snapshot(s): ${names.join(', ')}. Set zfs.remove_snapshots to override`,
    );
  }
  const clones = newer.flatMap((one) => one.clones);
  if (clones.length > 0) {
    throw conflict(
      `Snapshot "${snapshot}" cannot be restored: copies made since depend on the volume: ${clones.join(', ')}`,
    );
  }
};
