import { readFile } from 'node:fs/promises';
import { defineStorageDriver, messageOf, notImplemented, type StorageDriver } from '@lxd-ts/driver-kit';
import { findProgram, isErrno, run } from '@lxd-ts/host';
import { debianPackage } from './commands.ts';
import { poolConfig, volumeConfig } from './config.ts';
import { openPool } from './open-pool.ts';
import { createSource } from './source.ts';

/** The version of the kernel module; undefined while it is not loaded. */
const moduleVersion = async (): Promise<string | undefined> => {
  try {
    return (await readFile('/sys/module/zfs/version', 'utf8')).trim();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
};

/**
 * The `zfs` driver: a volume is a dataset, a disk is a zvol, a snapshot is a ZFS snapshot, and a copy is a clone and costs nothing.
 */
export const zfs: StorageDriver = defineStorageDriver({
  name: 'zfs',
  features: {
    optimizedImages: true,
    optimizedSnapshots: true,
    optimizedTransfer: true,
    copyOnWrite: true,
    blockBased: false,
    remote: false,
    restoreAnySnapshot: false,
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
      if (!(await findProgram('zfs'))) throw new Error(`zfs is not installed (Debian package ${debianPackage})`);
      if ((await moduleVersion()) === undefined) await run(['modprobe', 'zfs'], { debianPackage: 'kmod' });
      // Asks the kernel as well: the two must understand each other.
      await run(['zfs', 'version'], { debianPackage });
      const version = await moduleVersion();
      if (version === undefined) throw new Error('the kernel has no ZFS');
      return { version };
    } catch (error) {
      throw notImplemented(`The zfs driver cannot work here: ${messageOf(error)}`, { cause: error });
    }
  },

  create: createSource,
  open: openPool,
});
