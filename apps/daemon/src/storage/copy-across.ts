/** Copies volumes where no driver does it by itself: from one pool to another, and onto a volume that has been copied before. */
import { copyFile, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type Config, copyTree, type MountedVolume, UndoStack, type Volume, type Work } from '@lxd-ts/driver-kit';
import { run } from '@lxd-ts/host';
import type { OpenPool } from './pools.ts';

/** A volume and the pool it is in. */
export interface Located {
  readonly open: Pick<OpenPool, 'pool' | 'driver' | 'storage'>;
  readonly volume: Volume;
}

export interface CopyOptions extends Work {
  /** Files that vanish while they are copied are no error. */
  readonly allowInconsistent?: boolean;
}

const bandwidthOf = (...configs: readonly Config[]): string | undefined =>
  configs.map((config) => config['rsync.bwlimit']).find((limit) => limit !== undefined && limit !== '0');

/** Copies a disk, leaving holes where a new one has them already. */
const copyDisk = (source: string, target: string, fresh: boolean, { signal }: Work): Promise<unknown> =>
  run(
    ['dd', `if=${source}`, `of=${target}`, 'bs=4M', `conv=${fresh ? 'sparse,' : ''}notrunc,fsync`, 'status=none'],
    signal ? { signal } : {},
  );

/** Makes the files (and the disk) of one mounted volume those of another. */
const copyMounted = async (
  source: MountedVolume,
  target: MountedVolume,
  options: CopyOptions & { refresh: boolean; bandwidthLimit: string | undefined },
): Promise<void> => {
  if (source.disk === undefined || target.disk === undefined) return copyTree(source.path, target.path, options);
  await copyDisk(source.disk, target.disk, !options.refresh, options);
  // Beside its disk a machine has files of its own: templates, metadata, firmware variables.
  for (const entry of await readdir(source.path, { withFileTypes: true })) {
    const path = join(source.path, entry.name);
    if (path === source.disk) continue;
    if (entry.isDirectory()) await copyTree(path, join(target.path, entry.name), options);
    else if (entry.isFile()) await copyFile(path, join(target.path, entry.name));
  }
};

/** The bytes a disk holds: the size of a file, or what the kernel says of a block device (sysfs counts in 512 bytes). */
export const diskSize = async (disk: string): Promise<number> => {
  const found = await stat(disk);
  if (!found.isBlockDevice()) return found.size;
  const { rdev } = found;
  const [major, minor] = [(rdev >> 8) & 0xfff, (rdev & 0xff) | ((rdev >> 12) & 0xfff00)];
  return Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, 'utf8')) * 512;
};

/** The volume with room for the source's disk, if it has one. */
const withRoom = async (volume: Volume, disk: string | undefined): Promise<Volume> =>
  disk === undefined || volume.config['size']
    ? volume
    : { ...volume, config: { ...volume.config, size: `${await diskSize(disk)}B` } };

/** Sends one volume or snapshot in the driver's own format. */
const transfer = async (target: Located, source: Located, base: string | undefined, work: Work): Promise<void> => {
  const { send } = source.open.storage;
  const { receive } = target.open.storage;
  if (!send || !receive) throw new TypeError(`Driver ${source.open.driver.name} promises a transfer it does not have`);
  const pipe = new PassThrough();
  await Promise.all([send(source.volume, base, pipe, work), receive(target.volume, base, pipe, work)]);
};

const inDriversFormat = async (
  target: Located,
  source: Located,
  snapshots: readonly string[],
  work: Work,
): Promise<void> => {
  let base: string | undefined;
  for (const snapshot of snapshots) {
    const [to, from] = [target, source].map((end) => ({ ...end, volume: { ...end.volume, snapshot } }));
    if (to && from) await transfer(to, from, base, work);
    base = snapshot;
  }
  await transfer(target, source, base, work);
};

const fileByFile = async (
  target: Located,
  source: Located,
  snapshots: readonly string[],
  options: CopyOptions,
): Promise<void> => {
  const { storage } = target.open;
  const bandwidthLimit = bandwidthOf(target.open.pool.config, source.open.pool.config);
  const states = [...snapshots.map((snapshot) => ({ ...source.volume, snapshot })), source.volume];
  for (const [at, state] of states.entries()) {
    options.signal?.throwIfAborted();
    await using from = await source.open.storage.mountVolume(state);
    if (at === 0) {
      await storage.createVolume(await withRoom(target.volume, from.disk), (to, work) =>
        copyMounted(from, to, { ...options, ...work, refresh: false, bandwidthLimit }),
      );
    } else {
      await using to = await storage.mountVolume(target.volume);
      await copyMounted(from, to, { ...options, refresh: true, bandwidthLimit });
    }
    const { snapshot } = state;
    if (snapshot !== undefined && at < snapshots.length)
      await storage.createSnapshot({ ...target.volume, snapshot }, options);
  }
};

/**
 * Makes `target`, which does not exist, a copy of `source`, a volume or snapshot in any pool, with the snapshots named. Between pools of
 * one driver it goes in that driver's own format where there is one, else the files are copied: the oldest snapshot first, and each
 * later state onto the one before it, so that the copy's snapshots share what the source's do.
 *
 * @param snapshots - names of the source's snapshots to copy, oldest first
 * @throws whatever the drivers throw; nothing is left of `target` then
 */
export const copyAcross = async (
  target: Located,
  source: Located,
  snapshots: readonly string[],
  options: CopyOptions = {},
): Promise<void> => {
  const { storage } = target.open;
  await using undo = new UndoStack();
  undo.add('remove the copy', async () => {
    for (const snapshot of snapshots) await storage.deleteSnapshot({ ...target.volume, snapshot });
    await storage.deleteVolume(target.volume);
  });
  const sameDriver = target.open.driver === source.open.driver && source.open.driver.features.optimizedTransfer;
  if (sameDriver && target.open.pool.name !== source.open.pool.name) {
    await inDriversFormat(target, source, snapshots, options);
  } else {
    await fileByFile(target, source, snapshots, options);
  }
  undo.commit();
};

/** A snapshot, whatever else is known of it. */
interface Named {
  readonly name: string;
}

/** Ids of a volume's snapshots, by their names, as the other side of a transfer is told them; none where the driver knows none. */
export const snapshotIdsOf = async ({ open, volume }: Located): Promise<Config> =>
  Object.fromEntries(((await open.storage.snapshotIds?.(volume)) ?? []).map(({ snapshot, id }) => [snapshot, id]));

/**
 * The snapshot of a copy on which all that it lacks can be sent as differences in the driver's own format: its newest, where that is
 * one of the source's own and nothing older is lacking.
 *
 * @param ids - of the source's snapshots, by their names
 * @param snapshots - the source's, oldest first
 * @param lacking - those of them that the copy is to get
 */
export const commonBase = async (
  { open, volume }: Located,
  ids: Config,
  snapshots: readonly Named[],
  lacking: readonly Named[],
): Promise<string | undefined> => {
  const newest = (await open.storage.snapshotIds?.(volume))?.at(-1);
  if (!newest?.isBase || ids[newest.snapshot] !== newest.id) return undefined;
  const at = snapshots.findIndex(({ name }) => name === newest.snapshot);
  const later = snapshots.slice(at + 1);
  const allLater = later.length === lacking.length && later.every(({ name }, index) => name === lacking[index]?.name);
  return at >= 0 && allLater ? newest.snapshot : undefined;
};

/** What is to be done to bring a copy up to date, state by state. */
export interface Refreshing {
  /** The storage driver gives what it sends as of one moment: the source need not hold still. */
  readonly ofOneMoment: boolean;
  /** Gives the copy the source's next snapshot. */
  addSnapshot(name: string): Promise<void>;
  /** Makes the copy what the source is, last of all. */
  finish(): Promise<void>;
}

/**
 * Brings an existing volume up to date with `source`, a volume or snapshot in any pool: only what differs is sent, in the driver's own
 * format if both have a snapshot in common. Steps throw whatever the drivers throw; the volume is then partly the one and partly the
 * other, and a repetition repairs it.
 *
 * @param snapshots - the source's, oldest first
 * @param lacking - those of them that are to be added
 */
export const refreshing = async (
  target: Located,
  source: Located,
  snapshots: readonly Named[],
  lacking: readonly Named[],
  options: CopyOptions = {},
): Promise<Refreshing> => {
  const sameDriver = target.open.driver === source.open.driver;
  let base = sameDriver ? await commonBase(target, await snapshotIdsOf(source), snapshots, lacking) : undefined;
  const bandwidthLimit = bandwidthOf(target.open.pool.config, source.open.pool.config);
  const copyFiles = async (from: Volume): Promise<void> => {
    await using read = await source.open.storage.mountVolume(from);
    await using written = await target.open.storage.mountVolume(target.volume);
    await copyMounted(read, written, { ...options, refresh: true, bandwidthLimit });
  };
  return {
    ofOneMoment: base !== undefined,
    async addSnapshot(snapshot) {
      const [to, from] = [
        { ...target.volume, snapshot },
        { ...source.volume, snapshot },
      ];
      if (base === undefined) {
        await copyFiles(from);
        await target.open.storage.createSnapshot(to, options);
        return;
      }
      await transfer({ ...target, volume: to }, { ...source, volume: from }, base, options);
      base = snapshot;
    },
    finish: () => (base === undefined ? copyFiles(source.volume) : transfer(target, source, base, options)),
  };
};
