import { storageConformance } from '@lxd-ts/driver-kit/testing';
import { zfs } from '@lxd-ts/storage-zfs';
import { bundled } from '@lxd-ts/tooling/bundle';

const MiB = 1024 ** 2;

storageConformance({
  driver: zfs,
  importFrom: bundled(new URL('./index.ts', import.meta.url), 'zfs'),
  pools: [
    {
      title: '[05.13 05.19 05.21 05.25] in a loop file',
      config: async () => ({ size: '2GiB' }),
      grows: '4GiB',
    },
  ],
  tiny: {
    title: 'in a small loop file',
    config: async () => ({ size: '192MiB' }),
    tooMuch: 224 * MiB,
  },
});
