import { chmod, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  badRequest,
  conflict,
  describeVolume,
  exists,
  type MountedVolume,
  mountCounter,
  notFound,
  notImplemented,
  type PoolSpec,
  parentOf,
  renameDirectory,
  renameWithSnapshots,
  type StoragePool,
  snapshotsDirectory,
  UndoStack,
  unmountLeftovers,
  type Volume,
  volumeDirectory,
  volumeMode,
  type Work,
} from '@lxd-ts/driver-kit';
import { diskUsage, isErrno, isMountPoint, mountsBelow, removeTree } from '@lxd-ts/host';
import { openLayers } from './layers.ts';
import { keyedLock } from './locks.ts';
import { longestLower, lowerOption, mountFrozen, mountWritable } from './overlay-mount.ts';
import { openStacks, type Stack } from './stacks.ts';

/** Opens the pool whose layers and stacks are below `source`. Volumes are mounted below `spec.path`. */
export const openPool = async (spec: PoolSpec, source: string): Promise<StoragePool> => {
  const root = spec.path;
  const layers = await openLayers(join(source, 'layers'));
  const stacks = openStacks(join(source, 'stacks'));
  const mounts = mountCounter();
  const lock = keyedLock();

  const pathOf = (volume: Volume): string => volumeDirectory(root, volume);
  const stackOf = async (volume: Volume): Promise<Stack> => {
    const stack = await stacks.read(volume);
    if (!stack) throw notFound(`${describeVolume(volume)} is not there`);
    return stack;
  };
  const refuseExisting = async (volume: Volume): Promise<void> => {
    if (await stacks.read(volume)) throw conflict(`${describeVolume(volume)} exists already`);
  };

  /** The paths of frozen layers, with the empty one at the bottom. */
  const below = (ids: readonly string[]): string[] => [...ids, layers.empty].map(layers.pathOf);

  /** One layer that holds what several do together, once there are more than one mount can take. */
  const flattened = async (frozen: Stack, work?: Work): Promise<Stack> => {
    if (lowerOption(below(frozen)).length < longestLower) return frozen;
    const target = join(source, 'flattening', frozen[0]);
    await using _ = await mountFrozen(target, below(frozen));
    return [await layers.copyOf(target, work)];
  };

  /**
   * The layers of a volume or snapshot as they are now, frozen. Of a volume that nobody has mounted the layer on top is kept as
   * it is and another one put over it; of one in use, it is copied.
   */
  const frozen = (volume: Volume, work?: Work): Promise<Stack> =>
    lock(pathOf(volume), async () => {
      const [top, ...rest] = await stackOf(volume);
      if (volume.snapshot !== undefined) return [top, ...rest];
      const mounted = mounts.inUse(pathOf(volume)) || (await isMountPoint(pathOf(volume)));
      const kept: Stack = [mounted ? await layers.copyOf(layers.pathOf(top), work) : top, ...rest];
      const stack = await flattened(kept, work);
      if (!mounted) await stacks.write(volume, [await layers.make(top), ...stack]);
      if (stack !== kept) await release(kept);
      return stack;
    });

  /** Removes those of the layers that no stack has any more. */
  const release = (ids: readonly string[]): Promise<void> =>
    lock('layers', async () => {
      const used = new Set<string>();
      for (const { volume, snapshots } of await stacks.list()) {
        const all = [volume, ...snapshots.map((snapshot) => ({ ...volume, snapshot }))];
        for (const one of all) for (const id of (await stacks.read(one)) ?? []) used.add(id);
      }
      for (const id of ids) if (!used.has(id)) await layers.remove(id);
    });

  // What a daemon that was killed had begun.
  await removeTree(join(source, 'flattening'));
  await release(await layers.ids());

  const remove = async (volume: Volume): Promise<void> => {
    const stack = await stacks.read(volume);
    await unmountLeftovers(pathOf(volume));
    await stacks.remove(volume);
    await removeMountPoint(volume);
    if (stack) await release(stack);
  };

  const removeMountPoint = async (volume: Volume): Promise<void> => {
    const path = pathOf(volume);
    for (const directory of volume.snapshot === undefined ? [path] : [path, join(path, '..')]) {
      try {
        await rmdir(directory);
      } catch (error) {
        if (!isErrno(error, 'ENOENT', 'ENOTEMPTY')) throw error;
      }
    }
  };

  const mountVolume = async (volume: Volume): Promise<MountedVolume> => {
    const path = pathOf(volume);
    const shared = await mounts.acquire(path, () =>
      lock(path, async () => {
        const [top, ...rest] = await stackOf(volume);
        if (volume.snapshot !== undefined) return mountFrozen(path, below([top, ...rest]));
        return mountWritable(path, layers.pathOf(top), below(rest), stacks.directoryOf(volume));
      }),
    );
    return { path, [Symbol.asyncDispose]: () => shared[Symbol.asyncDispose]() };
  };

  /** Makes one volume or snapshot of the layers of another. */
  const copyOne = async (target: Volume, from: Volume, undo: UndoStack, work?: Work): Promise<void> => {
    work?.signal?.throwIfAborted();
    await refuseExisting(target);
    const stack = await frozen(from, work);
    undo.add('remove the copy', () => remove(target));
    if (target.snapshot !== undefined) return stacks.write(target, stack);
    const top = await layers.make(stack[0]);
    if (target.type !== from.type) await chmod(layers.pathOf(top), volumeMode(target.type));
    return stacks.write(target, [top, ...stack]);
  };

  return {
    name: spec.name,
    path: root,

    async resources() {
      const { total, used, inodes } = await diskUsage(source);
      return { space: { total, used }, inodes };
    },

    async update(_, changed) {
      if (changed.includes('source')) throw badRequest('The source of a storage pool cannot be changed');
    },

    async delete() {
      const [mounted] = mountsBelow(root);
      if (mounted) throw conflict(`Storage pool "${spec.name}" is in use: "${mounted.target}" is mounted`);
      for (const name of ['layers', 'stacks', 'flattening']) await removeTree(join(source, name));
      if (await exists(root)) await removeTree(root);
    },

    hasVolume: async (volume) => (await stacks.read(volume)) !== undefined,

    async createVolume(volume, fill, work) {
      await using undo = new UndoStack();
      await refuseExisting(volume);
      const top = await layers.make(volumeMode(volume.type));
      undo.add('remove the volume', () => remove(volume));
      await stacks.write(volume, [top]);
      if (fill) {
        await using mounted = await mountVolume(volume);
        await fill(mounted, work ?? {});
      }
      undo.commit();
    },

    async copyVolume(target, from, snapshots, work) {
      await using undo = new UndoStack();
      // The volume first: layers are looked for in volumes and their snapshots.
      await copyOne(target, from, undo, work);
      for (const snapshot of snapshots) await copyOne({ ...target, snapshot }, { ...from, snapshot }, undo, work);
      undo.commit();
    },

    deleteVolume: remove,

    async renameVolume(volume, name) {
      const renamed = { ...volume, name };
      await refuseExisting(renamed);
      const snapshotsOf = (one: Volume): string => snapshotsDirectory(join(source, 'stacks'), one);
      await renameWithSnapshots(
        [stacks.directoryOf(volume), stacks.directoryOf(renamed)],
        [snapshotsOf(volume), snapshotsOf(renamed)],
      );
      await removeMountPoint(volume);
    },

    async resizeVolume() {
      throw notImplemented(`Storage pool "${spec.name}" cannot limit volumes: overlayfs has no quotas`);
    },

    // Nobody counts, and to count means to read it all.
    usage: async () => undefined,

    mountVolume,

    async createSnapshot(volume, work) {
      await using undo = new UndoStack();
      await copyOne(volume, parentOf(volume), undo, work);
      undo.commit();
    },

    deleteSnapshot: remove,

    async renameSnapshot(volume, name) {
      await renameDirectory(stacks.directoryOf(volume), stacks.directoryOf({ ...volume, snapshot: name }));
      await removeMountPoint(volume);
    },

    async restoreVolume(volume, snapshot) {
      const before = await stackOf(volume);
      const stack = await frozen({ ...volume, snapshot });
      await stacks.write(volume, [await layers.make(stack[0]), ...stack]);
      await release(before);
    },

    listVolumes: () => stacks.list(),

    // Only volumes are mounted, by those who use them.
    [Symbol.asyncDispose]: async () => undefined,
  };
};
