import { mkdir, mkdtemp, rm, rmdir, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  badRequest,
  type Config,
  conflict,
  exists,
  isFalse,
  makePoolDirectories,
  type PoolResources,
  type PoolSpec,
  removePoolDirectories,
  type StoragePool,
  sendInto,
  unavailable,
} from '@lxd-ts/driver-kit';
import { mount, mountsBelow } from '@lxd-ts/host';
import { unless, zfs } from './commands.ts';
import type { PoolContext } from './context.ts';
import { copyVolume } from './copy.ts';
import { destroyDataset, destroyWithClones } from './destroy.ts';
import { disksOf } from './disks.ts';
import { awaitDying } from './dying.ts';
import { mountsOf } from './mounts.ts';
import { isDeleted, isHidden, poolDatasets, splitSnapshot } from './names.ts';
import { resizeVolume } from './resize.ts';
import { createSnapshot, deletedByRestore, deleteSnapshot, renameSnapshot, restoreVolume } from './snapshots.ts';
import { closeSource, deleteSource, growSource, openSource, rootDataset } from './source.ts';
import { spaceOf } from './space.ts';
import { receiveVolume, sendVolume, snapshotIds } from './transfer.ts';
import { updateVolume } from './update-volume.ts';
import { usageOfVolume } from './usage.ts';
import { createVolume, deleteVolume, hasVolume, listVolumes, renameVolume } from './volumes.ts';

/** Makes the datasets below the root that are missing. */
const makeDatasets = async (root: string, there: ReadonlySet<string>): Promise<void> => {
  for (const name of ['deleted', ...poolDatasets]) {
    const dataset = `${root}/${name}`;
    if (there.has(dataset)) continue;
    // The disks below have no devices until one is asked for.
    const hidden = name.endsWith('virtual-machines') ? ['-o', 'volmode=none'] : [];
    await unless('exists', () => zfs(['create', '-o', 'mountpoint=legacy', ...hidden, dataset]));
  }
};

/** Removes what a crash left: snapshots that were for a moment only, and what was deleted and has no clones any more. */
const clearUp = async (root: string, names: readonly string[]): Promise<void> => {
  for (const name of names) if (isHidden(splitSnapshot(name).label)) await destroyWithClones(name);
  for (const name of names) {
    const isTop = isDeleted(root, name) && name.split('/').length === root.split('/').length + 3;
    // One that is in use goes another time.
    if (isTop && !name.includes('@')) await unless('busy', () => destroyDataset(root, name, { busyForMs: 0 }));
  }
};

/** How much is free in a pool: asked of its root dataset, which is mounted for the moment. Starts no program. */
const freeIn = async (root: string): Promise<{ available: number; inodes: PoolResources['inodes'] }> => {
  const directory = await mkdtemp(join(tmpdir(), 'lxd-ts-zfs-'));
  try {
    await using mounted = await mount(root, directory, { type: 'zfs', options: 'ro' });
    const { bsize, bavail, files, ffree } = await statfs(mounted.target);
    return { available: bavail * bsize, inodes: { total: files, used: files - ffree } };
  } finally {
    await rmdir(directory);
  }
};

/** Opens a pool; see the contract. */
export const openPool = async (spec: PoolSpec): Promise<StoragePool> => {
  const root = rootDataset(spec);
  let config: Config = spec.config;
  await awaitDying(root);
  const imported = await openSource(spec);
  const space = spaceOf(root);
  const names = await space.refreshAll();
  if (names.length === 0) throw unavailable(`The dataset "${root}" of storage pool "${spec.name}" is not there`);
  if (!spec.inspect) {
    await makeDatasets(root, new Set(names));
    await clearUp(root, names);
    await mkdir(spec.path, { recursive: true, mode: 0o711 });
    await makePoolDirectories(spec.path);
  }

  const disks = disksOf(root);
  const mounts = mountsOf(spec, root, disks, (dataset) => space.changed(dataset));
  const pool: PoolContext = { name: spec.name, path: spec.path, root, config: () => config, disks, mounts, space };

  return {
    name: spec.name,
    path: spec.path,

    async resources() {
      const { available, inodes } = await freeIn(root);
      const total = space.total();
      return { space: { total, used: Math.max(0, total - available) }, inodes };
    },

    async update(next, changed) {
      for (const key of ['source', 'zfs.pool_name']) {
        if (changed.includes(key)) throw badRequest(`"${key}" of a storage pool cannot be changed`);
      }
      if (changed.includes('size')) {
        await growSource(spec, next.size ?? config.size ?? '');
        space.changed(root);
        await space.settled();
      }
      config = next;
    },

    async delete() {
      const [inUse] = mountsBelow(spec.path);
      if (inUse) throw conflict(`Storage pool "${spec.name}" is in use: "${inUse.target}" is mounted`);
      await space.settled();
      await deleteSource(spec);
      if (!(await exists(spec.path))) return;
      await removePoolDirectories(spec.path);
      await rm(spec.path, { recursive: true });
    },

    hasVolume: (volume) => hasVolume(pool, volume),
    createVolume: (volume, fill, work) => createVolume(pool, volume, fill, work),
    copyVolume: (target, source, snapshots, work) => copyVolume(pool, target, source, snapshots, work),
    deleteVolume: (volume) => deleteVolume(pool, volume),
    renameVolume: (volume, name) => renameVolume(pool, volume, name),
    resizeVolume: (volume, size) => resizeVolume(pool, volume, size),
    updateVolume: (volume, changed) => updateVolume(pool, volume, changed),
    usage: (volume) => usageOfVolume(pool, volume),
    mountVolume: (volume) => mounts.mountVolume(volume),
    createSnapshot: (volume) => createSnapshot(pool, volume),
    deleteSnapshot: (volume) => deleteSnapshot(pool, volume),
    renameSnapshot: (volume, name) => renameSnapshot(pool, volume, name),
    restoreVolume: (volume, snapshot) => restoreVolume(pool, volume, snapshot),
    deletedByRestore: (volume, snapshot) => deletedByRestore(pool, volume, snapshot),
    listVolumes: () => listVolumes(pool),
    send: (volume, base, to, work) => sendInto(to, () => sendVolume(pool, volume, base, to, work)),
    receive: (volume, base, from, work) => receiveVolume(pool, volume, base, from, work),
    snapshotIds: (volume) => snapshotIds(pool, volume),

    async [Symbol.asyncDispose]() {
      // Volumes in use keep the zpool; the next open finds it so.
      if (mountsBelow(spec.path).length > 0) return;
      const leave = spec.inspect ? imported : !isFalse(config['zfs.export']);
      // What is being asked of it would keep the zpool.
      await space.settled();
      if (leave) await closeSource(root);
    },
  };
};
