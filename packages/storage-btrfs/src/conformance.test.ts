import { join } from 'node:path';
import { storageConformance } from '@lxd-ts/driver-kit/testing';
import { btrfs } from '@lxd-ts/storage-btrfs';
import { bundled } from '@lxd-ts/tooling/bundle';

const MiB = 1024 ** 2;

storageConformance({
  driver: btrfs,
  importFrom: bundled(new URL('./index.ts', import.meta.url), 'btrfs'),
  pools: [
    {
      title: '[05.13 05.19 05.21 05.25] in a loop file',
      config: async () => ({ size: '1GiB' }),
      grows: '2GiB',
    },
    {
      title: '[05.25] on a block device',
      config: async ({ blockDevice }) => ({ source: await blockDevice(1024 * MiB) }),
    },
    {
      title: '[05.12 05.25] in a new subvolume of a Btrfs that is mounted',
      config: async ({ fileSystem }) => ({
        source: join(await fileSystem('btrfs', 1024 * MiB, { mount: 'user_subvol_rm_allowed' }), 'sub'),
      }),
    },
  ],
  tiny: {
    title: 'in a small loop file',
    config: async () => ({ size: '256MiB' }),
    tooMuch: 288 * MiB,
  },
});
