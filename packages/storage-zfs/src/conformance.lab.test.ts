import { storageConformance, type TestContext } from '@lxd-ts/driver-kit/testing';
import { run } from '@lxd-ts/host';
import { zfs } from '@lxd-ts/storage-zfs';

const MiB = 1024 ** 2;

/** A zpool that somebody else made, with this name. */
const zpool = async (context: TestContext, name: string): Promise<string> => {
  const device = await context.blockDevice(2048 * MiB);
  await run(['zpool', 'create', '-m', 'none', name, device]);
  context.defer(`destroy ${name}`, () => run(['zpool', 'destroy', '-f', name]));
  return name;
};

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
    {
      title: '[05.25] on a block device, with a name of its own',
      config: async ({ blockDevice }) => ({ source: await blockDevice(2048 * MiB), 'zfs.pool_name': 'lxd-ts-tank' }),
    },
    {
      title: '[05.12 05.25] in a dataset of a zpool that is there',
      config: async (context) => ({ source: `${await zpool(context, 'lxd-ts-theirs')}/slice` }),
    },
  ],
  tiny: {
    title: 'in a small loop file',
    config: async () => ({ size: '192MiB' }),
    tooMuch: 224 * MiB,
  },
});
