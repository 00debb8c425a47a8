import { randomUUID } from 'node:crypto';
import { chmod, lstat, mkdir, rename, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  badRequest,
  type Config,
  conflict,
  copyTree,
  createRawDisk,
  defaultDiskSize,
  diskFile,
  exchangeDirectories,
  findVolumes,
  growRawDisk,
  incompleteDirectory,
  type MountedVolume,
  makeDirectory,
  makePoolDirectories,
  mountCounter,
  notFound,
  notImplemented,
  type PoolSpec,
  parseSize,
  removePoolDirectories,
  type StoragePool,
  snapshotsDirectory,
  UndoStack,
  type Volume,
  volumeDirectory,
  volumeMode,
  type Work,
} from '@lxd-ts/driver-kit';
import { bindMount, diskUsage, isErrno, isMountPoint, mountsBelow, removeTree, unmount } from '@lxd-ts/host';
import {
  adoptIntoProject,
  endProject,
  limitProject,
  limitsProjects,
  projectUsage,
  startProject,
} from './project-quota.ts';

const described = ({ name, snapshot }: Volume): string =>
  snapshot === undefined ? `Volume "${name}"` : `Snapshot "${snapshot}" of volume "${name}"`;

const sizeOf = ({ config }: Volume): number | undefined => (config.size ? parseSize(config.size) : undefined);

const exists = async (path: string): Promise<boolean> => {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
};

/** Renames a directory, unless the new name is taken. Nothing there is no error when `optional`. */
const renameDirectory = async (from: string, to: string, optional = false): Promise<void> => {
  if (await exists(to)) throw conflict(`"${to}" exists already`);
  try {
    await rename(from, to);
  } catch (error) {
    if (!(optional && isErrno(error, 'ENOENT'))) throw error;
  }
};

/** Opens the pool whose directories are, or get, made in `source`, which is visible at `spec.path`. */
export const openPool = async (spec: PoolSpec, source: string): Promise<StoragePool> => {
  const root = spec.path;
  let config: Config = spec.config;
  const snapshotMounts = mountCounter();
  await makePoolDirectories(root);
  await removeTree(incompleteDirectory(root));
  /** Whether new volumes are made projects. Looked up once: it changes with the mount options of the file system. */
  const quotas = limitsProjects(root);

  const pathOf = (volume: Volume): string => volumeDirectory(root, volume);
  const diskOf = (volume: Volume, path: string): { disk?: string } => {
    const file = diskFile(volume.content);
    return file === undefined ? {} : { disk: join(path, file) };
  };

  /** Makes the empty directory of a volume or snapshot. */
  const make = async (path: string, volume: Volume): Promise<void> => {
    try {
      await mkdir(path, { mode: volumeMode(volume.type) });
    } catch (error) {
      throw isErrno(error, 'EEXIST') ? conflict(`${described(volume)} exists already`, { cause: error }) : error;
    }
    if (quotas) startProject(path);
  };

  const makeSnapshotsDirectory = async (volume: Volume): Promise<void> =>
    makeDirectory(snapshotsDirectory(root, volume), 0o700);

  const remove = async (path: string): Promise<void> => {
    if (!(await exists(path))) return;
    if (quotas) endProject(path);
    await removeTree(path);
  };

  const removeSnapshot = async (volume: Volume): Promise<void> => {
    const path = pathOf(volume);
    // Read-only mounts of an earlier run.
    for (const { target } of mountsBelow(path)) await unmount(target, { lazy: true });
    await remove(path);
    try {
      await rmdir(dirname(path));
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTEMPTY')) throw error;
    }
  };

  const copyFiles = async (target: string, from: Volume, work: Work | undefined, live: boolean): Promise<void> => {
    const path = pathOf(from);
    if (!(await exists(path))) throw notFound(`${described(from)} is not there`);
    await copyTree(path, target, { ...work, bandwidthLimit: config['rsync.bwlimit'], allowInconsistent: live });
  };

  /** Makes one directory a copy of another; the caller undoes. */
  const copyOne = async (target: Volume, from: Volume, undo: UndoStack, work?: Work): Promise<void> => {
    const path = pathOf(target);
    await make(path, target);
    undo.add('remove the copy', () => (target.snapshot === undefined ? remove(path) : removeSnapshot(target)));
    await copyFiles(path, from, work, false);
    if (target.type !== from.type) await chmod(path, volumeMode(target.type));
  };

  const limit = async (volume: Volume, path: string, size: number | undefined): Promise<void> => {
    if (volume.content !== 'filesystem') return;
    if (projectUsage(path) === undefined) await adoptIntoProject(path);
    limitProject(path, size);
  };

  const resizeDisk = async (disk: string, size: number | undefined): Promise<void> => {
    if (size !== undefined) await growRawDisk(disk, size);
  };

  return {
    name: spec.name,
    path: root,

    async resources() {
      const { total, used, inodes } = await diskUsage(root);
      return { space: { total, used }, inodes };
    },

    async update(next, changed) {
      if (changed.includes('source')) throw badRequest('The source of a storage pool cannot be changed');
      config = next;
    },

    async delete() {
      const mounts = mountsBelow(root).filter(({ target }) => target !== root);
      if (mounts[0]) throw conflict(`Storage pool "${spec.name}" is in use: "${mounts[0].target}" is mounted`);
      if (await exists(root)) {
        await removePoolDirectories(root);
        if (source !== root) await unmount(root);
        await removeTree(root);
      }
    },

    hasVolume: (volume) => exists(pathOf(volume)),

    async createVolume(volume, fill, work) {
      await using undo = new UndoStack();
      const path = pathOf(volume);
      await make(path, volume);
      undo.add('remove the volume', () => remove(path));
      const { disk } = diskOf(volume, path);
      const size = sizeOf(volume);
      if (disk !== undefined) await createRawDisk(disk, size ?? (volume.content === 'iso' ? 0 : defaultDiskSize));
      else if (quotas && size !== undefined) limitProject(path, size);
      const mounted: MountedVolume = {
        path,
        ...diskOf(volume, path),
        [Symbol.asyncDispose]: async () => undefined,
      };
      await fill?.(mounted, work ?? {});
      undo.commit();
    },

    async copyVolume(target, from, snapshots, work) {
      await using undo = new UndoStack();
      const size = sizeOf(target);
      const disk = diskOf(from, pathOf(from)).disk;
      if (disk !== undefined && size !== undefined && (await stat(disk)).size > size) {
        throw badRequest(`${described(from)} is larger than the size of its copy, ${size} bytes`);
      }
      if (snapshots.length > 0) await makeSnapshotsDirectory(target);
      for (const snapshot of snapshots) {
        await copyOne({ ...target, snapshot }, { ...from, snapshot }, undo, work);
      }
      await copyOne(target, from, undo, work);
      const copied = pathOf(target);
      const { disk: copiedDisk } = diskOf(target, copied);
      if (copiedDisk !== undefined) await resizeDisk(copiedDisk, size);
      else if (quotas && size !== undefined) limitProject(copied, size);
      undo.commit();
    },

    deleteVolume: (volume) => remove(pathOf(volume)),

    async renameVolume(volume, name) {
      const renamed = { ...volume, name };
      await using undo = new UndoStack();
      await renameDirectory(pathOf(volume), pathOf(renamed));
      undo.add('rename back', () => rename(pathOf(renamed), pathOf(volume)));
      await renameDirectory(snapshotsDirectory(root, volume), snapshotsDirectory(root, renamed), true);
      undo.commit();
    },

    async resizeVolume(volume, size) {
      const path = pathOf(volume);
      const { disk } = diskOf(volume, path);
      if (disk !== undefined) return resizeDisk(disk, size);
      if (!limitsProjects(path)) {
        throw notImplemented(
          `Storage pool "${spec.name}" cannot limit volumes: its file system has no project quotas (ext4 and xfs with prjquota do)`,
        );
      }
      const used = projectUsage(path)?.used ?? 0;
      if (size !== undefined && size < used) {
        throw badRequest(`${described(volume)} cannot shrink to ${size} bytes: it uses ${used}`);
      }
      await limit(volume, path, size);
    },

    async usage(volume) {
      const path = pathOf(volume);
      const { disk } = diskOf(volume, path);
      if (disk !== undefined) {
        const { blocks, size } = await stat(disk);
        return { used: blocks * 512, total: size };
      }
      const usage = quotas ? projectUsage(path) : undefined;
      return usage && { used: usage.used, ...(usage.limit === undefined ? {} : { total: usage.limit }) };
    },

    async mountVolume(volume) {
      const path = pathOf(volume);
      if (!(await exists(path))) throw notFound(`${described(volume)} is not there`);
      const files = { path, ...diskOf(volume, path) };
      if (volume.snapshot === undefined) return { ...files, [Symbol.asyncDispose]: async () => undefined };
      // The snapshot's directory mounted on itself, so that nobody changes what is kept.
      const mount = await snapshotMounts.acquire(path, async () =>
        (await isMountPoint(path))
          ? { [Symbol.asyncDispose]: () => unmount(path) }
          : bindMount(path, path, { attributes: ['ro'] }),
      );
      return { ...files, [Symbol.asyncDispose]: () => mount[Symbol.asyncDispose]() };
    },

    async createSnapshot(volume, work) {
      await using undo = new UndoStack();
      const path = pathOf(volume);
      await makeSnapshotsDirectory(volume);
      await make(path, volume);
      undo.add('remove the snapshot', () => removeSnapshot(volume));
      const { snapshot: _, ...parent } = volume;
      // The volume may be in use: what goes away meanwhile is not part of the snapshot.
      await copyFiles(path, parent, work, true);
      undo.commit();
    },

    deleteSnapshot: removeSnapshot,

    renameSnapshot: (volume, name) => renameDirectory(pathOf(volume), pathOf({ ...volume, snapshot: name })),

    async restoreVolume(volume, snapshot, work) {
      await using undo = new UndoStack();
      const path = pathOf(volume);
      const incomplete = incompleteDirectory(root);
      await makeDirectory(incomplete, 0o700);
      const copy = join(incomplete, randomUUID());
      await make(copy, volume);
      // After the exchange, this is what the volume was.
      undo.add('remove the copy', () => remove(copy));
      await copyFiles(copy, { ...volume, snapshot }, work, false);
      if (quotas) limitProject(copy, projectUsage(path)?.limit);
      await exchangeDirectories(copy, path);
    },

    listVolumes: () => findVolumes(root, ['container', 'virtual-machine', 'image', 'custom']),

    async [Symbol.asyncDispose]() {
      if (source === root) return;
      try {
        await unmount(root);
      } catch (error) {
        // Others use volumes in it: it stays, and the next open finds it so.
        if (!isErrno(error, 'EBUSY')) throw error;
      }
    },
  };
};
