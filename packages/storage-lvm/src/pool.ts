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
import { z } from 'zod';
import { activate } from './activation.ts';
import { ask, lvm } from './command.ts';
import { groupOf, qualified } from './group.ts';
import { nodePath, parseLogicalVolumeName } from './names.ts';
import { isComplete, renameGroup, renameThinPool, settleNames } from './rename.ts';
import { deleteSource, detachSource, loopFile, openSource } from './source.ts';
import { finishSwaps, undoRestores } from './staged.ts';
import { lvmStore } from './store.ts';
import { usageOfThinPool } from './thin-pool.ts';

const groupRow = z.object({ vg_size: z.string(), vg_free: z.string(), vg_extent_size: z.string() });

/** Keys that decide how the pool is made. */
const fixed = ['source', 'lvm.use_thinpool', 'lvm.thinpool_metadata_size'];

/** Opens the pool: its volume group is there from now on, and nothing in it is half done. */
export const openPool = async (spec: PoolSpec): Promise<StoragePool> => {
  const root = spec.path;
  const group = groupOf(spec);
  let config: Config = spec.config;

  const about = async (): Promise<z.output<typeof groupRow>> => {
    const [row] = await ask('vgs', groupRow, group.name);
    if (!row) throw unavailable(`The volume group "${group.name}" of storage pool "${spec.name}" is not there`);
    return row;
  };

  await openSource(spec);
  if (!(await (spec.inspect ? isComplete : settleNames)(group))) {
    const missing = group.thinPool === undefined ? '' : ` with the thin pool "${group.thinPool}"`;
    throw unavailable(`The volume group "${group.name}"${missing} of storage pool "${spec.name}" is not there`);
  }
  if (group.thinPool !== undefined) await activate(group, group.thinPool);
  if (!spec.inspect) {
    await unmountForgotten((device) => device.startsWith(nodePath(group.name, '')));
    await finishSwaps(group);
    await undoRestores(group, async (name) => {
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
  let space: Promise<{ used: number; total: number }> | undefined;
  const measure = (): void => {
    if (group.thinPool !== undefined) return;
    const asked = about().then(({ vg_size, vg_free }) => ({
      total: Number(vg_size),
      used: Number(vg_size) - Number(vg_free),
    }));
    // Whoever wants to know is told of a failure.
    asked.catch(() => undefined);
    space = asked;
  };
  const extentSize = Number((await about()).vg_extent_size);
  measure();

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
    if (group.thinPool !== undefined && Number((await about()).vg_free) > 0) {
      await lvm(['lvextend', '--extents', '+100%FREE', qualified(group, group.thinPool)]);
    }
    measure();
  };

  return {
    name: spec.name,
    path: root,

    ...blockVolumes(
      root,
      lvmStore(group, extentSize, () => config, measure),
    ),

    async resources() {
      const told = group.thinPool === undefined ? await space : await usageOfThinPool(group, group.thinPool);
      if (!told) throw unavailable(`The thin pool "${group.thinPool}" of storage pool "${spec.name}" is not active`);
      // File systems are in the volumes: a pool has no inodes.
      return { space: told, inodes: { used: 0, total: 0 } };
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
      await space?.catch(() => undefined);
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
