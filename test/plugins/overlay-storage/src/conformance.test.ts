import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { storageConformance } from '@lxd-ts/driver-kit/testing';
import { overlay } from './driver.ts';

const MiB = 1024 ** 2;

storageConformance({
  driver: overlay,
  importFrom: {
    specifier: new URL('driver.ts', import.meta.url).href,
    name: 'overlay',
    directory: import.meta.dirname,
    nodeOptions: ['--conditions=lxd-ts-source'],
  },
  pools: [
    { title: 'in the default location, on ext4', home: ({ fileSystem }) => fileSystem('ext4', 200 * MiB) },
    {
      title: 'with its layers elsewhere, on xfs',
      config: async ({ fileSystem }) => {
        const source = join(await fileSystem('xfs', 400 * MiB), 'layers');
        await mkdir(source);
        return { source };
      },
    },
    { title: 'on btrfs', home: ({ fileSystem }) => fileSystem('btrfs', 400 * MiB) },
  ],
  tiny: { title: 'on a small ext4', home: ({ fileSystem }) => fileSystem('ext4', 16 * MiB), tooMuch: 32 * MiB },
});
