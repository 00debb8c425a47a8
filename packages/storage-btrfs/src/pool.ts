import { randomUUID } from 'node:crypto';
import { readdir, rmdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import {
  badRequest,
  type Config,
  conflict,
  type DirectoryStore,
  describeVolume,
  directoryVolumes,
  exchangeDirectories,
  exists,
  incompleteDirectory,
  makeDirectory,
  makePoolDirectories,
  notFound,
  type PoolSpec,
  parseSize,
  removePoolDirectories,
  type StoragePool,
  sendInto,
  snapshotsDirectory,
  UndoStack,
  type Volume,
  volumeDirectory,
  volumeSize,
  withDirectory,
} from '@lxd-ts/driver-kit';
import {
  diskUsage,
  findLoops,
  isErrno,
  mountsBelow,
  remount,
  removeTree,
  resizeLoop,
  run,
  unmount,
} from '@lxd-ts/host';
import { subvolumeInfo } from './ioctl.ts';
import { mountOptions } from './mount-source.ts';
import { turnOffCopyOnWrite } from './no-copy-on-write.ts';
import { quotasOf } from './quota.ts';
import { deleteSource, loopFile, sourceKind } from './source.ts';
import { deleteTree, isSubvolume, makeSubvolume, snapshotTree } from './subvolumes.ts';
import { receiveTree, sendTree } from './transfer.ts';

/** Opens the pool that is mounted at `spec.path`. */
export const openPool = async (spec: PoolSpec, source: string): Promise<StoragePool> => {
  const root = spec.path;
  let config: Config = spec.config;
  const quotas = quotasOf(root);
  const remove = (path: string): Promise<void> => deleteTree(path, quotas?.forget);
  if (!spec.inspect) {
    await makePoolDirectories(root);
    await clearIncomplete(root, remove);
    await quotas?.forgetDeleted();
  }

  const store: DirectoryStore = {
    async make(path, mode, volume) {
      await makeSubvolume(path, mode);
      // What is rewritten in place all the time would be torn to pieces by copying on write.
      if (volume.content === 'block') withDirectory(path, turnOffCopyOnWrite);
    },
    copy: (from, target, { snapshot }) => snapshotTree(from, target, snapshot),
    remove,
    age: async (path) => Number(withDirectory(path, subvolumeInfo).created),
    limits: quotas,
    unlimited: `Storage pool "${spec.name}" cannot limit volumes: Btrfs quotas cannot be managed inside a container`,
  };
  const pathOf = (volume: Volume): string => volumeDirectory(root, volume);
  const baseOf = (volume: Volume, base: string | undefined): string | undefined =>
    base === undefined ? undefined : pathOf({ ...volume, snapshot: base });

  const grow = async (size: string): Promise<void> => {
    if (source !== loopFile(spec)) {
      throw badRequest(`Storage pool "${spec.name}" cannot grow: only pools in a loop file made by the server can`);
    }
    const [wanted, { size: now }] = [parseSize(size), await stat(source)];
    if (wanted < now) throw badRequest(`Storage pools cannot be shrunk: it has ${now} bytes, ${wanted} were asked for`);
    await truncate(source, wanted);
    for (const { path } of findLoops(source)) await resizeLoop(path);
    await run(['btrfs', '--quiet', 'filesystem', 'resize', 'max', root], { debianPackage: 'btrfs-progs' });
  };

  /** Unmounts the pool for good. */
  const leave = async (): Promise<void> => {
    try {
      await unmount(root);
    } catch (error) {
      throw isErrno(error, 'EBUSY') ? conflict(`Storage pool "${spec.name}" is in use`, { cause: error }) : error;
    }
    await rmdir(root);
  };

  return {
    name: spec.name,
    path: root,

    ...directoryVolumes(root, store),

    async resources() {
      const { total, used, inodes } = await diskUsage(root);
      return { space: { total, used }, inodes };
    },

    async update(next, changed) {
      if (changed.includes('source')) throw badRequest('The source of a storage pool cannot be changed');
      if (changed.includes('size')) await grow(next.size ?? config.size ?? '');
      if (changed.includes('btrfs.mount_options')) await remount(root, mountOptions({ config: next }));
      config = next;
    },

    async delete() {
      const mounts = mountsBelow(root).filter(({ target }) => target !== root);
      if (mounts[0]) throw conflict(`Storage pool "${spec.name}" is in use: "${mounts[0].target}" is mounted`);
      if (await exists(root)) {
        if ((await sourceKind(source)) === 'subvolume') {
          await clearIncomplete(root, remove);
          await removePoolDirectories(root);
        }
        if (source !== root) await leave();
      }
      await deleteSource(spec, source);
    },

    send: (volume, base, to, work) =>
      sendInto(to, async () => {
        const path = pathOf(volume);
        if (!(await exists(path))) throw notFound(`${describeVolume(volume)} is not there`);
        await sendTree(root, path, baseOf(volume, base), to, remove, work);
      }),

    async receive(volume, base, from, work) {
      const path = pathOf(volume);
      const basePath = baseOf(volume, base);
      if (basePath !== undefined && !(await exists(basePath))) throw notFound(`Snapshot "${base}" is not there`);
      const isSnapshot = volume.snapshot !== undefined;
      const replaced = await exists(path);
      if (replaced && (isSnapshot || base === undefined)) throw conflict(`${describeVolume(volume)} exists already`);
      await using undo = new UndoStack();
      if (isSnapshot) await makeDirectory(snapshotsDirectory(root, volume), 0o700);
      await makeDirectory(incompleteDirectory(root), 0o700);
      const arrived = replaced ? join(incompleteDirectory(root), randomUUID()) : path;
      undo.add('remove what was received', () => remove(arrived));
      await receiveTree(root, arrived, isSnapshot, from, remove, work);
      const size = volumeSize(volume);
      if (size !== undefined && !isSnapshot && volume.content === 'filesystem') await quotas?.set(arrived, size);
      // What is removed then is what the volume was.
      if (replaced) await exchangeDirectories(arrived, path);
      else undo.commit();
    },

    async snapshotIds(volume) {
      const directory = snapshotsDirectory(root, volume);
      if (!(await exists(directory))) return [];
      return (await readdir(directory))
        .map((snapshot) => ({ snapshot, ...withDirectory(join(directory, snapshot), subvolumeInfo) }))
        .sort((one, other) => (one.created < other.created ? -1 : 1))
        .map(({ snapshot, uuid, receivedUuid }) => ({
          snapshot,
          id: (receivedUuid.some((byte) => byte !== 0) ? receivedUuid : uuid).toString('hex'),
          isBase: true,
        }));
    },

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

/** Removes what was not finished when the daemon went away: subvolumes, and directories with subvolumes in them. */
const clearIncomplete = async (root: string, remove: (path: string) => Promise<void>): Promise<void> => {
  const directory = incompleteDirectory(root);
  if (!(await exists(directory))) return;
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (await isSubvolume(path)) await remove(path);
    else for (const part of await readdir(path)) await remove(join(path, part));
  }
  await removeTree(directory);
};
