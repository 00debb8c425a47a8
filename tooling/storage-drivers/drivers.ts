/** The storage drivers that come with the daemon, in the order in which documents name them. */
import type { StorageDriver } from '@lxd-ts/driver-kit';
import { btrfs } from '@lxd-ts/storage-btrfs';
import { ceph, cephfs, cephobject } from '@lxd-ts/storage-ceph';
import { dir } from '@lxd-ts/storage-dir';
import { lvm } from '@lxd-ts/storage-lvm';
import { zfs } from '@lxd-ts/storage-zfs';

export const drivers: readonly StorageDriver[] = [dir, btrfs, lvm, zfs, ceph, cephfs, cephobject];
