import {
  blockFilesystemConfig,
  type ConfigKey,
  commonVolumeConfig,
  defineStorageDriver,
  loopPoolConfig,
  messageOf,
  notImplemented,
  parseSize,
  rsyncPoolConfig,
  type StorageDriver,
} from '@lxd-ts/driver-kit';
import { run } from '@lxd-ts/host';
import { defaultThinPool } from './group.ts';
import { openPool } from './pool.ts';
import { createSource } from './source.ts';

/** lvm(8), "VALID NAMES" */
const isName = (value: string): void => {
  if (!/^(?!-|\.\.?$)[a-zA-Z0-9+_.-]{1,64}$/.test(value)) {
    throw new Error('must be a name of up to 64 letters, digits and + _ . - that does not begin with -');
  }
};

const poolConfig: readonly ConfigKey[] = [
  ...loopPoolConfig,
  ...rsyncPoolConfig,
  {
    key: 'source',
    type: 'string',
    scope: 'local',
    description: 'Existing block device or LVM volume group; unset: a loop file is made',
  },
  {
    key: 'lvm.thinpool_metadata_size',
    type: 'size',
    default: '0',
    condition: 'lvm.use_thinpool is true',
    description: 'Size of the thin pool metadata volume (0: LVM decides)',
  },
  {
    key: 'lvm.thinpool_name',
    type: 'string',
    scope: 'local',
    default: defaultThinPool,
    condition: 'lvm.use_thinpool is true',
    description: 'Thin pool in which volumes are created; changing it renames the thin pool',
    check: isName,
  },
  {
    key: 'lvm.use_thinpool',
    type: 'bool',
    default: 'true',
    condition: 'chosen when the pool is created',
    description: 'Whether logical volumes are thin',
  },
  {
    key: 'lvm.vg.force_reuse',
    type: 'bool',
    default: 'false',
    description: 'Use an existing volume group that is not empty',
  },
  {
    key: 'lvm.vg_name',
    type: 'string',
    scope: 'local',
    default: 'name of the pool',
    description: 'Volume group to create; changing it renames the group',
    check: isName,
  },
];

const volumeConfig: readonly ConfigKey[] = [
  ...commonVolumeConfig,
  ...blockFilesystemConfig,
  {
    key: 'lvm.stripes',
    type: 'integer',
    min: 1,
    description: 'Number of stripes of new volumes, or of the thin pool',
  },
  {
    key: 'lvm.stripes.size',
    type: 'size',
    description: 'Size of stripes: at least 4096 bytes and a multiple of 512',
    check: (value) => {
      const size = parseSize(value);
      if (size < 4096 || size % 512 !== 0) throw new Error('must be at least 4096 bytes and a multiple of 512 bytes');
    },
  },
];

/**
 * The `lvm` driver: a volume is a logical volume with a file system on it, or a disk. In a thin pool, which is the default,
 * snapshots and copies share their blocks; without one a snapshot keeps what changes, and copies are made by their contents.
 */
export const lvm: StorageDriver = defineStorageDriver({
  name: 'lvm',
  features: {
    optimizedImages: true,
    optimizedSnapshots: true,
    optimizedTransfer: false,
    copyOnWrite: true,
    blockBased: true,
    remote: false,
    restoreAnySnapshot: true,
    quotas: 'yes',
    nesting: false,
    volumeTypes: ['container', 'virtual-machine', 'image', 'custom'],
    customContent: ['filesystem', 'block', 'iso'],
    buckets: true,
    loopFiles: true,
    offeredByInit: true,
  },
  poolConfig,
  volumeConfig,
  bucketConfig: [{ key: 'size', type: 'size', description: 'Quota of the bucket' }],

  async probe() {
    try {
      const { stdout } = await run(['lvm', 'version'], { debianPackage: 'lvm2' });
      const version = (what: string): string | undefined =>
        new RegExp(`${what} version:\\s*(.*)`).exec(stdout)?.[1]?.trim();
      // Only where the kernel has device-mapper is there a version of its driver.
      const driver = version('Driver');
      if (driver === undefined) throw new Error('the kernel has no device-mapper (dm_mod)');
      return { version: [version('LVM'), version('Library'), driver].join(' / ') };
    } catch (error) {
      throw notImplemented(`The lvm driver cannot work here: ${messageOf(error)}`, { cause: error });
    }
  },

  create: createSource,
  open: openPool,
});
