import { readFile } from 'node:fs/promises';
import {
  commonVolumeConfig,
  defineStorageDriver,
  loopPoolConfig,
  messageOf,
  notImplemented,
  type StorageDriver,
  sourcePathKey,
} from '@lxd-ts/driver-kit';
import { run } from '@lxd-ts/host';
import { mountSource } from './mount-source.ts';
import { openPool } from './pool.ts';
import { createSource } from './source.ts';

const kernelHasBtrfs = async (): Promise<boolean> => /\tbtrfs$/m.test(await readFile('/proc/filesystems', 'utf8'));

/**
 * The `btrfs` driver: a volume is a subvolume, a snapshot or copy is a btrfs snapshot and costs nothing. Disks are files, not copied
 * on write. Limits are quota groups.
 */
export const btrfs: StorageDriver = defineStorageDriver({
  name: 'btrfs',
  features: {
    optimizedImages: true,
    optimizedSnapshots: true,
    optimizedTransfer: true,
    copyOnWrite: true,
    blockBased: false,
    remote: false,
    restoreAnySnapshot: true,
    quotas: 'yes',
    nesting: true,
    volumeTypes: ['container', 'virtual-machine', 'image', 'custom'],
    customContent: ['filesystem', 'block', 'iso'],
    buckets: true,
    loopFiles: true,
    offeredByInit: true,
  },
  poolConfig: [
    ...loopPoolConfig,
    sourcePathKey('Existing block device, loop file or Btrfs subvolume; unset: a loop file is made'),
    {
      key: 'btrfs.mount_options',
      type: 'string',
      default: 'user_subvol_rm_allowed',
      description: 'Mount options for the block device or loop file',
    },
  ],
  volumeConfig: commonVolumeConfig,
  bucketConfig: [{ key: 'size', type: 'size', description: 'Quota of the bucket' }],

  async probe() {
    try {
      const { stdout } = await run(['btrfs', 'version'], { debianPackage: 'btrfs-progs' });
      // Loads the module where it is one; what is built in needs no loading.
      if (!(await kernelHasBtrfs())) await run(['modprobe', 'btrfs'], { debianPackage: 'kmod' });
      return { version: /[0-9][0-9.]*/.exec(stdout)?.[0] ?? stdout.trim() };
    } catch (error) {
      throw notImplemented(`The btrfs driver cannot work here: ${messageOf(error)}`, { cause: error });
    }
  },

  create: createSource,

  async open(spec) {
    const source = spec.config.source ?? '';
    await mountSource(spec, source);
    return openPool(spec, source);
  },
});
