import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { storageConformance } from '@lxd-ts/driver-kit/testing';
import { dir } from '@lxd-ts/storage-dir';
import { bundled } from '@lxd-ts/tooling/bundle';

storageConformance({
  driver: dir,
  importFrom: bundled(new URL('./index.ts', import.meta.url), 'dir'),
  pools: [
    { title: '[05.14 05.15 05.25] without a source, in the default location', quotas: false },
    {
      title: '[05.25 05.170] in an existing directory',
      quotas: false,
      config: async ({ directory }) => {
        const source = join(directory, 'source');
        await mkdir(source);
        return { source };
      },
    },
    {
      title: '[05.163] with a limit for rsync, in xfs',
      quotas: false,
      home: ({ fileSystem }) => fileSystem('xfs', 400 * 1024 ** 2),
      config: async () => ({ 'rsync.bwlimit': '100M' }),
    },
  ],
  tiny: {
    title: 'in a small ext4',
    home: ({ fileSystem }) => fileSystem('ext4', 16 * 1024 ** 2),
    tooMuch: 32 * 1024 ** 2,
  },
});
