import {
  blockFilesystemConfig,
  type ConfigKey,
  commonVolumeConfig,
  isAbsolutePath,
  loopPoolConfig,
} from '@lxd-ts/driver-kit';
import { checkDatasetName } from './names.ts';
import { parseBlocksize } from './properties.ts';

/** The keys of pools. */
export const poolConfig: readonly ConfigKey[] = [
  ...loopPoolConfig,
  {
    key: 'source',
    type: 'string',
    scope: 'local',
    description: 'Existing block device, loop file, zpool or dataset; unset: a loop file is made',
    check: (value) => (value.startsWith('/') ? isAbsolutePath(value) : checkDatasetName(value)),
  },
  {
    key: 'zfs.clone_copy',
    type: 'string',
    default: 'true',
    values: ['true', 'false', 'rebase'],
    description: 'Whether copies are clones (true), full copies (false), or copies based on the initial image (rebase)',
  },
  {
    key: 'zfs.export',
    type: 'bool',
    default: 'true',
    description: 'Export the zpool when the pool is closed',
  },
  {
    key: 'zfs.pool_name',
    type: 'string',
    default: 'name of the pool',
    scope: 'local',
    description: 'Name of the zpool, or of the dataset in it',
    check: checkDatasetName,
  },
];

const inBlockMode = 'zfs.block_mode is true';

/** The keys of volumes. */
export const volumeConfig: readonly ConfigKey[] = [
  ...commonVolumeConfig,
  ...blockFilesystemConfig.map((declared) => ({ ...declared, condition: inBlockMode })),
  {
    key: 'zfs.block_mode',
    type: 'bool',
    description: 'Use a formatted zvol instead of a dataset',
  },
  {
    key: 'zfs.blocksize',
    type: 'size',
    description: 'Block size, a power of 2 from 512 to 16MiB; disks use at most 128KiB',
    check: parseBlocksize,
  },
  {
    key: 'zfs.remove_snapshots',
    type: 'bool',
    default: 'false',
    description: 'Delete newer snapshots when a restore needs it',
  },
  {
    key: 'zfs.reserve_space',
    type: 'bool',
    default: 'false',
    description: 'Reserve the space, besides limiting it',
  },
  {
    key: 'zfs.use_refquota',
    type: 'bool',
    default: 'false',
    description: 'Limit the data alone, not what snapshots and clones hold',
  },
];
