import { mkdir } from 'node:fs/promises';
import {
  badRequest,
  commonVolumeConfig,
  copyTree,
  defineStorageDriver,
  directoryVolumes,
  makePoolDirectories,
  sourcePathKey,
} from '@lxd-ts/driver-kit';
import { storageConformance } from '@lxd-ts/driver-kit/testing';
import { diskUsage, removeTree } from '@lxd-ts/host';

/** The example of the README. */
const plain = defineStorageDriver({
  name: 'plain',
  features: {
    optimizedImages: false,
    optimizedSnapshots: false,
    optimizedTransfer: false,
    copyOnWrite: false,
    blockBased: false,
    remote: false,
    restoreAnySnapshot: true,
    quotas: 'no',
    nesting: true,
    volumeTypes: ['container', 'virtual-machine', 'image', 'custom'],
    customContent: ['filesystem', 'block', 'iso'],
    buckets: false,
    loopFiles: false,
    offeredByInit: false,
  },
  poolConfig: [sourcePathKey('The directory of the pool')],
  volumeConfig: commonVolumeConfig,
  probe: async () => ({ version: '1' }),
  async create({ path, config }) {
    await mkdir(path, { recursive: true });
    return { ...config, source: path };
  },
  async open({ name, path }) {
    await makePoolDirectories(path);
    return {
      name,
      path,
      ...directoryVolumes(path, {
        make: (directory, mode) => mkdir(directory, { mode }).then(() => undefined),
        copy: (source, target, _, work) => copyTree(source, target, work),
        remove: removeTree,
        unlimited: 'This driver cannot limit volumes',
      }),
      async resources() {
        const { total, used, inodes } = await diskUsage(path);
        return { space: { total, used }, inodes };
      },
      async update(_, changed) {
        if (changed.includes('source')) throw badRequest('The source of a storage pool cannot be changed');
      },
      delete: () => removeTree(path),
      [Symbol.asyncDispose]: async () => undefined,
    };
  },
});

storageConformance({
  driver: plain,
  pools: [
    { title: 'in the default location' },
    { title: 'on xfs', home: ({ fileSystem }) => fileSystem('xfs', 400 * 1024 ** 2) },
  ],
  tiny: {
    title: 'on a small ext4',
    home: ({ fileSystem }) => fileSystem('ext4', 16 * 1024 ** 2),
    tooMuch: 32 * 1024 ** 2,
  },
});
