/** An open pool of the `cephfs` driver. */
import { mkdir, rmdir } from 'node:fs/promises';
import {
  badRequest,
  conflict,
  incompleteDirectory,
  isTrue,
  makeDirectory,
  type PoolSpec,
  type StoragePool,
  volumesDirectory,
} from '@lxd-ts/driver-kit';
import { diskUsage, isErrno, isMountPoint, remount, removeTree, run, unmount } from '@lxd-ts/host';
import { QUICK, within } from '../cluster.ts';
import { mountCephfs } from './mount.ts';
import { putBackUnfinished } from './restore.ts';
import { clusterOf, parseSource } from './source.ts';
import { volumeCalls } from './volumes.ts';

/** Keys that say where the pool is, or how it was made: they cannot change. */
const fixed = [
  'source',
  'cephfs.cluster_name',
  'cephfs.user.name',
  'cephfs.path',
  'cephfs.create_missing',
  'cephfs.osd_pg_num',
  'cephfs.meta_pool',
  'cephfs.data_pool',
];

const unmountWithin = (path: string): Promise<void> => within(QUICK, `"${path}" could not be unmounted`, unmount(path));

/**
 * Waits until the cluster has carried out what a killed process has asked of it, and has the kernel forget names: what it once found below
 * `.snap` it never asks for again, also when it was renamed since.
 */
const settle = async (root: string): Promise<void> => {
  await run(['sync', '--file-system', root]);
  await remount(root, '');
};

export const openPool = async (spec: PoolSpec): Promise<StoragePool> => {
  const { path: root, config } = spec;
  await mkdir(root, { recursive: true, mode: 0o711 });
  const mounted = await isMountPoint(root);
  if (!mounted) {
    await mountCephfs(clusterOf(spec), parseSource(config), root, { cache: isTrue(config['cephfs.fscache']) });
  }
  if (!spec.inspect) {
    if (mounted) await within(QUICK, `CephFS at "${root}" did not answer`, settle(root));
    await makeDirectory(volumesDirectory(root, 'custom'), 0o711);
    await putBackUnfinished(root);
  }

  return {
    name: spec.name,
    path: root,
    ...volumeCalls(root),

    async resources() {
      const asked = diskUsage(root);
      const { total, used, inodes } = await within(QUICK, `CephFS at "${root}" did not tell its use`, asked);
      // CephFS has no fixed number of inodes: the kernel tells how many files there are, and -1 as free.
      return { space: { total, used }, inodes: { used: Math.max(0, inodes.used), total: Math.max(0, inodes.total) } };
    },

    async update(_config, changed) {
      const refused = changed.find((key) => fixed.includes(key));
      if (refused !== undefined) throw badRequest(`"${refused}" of a storage pool cannot be changed`);
    },

    async delete() {
      await removeTree(volumesDirectory(root, 'custom'));
      await removeTree(incompleteDirectory(root));
      try {
        await unmountWithin(root);
      } catch (error) {
        throw isErrno(error, 'EBUSY') ? conflict(`Storage pool "${spec.name}" is in use`, { cause: error }) : error;
      }
      await rmdir(root);
    },

    async [Symbol.asyncDispose]() {
      try {
        await unmountWithin(root);
      } catch (error) {
        // Others use volumes in it: it stays, and the next open finds it so.
        if (!isErrno(error, 'EBUSY')) throw error;
      }
    },
  };
};
