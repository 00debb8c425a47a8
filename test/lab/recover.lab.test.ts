/** `lxd recover` of pools that LXD 5.0.2 made, with the storage drivers that need the lab's kernel. */
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { busyboxImage } from '@lxd-ts/tooling/images/busybox';
import { makeScratch } from '@lxd-ts/tooling/scratch';
import { expect, test } from 'vitest';
import { beside } from '../support/instance.ts';
import { type Lxd, startLxd } from '../support/lxd.ts';
import { succeed } from '../support/output.ts';
import { debianLxc } from '../support/pools.ts';
import { ours, real } from '../support/programs.ts';
import { converse } from '../support/terminal.ts';

const seconds = 120;
/** For two daemons, one after the other, in milliseconds. */
const timeout = 1_800_000;

/** A container with a snapshot and a volume with one, in a pool made of what is there. */
const fill = async (lxd: Lxd, driver: string, config: readonly string[]): Promise<void> => {
  await debianLxc(lxd, 'storage', 'create', 'kept', driver, ...config);
  await debianLxc(lxd, 'profile', 'device', 'add', 'default', 'root', 'disk', 'path=/', 'pool=kept');
  await debianLxc(lxd, 'image', 'import', busyboxImage().unified, '--alias', 'busybox');
  await debianLxc(lxd, 'launch', 'busybox', 'c1', '--config', 'user.own=here');
  await debianLxc(lxd, 'exec', 'c1', '--', 'sh', '-c', 'echo first >/root/data');
  await debianLxc(lxd, 'snapshot', 'c1', 's0');
  await debianLxc(lxd, 'exec', 'c1', '--', 'sh', '-c', 'echo second >/root/data');
  await debianLxc(lxd, 'storage', 'volume', 'create', 'kept', 'v1');
  await debianLxc(lxd, 'storage', 'volume', 'attach', 'kept', 'v1', 'c1', '/mnt');
  await debianLxc(lxd, 'exec', 'c1', '--', 'sh', '-c', 'echo kept >/mnt/file');
  await debianLxc(lxd, 'stop', '--force', 'c1');
  await debianLxc(lxd, 'storage', 'volume', 'snapshot', 'kept', 'v1', 'snap');
};

const expectFilled = async (lxd: Lxd): Promise<void> => {
  await debianLxc(lxd, 'start', 'c1');
  expect(await debianLxc(lxd, 'exec', 'c1', '--', 'cat', '/root/data', '/mnt/file')).toBe('second\nkept\n');
  expect(await debianLxc(lxd, 'config', 'get', 'c1', 'user.own')).toBe('here\n');
  await debianLxc(lxd, 'stop', '--force', 'c1');
  await debianLxc(lxd, 'restore', 'c1', 's0');
  await debianLxc(lxd, 'start', 'c1');
  expect(await debianLxc(lxd, 'exec', 'c1', '--', 'cat', '/root/data')).toBe('first\n');
  await debianLxc(lxd, 'stop', '--force', 'c1');
  await debianLxc(lxd, 'storage', 'volume', 'restore', 'kept', 'v1', 'snap');
  await debianLxc(lxd, 'delete', 'c1');
  await debianLxc(lxd, 'storage', 'volume', 'delete', 'kept', 'v1');
};

/**
 * @param properties - what `lxd recover` is told beside the source
 * @param config - what else the pool is made with
 */
const recovered = async (
  driver: string,
  source: string,
  properties: readonly string[],
  config: readonly string[] = [],
): Promise<void> => {
  {
    await using lxd = await startLxd(real);
    await fill(lxd, driver, [`source=${source}`, ...config]);
    await lxd.stop();
    // Its namespace goes with what is mounted in it.
    await beside(
      lxd,
      'sh',
      '-c',
      'umount --all-targets --lazy "$1"/storage-pools/*/*/* 2>/dev/null || true',
      'sh',
      lxd.folder,
    );
  }
  await using lxd = await startLxd(ours);
  const answers = ['yes', 'kept', driver, source, ...properties, '', 'no', 'yes'];
  const { said, code } = await converse(
    lxd.namespace.inside([...ours.lxd, 'recover']),
    lxd.environment,
    [...answers, 'yes'],
    seconds,
  );
  expect(said).toContain(' - Container "c1" on pool "kept" in project "default" (includes 1 snapshots)\n');
  expect(said).toContain(' - Volume "v1" on pool "kept" in project "default" (includes 1 snapshots)\n');
  expect(code, said).toBe(0);
  await expectFilled(lxd);
};

/** A file of this size that is made when written. */
const sparse = (path: string, gibibytes: number): string => {
  writeFileSync(path, '');
  truncateSync(path, gibibytes * 2 ** 30);
  return path;
};

test('[10.REC-03 05.242] a zpool of LXD 5.0.2 is recovered', { timeout }, async () => {
  await using scratch = makeScratch();
  const file = sparse(join(scratch.folder, 'zpool'), 2);
  const name = `${scratch.prefix}z`;
  await succeed(['modprobe', 'zfs']);
  await succeed(['zpool', 'create', '-m', 'none', name, file]);
  try {
    await recovered('zfs', name, [`zfs.pool_name=${name}`]);
  } finally {
    await succeed(['zpool', 'destroy', '-f', name]);
  }
});

test.each([
  { kind: 'thin', config: ['volume.size=256MiB'], properties: [] },
  // Snapshots take the whole size of their volumes: the file has holes.
  { kind: 'thick', config: ['volume.size=256MiB', 'lvm.use_thinpool=false'], properties: ['lvm.use_thinpool=false'] },
])(
  '[10.REC-03 05.242] a volume group of LXD 5.0.2, $kind, is recovered',
  { timeout },
  async ({ config, properties }) => {
    await using scratch = makeScratch();
    const name = `${scratch.prefix}l`;
    await succeed(['modprobe', 'dm_thin_pool']);
    const device = (await succeed(['losetup', '--find', '--show', sparse(join(scratch.folder, 'disk'), 8)])).trim();
    try {
      await succeed(['vgcreate', name, device]);
      try {
        await recovered('lvm', name, [`lvm.vg_name=${name}`, ...properties], config);
      } finally {
        await succeed(['vgremove', '--force', '--yes', name]);
      }
    } finally {
      await succeed(['losetup', '--detach', device]);
    }
  },
);
