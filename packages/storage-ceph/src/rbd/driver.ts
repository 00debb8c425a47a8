import { blockFilesystemConfig, commonVolumeConfig, defineStorageDriver, type StorageDriver } from '@lxd-ts/driver-kit';
import { isPlainName } from '../cluster.ts';
import { probeCeph } from '../probe.ts';
import { createOsdPool } from './osd-pool.ts';
import { openPool } from './pool.ts';

/** Features of images that the kernel can map (drivers/block/rbd.c; `rbd feature`). */
const features = ['layering', 'striping', 'exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten', 'data-pool'];

const isFeatureList = (value: string): void => {
  const unknown = value.split(',').find((feature) => !features.includes(feature.trim()));
  if (unknown !== undefined) throw new Error(`must be a comma-separated list of ${features.join(', ')}`);
};

/**
 * The `ceph` driver: a volume is an RBD image, with a file system on it unless it is a disk. A snapshot is one of RBD, a copy is a
 * clone of one.
 */
export const ceph: StorageDriver = defineStorageDriver({
  name: 'ceph',
  features: {
    optimizedImages: true,
    optimizedSnapshots: true,
    optimizedTransfer: true,
    copyOnWrite: true,
    blockBased: true,
    remote: true,
    restoreAnySnapshot: true,
    quotas: 'yes',
    nesting: false,
    volumeTypes: ['container', 'virtual-machine', 'image', 'custom'],
    customContent: ['filesystem', 'block', 'iso'],
    buckets: false,
    loopFiles: false,
    offeredByInit: true,
  },
  poolConfig: [
    {
      key: 'ceph.cluster_name',
      type: 'string',
      default: 'ceph',
      description: 'Ceph cluster in which to create the pool',
      check: isPlainName,
    },
    {
      key: 'ceph.osd.data_pool_name',
      type: 'string',
      description: 'OSD data pool, such as an erasure-coded one',
      check: isPlainName,
    },
    {
      key: 'ceph.osd.force_reuse',
      type: 'bool',
      default: 'false',
      description: 'Use an OSD pool that is in use by another LXD installation',
    },
    {
      key: 'ceph.osd.pg_num',
      type: 'integer',
      min: 1,
      default: '32',
      description: 'Number of placement groups of the OSD pool',
    },
    {
      key: 'ceph.osd.pool_name',
      type: 'string',
      default: 'name of the pool',
      description: 'Name of the OSD pool',
      check: isPlainName,
    },
    {
      key: 'ceph.rbd.clone_copy',
      type: 'bool',
      default: 'true',
      description: 'Copy by RBD clone instead of full copy',
    },
    {
      key: 'ceph.rbd.du',
      type: 'bool',
      default: 'true',
      condition: 'instance is stopped',
      description: 'Measure disk usage with rbd du',
    },
    {
      key: 'ceph.rbd.features',
      type: 'string',
      default: 'layering',
      description: 'Comma-separated RBD features for new volumes',
      check: isFeatureList,
    },
    {
      key: 'ceph.user.name',
      type: 'string',
      default: 'admin',
      description: 'Ceph user for pools and volumes',
      check: isPlainName,
    },
    { key: 'source', type: 'string', scope: 'local', description: 'Existing OSD pool to use', check: isPlainName },
    {
      key: 'volatile.pool.pristine',
      type: 'string',
      internal: true,
      default: 'true',
      description: 'Whether the OSD pool was empty at creation',
    },
  ],
  volumeConfig: [...blockFilesystemConfig, ...commonVolumeConfig],

  probe: async () => ({ version: await probeCeph('ceph', 'rbd', 'rbd') }),

  create: createOsdPool,
  open: openPool,
});
