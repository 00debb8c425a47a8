import { randomUUID } from 'node:crypto';
import { chmod, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createSparseFile, isErrno } from '@lxd-ts/host';
import { badRequest, conflict, notFound, notImplemented } from '../errors.ts';
import { UndoStack, type Work } from '../work.ts';
import type { Volume, VolumeCalls } from './contract.ts';
import { exists, renameDirectory, renameWithSnapshots } from './directories.ts';
import { exchangeDirectories } from './exchange-directories.ts';
import { birthTime, findVolumes } from './find-volumes.ts';
import { snapshotsDirectory, volumeDirectory } from './layout.ts';
import { mountCounter } from './mount-counter.ts';
import { incompleteDirectory, makeDirectory, volumeMode } from './pool-directories.ts';
import { defaultDiskSize, diskFile, growRawDisk } from './raw-disk.ts';
import { mountReadOnly, unmountLeftovers } from './read-only-mount.ts';
import { describeVolume, parentOf, volumeSize } from './volume.ts';

/** How the size of a directory is limited and known. */
export interface DirectoryLimits {
  /** Limits a directory with all below; undefined lifts the limit. */
  set(path: string, size: number | undefined): Promise<void>;
  /** The bytes that count towards the limit, as far as the file system has counted. */
  counted(path: string): Promise<number>;
  /** Brings the count up to date, where the file system counts later. May take its time. */
  settle?(path: string): Promise<void>;
  /** Used and (if limited) total bytes; undefined when nobody counted. Starts no process. */
  usage(path: string): Promise<{ readonly used: number; readonly total?: number } | undefined>;
}

/**
 * What a driver whose volumes are directories does in its own way; the rest of the contract follows from it. Paths are those of
 * `layout.ts`, and their parents exist. None of it needs to undo: `remove` is called after a failure.
 */
export interface DirectoryStore {
  /**
   * Makes an empty directory.
   *
   * @throws errno-coded EEXIST when there is one
   */
  make(path: string, mode: number, volume: Volume): Promise<void>;
  /**
   * Makes `target`, which does not exist, a copy of the directory `source`.
   *
   * @param options.snapshot - the copy is a snapshot, never written to again
   * @throws errno-coded EEXIST when there is a target
   */
  copy(source: string, target: string, options: { readonly snapshot: boolean }, work?: Work): Promise<void>;
  /** Removes a directory that `make` or `copy` made, with all below. */
  remove(path: string): Promise<void>;
  /** When the directory of a snapshot was made, in any unit that grows. Default: its birth time. */
  age?(path: string): Promise<number>;
  /** Absent: volumes cannot be limited. */
  readonly limits?: DirectoryLimits | undefined;
  /** Why not, as a whole sentence. */
  readonly unlimited: string;
}

const tooLarge = (target: Volume, size: number, source: number): Error =>
  badRequest(`${describeVolume(target)} of ${size} bytes is too small for its source, which has ${source}`);

const nothing = { [Symbol.asyncDispose]: async (): Promise<void> => undefined };

/** The calls about volumes and snapshots of a pool that keeps each as a directory and each disk as a file in it. */
export const directoryVolumes = (root: string, store: DirectoryStore): VolumeCalls => {
  const snapshotMounts = mountCounter();

  const pathOf = (volume: Volume): string => volumeDirectory(root, volume);
  const diskOf = (volume: Volume): string | undefined => {
    const file = diskFile(volume.content);
    return file === undefined ? undefined : join(pathOf(volume), file);
  };
  const filesOf = (volume: Volume): { path: string; disk?: string } => {
    const disk = diskOf(volume);
    return { path: pathOf(volume), ...(disk === undefined ? {} : { disk }) };
  };

  const existing = async (volume: Volume): Promise<string> => {
    const path = pathOf(volume);
    if (!(await exists(path))) throw notFound(`${describeVolume(volume)} is not there`);
    return path;
  };

  /** Runs what makes the directory of a volume, and has it removed should a later step fail. */
  const making = async (volume: Volume, undo: UndoStack, make: (path: string) => Promise<void>): Promise<void> => {
    const path = pathOf(volume);
    const taken = (cause?: unknown): Error => conflict(`${describeVolume(volume)} exists already`, { cause });
    // Before the undo is registered: what is there already is not to be removed.
    if (await exists(path)) throw taken();
    if (volume.snapshot !== undefined) await makeDirectory(snapshotsDirectory(root, volume), 0o700);
    undo.add(`remove ${path}`, () => (volume.snapshot === undefined ? remove(path) : removeSnapshot(volume)));
    try {
      await make(path);
    } catch (error) {
      throw isErrno(error, 'EEXIST') ? taken(error) : error;
    }
  };

  const copyOne = async (target: Volume, from: Volume, undo: UndoStack, work?: Work): Promise<void> => {
    work?.signal?.throwIfAborted();
    const source = await existing(from);
    const snapshot = target.snapshot !== undefined;
    await making(target, undo, (path) => store.copy(source, path, { snapshot }, work));
    if (target.type !== from.type) await chmod(pathOf(target), volumeMode(target.type));
  };

  const remove = async (path: string): Promise<void> => {
    if (await exists(path)) await store.remove(path);
  };

  /** Limits what was just copied, if it fits. */
  const limitCopy = async (target: Volume, size: number, limits: DirectoryLimits): Promise<void> => {
    const path = pathOf(target);
    const counted = await limits.counted(path);
    if (counted > size) throw tooLarge(target, size, counted);
    await limits.set(path, size);
  };

  const removeSnapshot = async (volume: Volume): Promise<void> => {
    const path = pathOf(volume);
    await unmountLeftovers(path);
    await remove(path);
    try {
      await rmdir(dirname(path));
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTEMPTY')) throw error;
    }
  };

  return {
    hasVolume: (volume) => exists(pathOf(volume)),

    async createVolume(volume, fill, work) {
      await using undo = new UndoStack();
      await making(volume, undo, (path) => store.make(path, volumeMode(volume.type), volume));
      const disk = diskOf(volume);
      const size = volumeSize(volume);
      if (disk !== undefined) await createSparseFile(disk, size ?? (volume.content === 'iso' ? 0 : defaultDiskSize));
      else if (size !== undefined) await store.limits?.set(pathOf(volume), size);
      await fill?.({ ...filesOf(volume), ...nothing }, work ?? {});
      undo.commit();
    },

    async copyVolume(target, from, snapshots, work) {
      await using undo = new UndoStack();
      const size = volumeSize(target);
      const fromDisk = diskOf(from);
      await existing(from);
      if (fromDisk !== undefined && size !== undefined) {
        const { size: length } = await stat(fromDisk);
        if (length > size) throw tooLarge(target, size, length);
      }
      for (const snapshot of snapshots) await copyOne({ ...target, snapshot }, { ...from, snapshot }, undo, work);
      await copyOne(target, from, undo, work);
      const disk = diskOf(target);
      if (disk !== undefined && size !== undefined) await growRawDisk(disk, size);
      else if (size !== undefined && store.limits) await limitCopy(target, size, store.limits);
      undo.commit();
    },

    deleteVolume: (volume) => remove(pathOf(volume)),

    async renameVolume(volume, name) {
      const renamed = { ...volume, name };
      const [path, target] = [await existing(volume), pathOf(renamed)];
      if (await exists(target)) throw conflict(`"${target}" exists already`);
      const snapshots = [snapshotsDirectory(root, volume), snapshotsDirectory(root, renamed)] as const;
      await renameWithSnapshots([path, target], snapshots);
    },

    async resizeVolume(volume, size) {
      const path = await existing(volume);
      const disk = diskOf(volume);
      if (disk !== undefined) {
        if (size !== undefined) await growRawDisk(disk, size);
        return;
      }
      if (!store.limits) throw notImplemented(store.unlimited);
      if (size !== undefined) await store.limits.settle?.(path);
      const counted = size === undefined ? 0 : await store.limits.counted(path);
      if (size !== undefined && size < counted) {
        throw badRequest(`${describeVolume(volume)} cannot shrink to ${size} bytes: it uses ${counted}`);
      }
      await store.limits.set(path, size);
    },

    async usage(volume) {
      const path = await existing(volume);
      const disk = diskOf(volume);
      if (disk === undefined) return store.limits?.usage(path);
      const { blocks, size } = await stat(disk);
      return { used: blocks * 512, total: size };
    },

    async mountVolume(volume) {
      const path = await existing(volume);
      const mount =
        volume.snapshot === undefined ? nothing : await snapshotMounts.acquire(path, () => mountReadOnly(path));
      return { ...filesOf(volume), [Symbol.asyncDispose]: () => mount[Symbol.asyncDispose]() };
    },

    async createSnapshot(volume, work) {
      await using undo = new UndoStack();
      await copyOne(volume, parentOf(volume), undo, work);
      undo.commit();
    },

    deleteSnapshot: removeSnapshot,

    renameSnapshot: (volume, name) => renameDirectory(pathOf(volume), pathOf({ ...volume, snapshot: name })),

    async restoreVolume(volume, snapshot, work) {
      await using undo = new UndoStack();
      const path = await existing(volume);
      const source = await existing({ ...volume, snapshot });
      await makeDirectory(incompleteDirectory(root), 0o700);
      const copy = join(incompleteDirectory(root), randomUUID());
      // Once they have changed places this removes what the volume was.
      undo.add('remove the copy', () => remove(copy));
      await store.copy(source, copy, { snapshot: false }, work);
      const total = (await store.limits?.usage(path))?.total;
      if (total !== undefined) await store.limits?.set(copy, total);
      await exchangeDirectories(copy, path);
    },

    listVolumes: () =>
      findVolumes(root, ['container', 'virtual-machine', 'image', 'custom', 'bucket'], (path) =>
        (store.age ?? birthTime)(path),
      ),
  };
};
