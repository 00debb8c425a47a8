import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '@lxd-ts/driver-kit';
import { storageConformance, type TestContext, testContext } from '@lxd-ts/driver-kit/testing';
import { dir } from '@lxd-ts/storage-dir';

const withProjectQuotas = ({ fileSystem }: TestContext): Promise<string> =>
  fileSystem('ext4', 400 * 1024 ** 2, {
    mkfs: ['-O', 'quota,project', '-E', 'quotatype=prjquota'],
    mount: 'prjquota',
  });

/** Why project quotas cannot be had here: kernels without CONFIG_QFMT_V2 refuse the mount. */
const noProjectQuotas = async (): Promise<string | undefined> => {
  await using context = await testContext('lxd-ts-quota');
  try {
    await withProjectQuotas(context);
    return undefined;
  } catch (error) {
    return `no project quotas here: ${messageOf(error)}`;
  }
};

storageConformance({
  driver: dir,
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
    {
      title: '[05.171] in ext4 with project quotas',
      quotas: true,
      home: withProjectQuotas,
      skip: await noProjectQuotas(),
    },
  ],
  tiny: {
    title: 'in a small ext4',
    home: ({ fileSystem }) => fileSystem('ext4', 16 * 1024 ** 2),
    tooMuch: 32 * 1024 ** 2,
  },
});
