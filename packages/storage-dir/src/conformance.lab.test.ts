import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isKind, quotactl, type Volume, withDirectory } from '@lxd-ts/driver-kit';
import { storageConformance, testContext } from '@lxd-ts/driver-kit/testing';
import { mount, run, unmount } from '@lxd-ts/host';
import { dir } from '@lxd-ts/storage-dir';
import { expect, it } from 'vitest';

const MiB = 1024 ** 2;
const volume: Volume = { type: 'custom', content: 'filesystem', project: 'default', name: 'v', config: {} };

/** File systems that limit projects. The kernel needs CONFIG_QFMT_V2 and CONFIG_XFS_QUOTA, which Debian's has. */
const ext4 = [
  'ext4',
  400 * MiB,
  { mkfs: ['-O', 'quota,project', '-E', 'quotatype=prjquota'], mount: 'prjquota' },
] as const;
const xfs = ['xfs', 400 * MiB, { mount: 'prjquota' }] as const;

storageConformance({
  driver: dir,
  pools: [
    {
      title: '[05.171] in ext4 with project quotas',
      quotas: true,
      home: ({ fileSystem }) => fileSystem(...ext4),
    },
    {
      title: '[05.171] in xfs with project quotas',
      quotas: true,
      home: ({ fileSystem }) => fileSystem(...xfs),
    },
  ],
});

it('[05.171] a volume from before the quotas is counted and limited from its first size on', async () => {
  await using context = await testContext('lxd-ts-dir-quota');
  const device = await context.blockDevice(200 * MiB);
  await run(['mkfs.ext4', '-q', ...ext4[2].mkfs, device]);
  const home = join(context.directory, 'home');
  await mkdir(home);
  await mount(device, home, { type: 'ext4' });
  context.defer('unmount', () => unmount(home));
  const spec = { name: 'pool', path: join(home, 'pool'), disks: join(home, 'disks'), config: {} };
  const config = await dir.create(spec);
  const before = await dir.open({ ...spec, config });
  await before.createVolume(volume, async ({ path }) => {
    await mkdir(join(path, 'deep/er'), { recursive: true });
    await writeFile(join(path, 'deep/er/data'), Buffer.alloc(8 * MiB, 1));
    await run(['ln', '-s', '/etc/shadow', join(path, 'link')]);
    await run(['mkfifo', join(path, 'fifo')]);
  });
  expect(await before.usage(volume)).toBeUndefined();
  await unmount(home);
  await mount(device, home, { type: 'ext4', options: 'prjquota' });
  const pool = await dir.open({ ...spec, config });
  const error = await pool.resizeVolume(volume, 4 * MiB).catch((reason: unknown) => reason);
  expect(isKind(error, 'bad-request') && error.message).toContain('cannot shrink');
  await pool.resizeVolume(volume, 16 * MiB);
  const usage = await pool.usage(volume);
  expect(usage?.total).toBe(16 * MiB);
  expect(usage?.used).toBeGreaterThanOrEqual(8 * MiB);
});

it('[05.171] a deleted volume leaves no limit behind', async () => {
  await using context = await testContext('lxd-ts-dir-quota');
  const home = await context.fileSystem(...ext4);
  const spec = { name: 'pool', path: join(home, 'pool'), disks: join(home, 'disks'), config: {} };
  const pool = await dir.open({ ...spec, config: await dir.create(spec) });
  await pool.createVolume({ ...volume, config: { size: '16MiB' } });
  const { stdout } = await run(['lsattr', '-p', '-d', join(pool.path, 'custom/default_v')]);
  const project = Number.parseInt(stdout, 10);
  expect(project).toBeGreaterThanOrEqual(65536);
  // Q_GETQUOTA of PRJQUOTA; the hard limit comes first in struct if_dqblk, in KiB.
  const limit = (): number => {
    const quota = Buffer.alloc(72);
    withDirectory(home, (fd) => quotactl(fd, 0x80000702, project, quota));
    return Number(quota.readBigUInt64LE(0));
  };
  expect(limit()).toBe(16 * 1024);
  await pool.deleteVolume(volume);
  expect(limit()).toBe(0);
});
