/** The calls about volumes of an open `cephfs` pool. A volume is a directory, a snapshot is one below its `.snap`. */
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  badRequest,
  conflict,
  copyTree,
  describeVolume,
  exists,
  type FoundVolume,
  notFound,
  parentOf,
  parseDiskName,
  renameDirectory,
  UndoStack,
  type Volume,
  type VolumeCalls,
  volumeDirectory,
  volumeMode,
  volumeSize,
  volumesDirectory,
} from '@lxd-ts/driver-kit';
import { isErrno, removeTree } from '@lxd-ts/host';
import { BEFORE, restoreTree } from './restore.ts';
import {
  bytesBelow,
  quotaOf,
  removeSnapshot,
  renameSnapshot,
  setQuota,
  snapshotPath,
  snapshotsOf,
  takeSnapshot,
} from './tree.ts';

/** Refuses what this driver does not hold, and names that are kept for other purposes. */
const check = (volume: Volume): void => {
  if (volume.type !== 'custom' || volume.content !== 'filesystem') {
    throw badRequest(
      'A CephFS pool holds custom file system volumes only: use another pool for instances, images, disks and buckets',
    );
  }
  const { snapshot } = volume;
  if (snapshot?.startsWith('_') || snapshot === BEFORE) {
    throw badRequest(`Invalid name "${snapshot}": CephFS keeps such names of snapshots for itself`);
  }
};

export const volumeCalls = (root: string): VolumeCalls => {
  const pathOf = (volume: Volume): string => volumeDirectory(root, parentOf(volume));
  const placeOf = (volume: Volume): string =>
    volume.snapshot === undefined ? pathOf(volume) : snapshotPath(pathOf(volume), volume.snapshot);

  const existing = async (volume: Volume): Promise<string> => {
    const place = placeOf(volume);
    if (!(await exists(place))) throw notFound(`${describeVolume(volume)} is not there`);
    return place;
  };

  const remove = async (path: string): Promise<void> => {
    if (!(await exists(path))) return;
    for (const snapshot of await snapshotsOf(path)) await removeSnapshot(path, snapshot);
    await removeTree(path);
  };

  /** Makes the directory of a new volume, and has it removed should a later step fail. */
  const make = async (volume: Volume, undo: UndoStack): Promise<string> => {
    check(volume);
    const path = pathOf(volume);
    try {
      await mkdir(path);
    } catch (error) {
      throw isErrno(error, 'EEXIST') ? conflict(`${describeVolume(volume)} exists already`, { cause: error }) : error;
    }
    undo.add(`remove ${path}`, () => remove(path));
    await chmod(path, volumeMode('custom'));
    return path;
  };

  const limit = (volume: Volume, path: string, size: number): void => {
    const used = bytesBelow(path);
    if (used > size) {
      throw badRequest(`${describeVolume(volume)} cannot be limited to ${size} bytes: it uses ${used}`);
    }
    setQuota(path, size);
  };

  return {
    hasVolume: (volume) => exists(placeOf(volume)),

    async createVolume(volume, fill, work = {}) {
      await using undo = new UndoStack();
      const path = await make(volume, undo);
      const size = volumeSize(volume);
      if (size !== undefined) setQuota(path, size);
      await fill?.({ path, [Symbol.asyncDispose]: async () => undefined }, work);
      undo.commit();
    },

    async copyVolume(target, source, snapshots, work) {
      work?.signal?.throwIfAborted();
      const from = await existing(source);
      for (const snapshot of snapshots) await existing({ ...source, snapshot });
      await using undo = new UndoStack();
      const path = await make(target, undo);
      for (const snapshot of snapshots) {
        await copyTree(snapshotPath(pathOf(source), snapshot), path, { ...work, refresh: true });
        await takeSnapshot(path, snapshot);
      }
      await copyTree(from, path, { ...work, refresh: true });
      const size = volumeSize(target);
      if (size !== undefined) limit(target, path, size);
      undo.commit();
    },

    deleteVolume: (volume) => remove(pathOf(volume)),

    async renameVolume(volume, name) {
      await existing(volume);
      await renameDirectory(pathOf(volume), pathOf({ ...volume, name }));
    },

    async resizeVolume(volume, size) {
      const path = await existing(volume);
      if (size === undefined) setQuota(path, undefined);
      else limit(volume, path, size);
    },

    async usage(volume) {
      const place = await existing(volume);
      const total = volume.snapshot === undefined ? quotaOf(place) : undefined;
      return { used: bytesBelow(place), ...(total === undefined ? {} : { total }) };
    },

    // The kernel lets nobody write below `.snap`.
    mountVolume: async (volume) => ({ path: await existing(volume), [Symbol.asyncDispose]: async () => undefined }),

    async createSnapshot(volume) {
      check(volume);
      const path = await existing(parentOf(volume));
      try {
        await takeSnapshot(path, volume.snapshot ?? '');
      } catch (error) {
        if (isErrno(error, 'EEXIST')) throw conflict(`${describeVolume(volume)} exists already`, { cause: error });
        if (!isErrno(error, 'EPERM')) throw error;
        throw badRequest(
          'The file system allows no snapshots: "ceph fs set NAME allow_new_snaps true" does, and the user needs the capability "s"',
          { cause: error },
        );
      }
    },

    deleteSnapshot: (volume) => removeSnapshot(pathOf(volume), volume.snapshot ?? ''),

    async renameSnapshot(volume, name) {
      const renamed = { ...volume, snapshot: name };
      check(renamed);
      await existing(volume);
      if (await exists(placeOf(renamed))) throw conflict(`${describeVolume(renamed)} exists already`);
      await renameSnapshot(pathOf(volume), volume.snapshot ?? '', name);
    },

    async restoreVolume(volume, snapshot, work) {
      const path = await existing(volume);
      await existing({ ...volume, snapshot });
      await restoreTree(root, path, snapshot, work);
    },

    async listVolumes() {
      const directory = volumesDirectory(root, 'custom');
      const found: FoundVolume[] = [];
      if (!(await exists(directory))) return found;
      for (const name of (await readdir(directory)).sort()) {
        const volume = { type: 'custom', content: 'filesystem', ...parseDiskName('custom', name), config: {} } as const;
        const snapshots = (await snapshotsOf(join(directory, name))).filter((snapshot) => snapshot !== BEFORE);
        found.push({ volume, snapshots });
      }
      return found;
    },
  };
};
