import { commonVolumeConfig, defineStorageDriver, isAbsolutePath, type StorageDriver } from '@lxd-ts/driver-kit';
import { isPlainName } from '../cluster.ts';
import { probeCeph } from '../probe.ts';
import { openPool } from './pool.ts';
import { createCephfs, parseSource } from './source.ts';

/** The `cephfs` driver: a volume is a directory of a CephFS with a quota, a snapshot is one of the metadata server's. */
export const cephfs: StorageDriver = defineStorageDriver({
  name: 'cephfs',
  features: {
    optimizedImages: false,
    optimizedSnapshots: true,
    optimizedTransfer: false,
    copyOnWrite: true,
    blockBased: false,
    remote: true,
    restoreAnySnapshot: true,
    quotas: 'yes',
    nesting: false,
    volumeTypes: ['custom'],
    customContent: ['filesystem'],
    buckets: false,
    loopFiles: false,
    offeredByInit: false,
  },
  poolConfig: [
    {
      key: 'cephfs.cluster_name',
      type: 'string',
      default: 'ceph',
      description: 'Ceph cluster that holds the file system',
      check: isPlainName,
    },
    {
      key: 'cephfs.create_missing',
      type: 'bool',
      default: 'false',
      description: 'Make the file system and its OSD pools when they are missing',
    },
    {
      key: 'cephfs.data_pool',
      type: 'string',
      condition: 'cephfs.create_missing',
      description: 'OSD pool for the data of a new file system',
      check: isPlainName,
    },
    {
      key: 'cephfs.fscache',
      type: 'bool',
      default: 'false',
      description: 'Use the kernel fscache with cachefilesd',
    },
    {
      key: 'cephfs.meta_pool',
      type: 'string',
      condition: 'cephfs.create_missing',
      description: 'OSD pool for the metadata of a new file system',
      check: isPlainName,
    },
    {
      key: 'cephfs.osd_pg_num',
      type: 'integer',
      min: 1,
      default: '32',
      condition: 'cephfs.create_missing',
      description: 'Number of placement groups of new OSD pools',
    },
    {
      key: 'cephfs.path',
      type: 'string',
      default: '/',
      description: 'Base path of the CephFS mount',
      check: isAbsolutePath,
    },
    {
      key: 'cephfs.user.name',
      type: 'string',
      default: 'admin',
      description: 'Ceph user',
      check: isPlainName,
    },
    {
      key: 'source',
      type: 'string',
      scope: 'local',
      condition: 'required',
      description: 'Existing CephFS file system, or a path in it',
      check: (source) => {
        parseSource({ source });
      },
    },
    {
      key: 'volatile.pool.pristine',
      type: 'string',
      internal: true,
      default: 'true',
      description: 'Whether the file system was empty at creation',
    },
  ],
  volumeConfig: commonVolumeConfig,

  probe: async () => ({ version: await probeCeph('cephfs', 'rbd', 'ceph') }),

  create: createCephfs,
  open: openPool,
});
