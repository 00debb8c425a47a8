import type { ConfigKey } from '@lxd-ts/driver-kit';
import { isDiskRate } from '../../config/checks.ts';
import { bootPriority } from './ids.ts';

const bool = (key: string, value: string, description: string, condition?: string): ConfigKey => ({
  key,
  type: 'bool',
  default: value,
  description,
  ...(condition === undefined ? {} : { condition }),
});

const limit = (key: string, description: string): ConfigKey => ({
  key,
  type: 'string',
  live: true,
  description,
  check: isDiskRate,
});

/** Keys of `disk` devices (spec 03 §27). */
export const diskKeys: readonly ConfigKey[] = [
  {
    key: 'source',
    type: 'string',
    condition: 'required, except on the root disk',
    description: 'Volume name, host path, ISO file, ceph:<pool>/<volume>, cephfs:<fs>/<path> or cloud-init:config',
  },
  {
    key: 'path',
    type: 'string',
    condition: 'required for file system sources',
    description: "Mount point in the instance; '/' marks the root disk",
  },
  { key: 'pool', type: 'string', condition: 'managed volumes', description: 'Storage pool that holds the volume' },
  bootPriority,
  {
    key: 'ceph.cluster_name',
    type: 'string',
    default: 'ceph',
    condition: 'Ceph or CephFS sources',
    description: 'Ceph cluster name',
  },
  {
    key: 'ceph.user_name',
    type: 'string',
    default: 'admin',
    condition: 'Ceph or CephFS sources',
    description: 'Ceph user',
  },
  {
    key: 'io.cache',
    type: 'string',
    default: 'none',
    values: ['none', 'writeback', 'unsafe'],
    condition: 'virtual-machine',
    description: 'Cache mode of the disk',
  },
  limit('limits.max', 'Sets both limits.read and limits.write'),
  limit('limits.read', 'Read rate in byte/s (units allowed) or in iops'),
  limit('limits.write', 'Write rate in byte/s (units allowed) or in iops'),
  {
    key: 'propagation',
    type: 'string',
    default: 'private',
    values: ['private', 'shared', 'slave', 'unbindable', 'rprivate', 'rshared', 'rslave', 'runbindable'],
    description: 'Propagation of mounts below a bind mount (mount_namespaces(7))',
  },
  { key: 'raw.mount.options', type: 'string', description: 'Extra mount options of the file system' },
  bool('readonly', 'false', 'Mount without write access'),
  bool('recursive', 'false', 'Include mounts below the source path'),
  bool('required', 'true', 'Fail when the source is absent'),
  bool('shift', 'false', "Shift the source's UIDs and GIDs to the map of the instance", 'container'),
  { key: 'size', type: 'size', condition: 'root disk', description: 'Size of the root disk' },
  {
    key: 'size.state',
    type: 'size',
    condition: 'root disk of a virtual-machine',
    description: 'Size of the volume that holds the saved runtime state',
  },
];
