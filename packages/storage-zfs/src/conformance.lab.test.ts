import { storageConformance } from '@lxd-ts/driver-kit/testing';
import { zfs } from '@lxd-ts/storage-zfs';

const MiB = 1024 ** 2;

storageConformance({
  driver: zfs,
  importFrom: {
    specifier: '@lxd-ts/storage-zfs',
    name: 'zfs',
    directory: import.meta.dirname,
    nodeOptions: ['--conditions=lxd-ts-source'],
  },
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
