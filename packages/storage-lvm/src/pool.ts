import { mkdir, rmdir, stat, truncate } from 'node:fs/promises';
import {
  badRequest,
  blockVolumes,
  type Config,
  conflict,
  exists,
  isKind,
  makePoolDirectories,
  type PoolSpec,
  parseSize,
  removeEmptyDirectories,
  removePoolDirectories,
  type StoragePool,
  unavailable,
  unmountForgotten,
  volumeDirectory,
} from '@lxd-ts/driver-kit';
import { findLoops, mountsBelow, resizeLoop, unmount } from '@lxd-ts/host';
import { activate } from './activation.ts';
import { lvm } from './command.ts';
import { groupOf, qualified } from './group.ts';
import { nodePath, parseLogicalVolumeName } from './names.ts';
import { renameGroup, renameThinPool, settleNames } from './rename.ts';
import { deleteSource, detachSource, loopFile, openSource, volumeGroups } from './source.ts';
import { finishSwaps, undoRestores } from './staged.ts';
import { lvmStore } from './store.ts';
import { usageOfThinPool } from './thin-pool.ts';

/** Keys that decide how the pool is made. */
const fixed = ['source', 'lvm.use_thinpool', 'lvm.thinpool_metadata_size'];

/** Opens the pool: its volume group is there from now on, and nothing in it is half done. */
export const openPool = async (spec: PoolSpec): Promise<StoragePool> => {
  const root = spec.path;
  const group = groupOf(spec);
  let config: Config = spec.config;

  await openSource(spec);
  const settled = await settleNames(group, spec.inspect ?? false);
  if (!settled) {
    const missing = group.thinPool === undefined ? '' : ` with the thin pool "${group.thinPool}"`;
    throw unavailable(`The volume group "${group.name}"${missing} of storage pool "${spec.name}" is not there`);
  }
  if (group.thinPool !== undefined) await activate(group, group.thinPool);
  if (!spec.inspect) {
    await unmountForgotten((device) => device.startsWith(nodePath(group.name, '')));
    const names = settled.volumes.map(({ name }) => name);
    await finishSwaps(group, names);
    await undoRestores(group, names, async (name) => {
      const disk = parseLogicalVolumeName(name);
      if (disk) await unmount(volumeDirectory(root, disk.volume));
    });
  }
  await mkdir(root, { recursive: true, mode: 0o711 });
  await makePoolDirectories(root);

  /**
   * Thick volumes: LVM alone knows what is free, so it is asked after each change, and whoever wants to know waits for that
   * rather than ask himself.
   */
  let space = Promise.resolve(settled.found);
  const measure = (): void => {
    if (group.thinPool !== undefined) return;
    space = (async () => {
      const [found] = await volumeGroups(group.name);
      if (!found) throw unavailable(`The volume group "${group.name}" of storage pool "${spec.name}" is not there`);
      return found;
    })();
    // Whoever wants to know is told of a failure.
    space.catch(() => undefined);
  };

  const grow = async (size: string): Promise<void> => {
    const file = loopFile(spec);
    if (config.source !== file) {
      throw badRequest(`Storage pool "${spec.name}" cannot grow: only pools in a loop file made by the server can`);
    }
    const [wanted, { size: now }] = [parseSize(size), await stat(file)];
    if (wanted < now) throw badRequest(`Storage pools cannot be shrunk: it has ${now} bytes, ${wanted} were asked for`);
    await truncate(file, wanted);
    for (const { path } of findLoops(file)) {
      await resizeLoop(path);
      await lvm(['pvresize', path]);
    }
    const [found] = await volumeGroups(group.name);
    if (group.thinPool !== undefined && found !== undefined && found.free > 0) {
      await lvm(['lvextend', '--extents', '+100%FREE', qualified(group, group.thinPool)]);
    }
    measure();
  };

  return {
    name: spec.name,
    path: root,

    ...blockVolumes(
      root,
      lvmStore(group, settled.found.extentSize, () => config, measure),
    ),

    async resources() {
      // File systems are in the volumes: a pool has no inodes.
      const inodes = { used: 0, total: 0 };
      if (group.thinPool === undefined) {
        const { size, free } = await space;
        return { space: { used: size - free, total: size }, inodes };
      }
      const usage = await usageOfThinPool(group, group.thinPool);
      if (!usage) throw unavailable(`The thin pool "${group.thinPool}" of storage pool "${spec.name}" is not active`);
      return { space: usage, inodes };
    },

    async update(next, changed) {
      for (const key of fixed) {
        if (changed.includes(key)) throw badRequest(`"${key}" of a storage pool cannot be changed`);
      }
      if (changed.includes('size')) await grow(next.size ?? config.size ?? '');
      const wanted = groupOf({ name: spec.name, config: next });
      const { thinPool } = group;
      if (wanted.name !== group.name) await renameGroup(group, wanted.name);
      if (thinPool !== undefined && wanted.thinPool !== undefined && wanted.thinPool !== thinPool) {
        await renameThinPool(group, thinPool, wanted.thinPool);
      }
      config = next;
    },

    async delete() {
      const mounted = mountsBelow(root)[0];
      if (mounted) throw conflict(`Storage pool "${spec.name}" is in use: "${mounted.target}" is mounted`);
      await deleteSource({ ...spec, config }, group);
      if (!(await exists(root))) return;
      await removePoolDirectories(root);
      await rmdir(root);
    },

    async [Symbol.asyncDispose]() {
      // Others use volumes in it: it stays, and the next open finds it so.
      if (mountsBelow(root).length > 0) return;
      // Not to be overtaken by a question that is under way.
      await space.catch(() => undefined);
      try {
        await lvm(['vgchange', '--activate', 'n', group.name]);
      } catch (error) {
        if (isKind(error, 'conflict')) return;
        throw error;
      }
      if (config.source?.startsWith('/')) await detachSource(config.source);
      // Who only looked leaves nothing: these are the places at which volumes were mounted.
      if (spec.inspect) await removeEmptyDirectories(root);
    },
  };
};
