import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import {
  type Config,
  isKind,
  type PoolSpec,
  parseSize,
  poolConfigKeys,
  type Volume,
  validateConfig,
} from '@lxd-ts/driver-kit';
import { type TestContext, testContext } from '@lxd-ts/driver-kit/testing';
import { diskUsage, findLoops, findMount, isMountPoint, run } from '@lxd-ts/host';
import { btrfs } from '@lxd-ts/storage-btrfs';
import { expect, it } from 'vitest';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

const specIn = ({ directory }: TestContext, config: Config = {}): PoolSpec => ({
  name: 'pool',
  config,
  path: join(directory, 'storage-pools/pool'),
  disks: join(directory, 'disks'),
});

const create = async (spec: PoolSpec): Promise<PoolSpec> => ({ ...spec, config: await btrfs.create(spec) });
const volume: Volume = { type: 'custom', content: 'filesystem', project: 'default', name: 'v', config: {} };

it('[05.13 05.19 05.20 05.24] without a source a loop file of the default size is made', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  const { config, disks } = await create(specIn(context));
  expect(config.source).toBe(join(disks, 'pool.img'));
  expect(config['volatile.initial_source']).toBeUndefined();
  const size = parseSize(config.size ?? '');
  const { available } = await diskUsage(disks);
  expect(size).toBeGreaterThanOrEqual(5 * GiB);
  expect(size).toBeLessThanOrEqual(30 * GiB);
  if (available > 26 * GiB && available < 150 * GiB) expect(Math.abs(size - available / 5)).toBeLessThan(GiB);
  const file = await stat(config.source ?? '');
  expect(file.size).toBe(size);
  expect(file.mode & 0o777).toBe(0o600);
  expect(file.blocks * 512).toBeLessThan(64 * MiB);
});

it('[05.21] a size in units of 1000 or 1024 is the size of the loop file; one too small is refused', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  const { config } = await create(specIn(context, { size: '200MB' }));
  expect((await stat(config.source ?? '')).size).toBe(200_000_000);
  const other = { ...specIn(context, { size: '20MiB' }), name: 'other' };
  const error = await btrfs.create(other).catch((reason: unknown) => reason);
  expect(isKind(error, 'bad-request') && error.message).toContain('"size"');
  await expect(btrfs.create(specIn(context, { size: '200MB' }))).rejects.toThrow('exists already');
  expect(await readdir(join(context.directory, 'disks'))).toEqual(['pool.img']);
});

it('[05.16] a loop file takes room as it is filled, up to its size, which it keeps when volumes are deleted', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  const spec = await create(specIn(context, { size: '200MiB' }));
  await using pool = await btrfs.open(spec);
  const file = async () => stat(spec.config.source ?? '');
  const taken = async (): Promise<number> => {
    await run(['sync', '--file-system', pool.path]);
    return (await file()).blocks * 512;
  };
  const empty = await taken();
  expect(empty).toBeLessThan(20 * MiB);
  await pool.createVolume(volume, async ({ path }) => writeFile(join(path, 'f'), Buffer.alloc(64 * MiB, 1)));
  expect((await taken()) - empty).toBeGreaterThan(60 * MiB);
  await expect(
    pool.createVolume({ ...volume, name: 'w' }, async ({ path }) =>
      writeFile(join(path, 'f'), Buffer.alloc(200 * MiB, 1)),
    ),
  ).rejects.toThrow('ENOSPC');
  expect(await taken()).toBeLessThanOrEqual(200 * MiB);
  await pool.deleteVolume(volume);
  expect((await file()).size).toBe(200 * MiB);
  expect((await pool.resources()).space.total).toBe(200 * MiB);
});

it('[05.22 05.24 05.25] a device that carries a file system is refused, unless it is to be wiped', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  const source = await context.blockDevice(256 * MiB);
  await run(['mkfs.ext4', '-q', source]);
  const error = await btrfs.create(specIn(context, { source })).catch((reason: unknown) => reason);
  expect(isKind(error, 'conflict') && error.message).toContain(source);
  const spec = await create(specIn(context, { source, 'source.wipe': 'true', size: '1GiB' }));
  expect(spec.config).toEqual({ source, 'source.wipe': 'true', 'volatile.initial_source': source });
  const pool = await btrfs.open(spec);
  expect((await pool.resources()).space.total).toBe(256 * MiB);
  await expect(btrfs.create({ ...specIn(context, { source }), name: 'other' })).rejects.toThrow(source);
  await pool.delete();
  // What the pool left behind does not stand in the way of the next one.
  const again = await btrfs.open(await create(specIn(context, { source })));
  await again.delete();
});

it('[05.12 05.25] a subvolume that exists and is empty is taken, and is there, empty, after the pool', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  const host = await context.fileSystem('btrfs', 256 * MiB);
  const source = join(host, 'sub');
  await run(['btrfs', 'subvolume', 'create', source]);
  const spec = await create(specIn(context, { source }));
  expect(spec.config).toEqual({ source, 'volatile.initial_source': source });
  const pool = await btrfs.open(spec);
  await pool.createVolume(volume);
  expect((await findMount(pool.path))?.root).toBe('/sub');
  await expect(btrfs.create({ ...specIn(context, { source }), name: 'other' })).rejects.toThrow("isn't empty");
  await pool.deleteVolume(volume);
  await pool.delete();
  expect(await readdir(source)).toEqual([]);
  expect(await readdir(join(context.directory, 'storage-pools'))).toEqual([]);
});

it('[05.12 05.25] sources that cannot be are refused, and nothing is left', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  const host = await context.fileSystem('btrfs', 256 * MiB);
  await mkdir(join(host, 'plain'));
  await mkdir(join(context.directory, 'elsewhere'));
  for (const [source, kind, text] of [
    ['relative', 'bad-request', 'absolute'],
    [join(host, 'plain'), 'bad-request', 'plain directory'],
    [join(context.directory, 'elsewhere'), 'bad-request', 'does not reside on a Btrfs'],
    [join(context.directory, 'missing'), 'bad-request', "doesn't exist"],
    ['/dev/null', 'bad-request', 'must be a block device'],
  ] as const) {
    const error = await btrfs.create(specIn(context, { source })).catch((reason: unknown) => reason);
    expect(isKind(error, kind) && error.message, source).toContain(text);
  }
  expect(await readdir(host)).toEqual(['plain']);
  expect(await readdir(join(context.directory, 'elsewhere'))).toEqual([]);
});

it('a pool whose source is away is unavailable, and there again when that is back', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  const spec = await create(specIn(context, { size: '200MiB' }));
  const file = spec.config.source ?? '';
  await rename(file, `${file}-away`);
  const error = await btrfs.open(spec).catch((reason: unknown) => reason);
  expect(isKind(error, 'unavailable') && error.message).toContain(file);
  expect(await isMountPoint(spec.path)).toBe(false);
  await rename(`${file}-away`, file);
  await using pool = await btrfs.open(spec);
  expect(await isMountPoint(pool.path)).toBe(true);
});

it('[05.178 05.179] the mount options are those of the pool, and a change holds at once', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  const spec = await create(specIn(context, { size: '200MiB' }));
  await using pool = await btrfs.open(spec);
  const options = async (): Promise<string[]> => (await findMount(pool.path))?.superOptions ?? [];
  expect(await options()).toContain('user_subvol_rm_allowed');
  const config = { ...spec.config, 'btrfs.mount_options': 'user_subvol_rm_allowed,compress-force' };
  await pool.update(config, ['btrfs.mount_options']);
  expect((await options()).join()).toContain('compress-force');
});

it('[05.44 05.259] only a pool in a loop file of its own grows', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  const source = await context.blockDevice(256 * MiB);
  const spec = await create(specIn(context, { source }));
  await using pool = await btrfs.open(spec);
  const error = await pool.update({ ...spec.config, size: '1GiB' }, ['size']).catch((reason: unknown) => reason);
  expect(isKind(error, 'bad-request') && error.message).toContain('cannot grow');
});

it('what a killed daemon left half done is cleared when the pool is opened', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  const spec = await create(specIn(context, { size: '200MiB' }));
  {
    await using pool = await btrfs.open(spec);
    const incomplete = join(pool.path, '.incomplete');
    await mkdir(join(incomplete, 'received'), { recursive: true });
    await run(['btrfs', 'subvolume', 'create', join(incomplete, 'restored')]);
    await run(['btrfs', 'subvolume', 'create', join(incomplete, 'received/volume')]);
    await run(['btrfs', 'property', 'set', join(incomplete, 'received/volume'), 'ro', 'true']);
  }
  await using pool = await btrfs.open(spec);
  expect(await readdir(pool.path)).not.toContain('.incomplete');
  expect((await run(['btrfs', 'subvolume', 'list', pool.path])).stdout).toBe('');
});

it('[05.173] each volume and snapshot is a subvolume, the snapshot read-only; disks are not copied on write', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  await using pool = await btrfs.open(await create(specIn(context, { size: '200MiB' })));
  await pool.createVolume(volume);
  await pool.createSnapshot({ ...volume, snapshot: 's0' });
  await pool.createVolume({ ...volume, content: 'block', name: 'disk', config: { size: '8MiB' } });
  const { stdout } = await run(['btrfs', 'subvolume', 'list', pool.path]);
  expect(stdout.match(/path .*/g)).toEqual([
    'path custom/default_v',
    'path custom-snapshots/default_v/s0',
    'path custom/default_disk',
  ]);
  const { stdout: property } = await run([
    'btrfs',
    'property',
    'get',
    join(pool.path, 'custom-snapshots/default_v/s0'),
    'ro',
  ]);
  expect(property.trim()).toBe('ro=true');
  expect((await run(['lsattr', join(pool.path, 'custom/default_disk/root.img')])).stdout).toMatch(/^\S*C/);
});

it('[05.174] the disk of a virtual machine is a large file, in a subvolume with what else it has', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  await using pool = await btrfs.open(await create(specIn(context, { size: '200MiB' })));
  const machine: Volume = { ...volume, type: 'virtual-machine', content: 'block', config: { size: '100MiB' } };
  await pool.createVolume(machine, async ({ path }) => writeFile(join(path, 'backup.yaml'), ''));
  const folder = join(pool.path, 'virtual-machines/v');
  expect((await readdir(folder)).sort()).toEqual(['backup.yaml', 'root.img']);
  const disk = await stat(join(folder, 'root.img'));
  expect([disk.isFile(), disk.size]).toEqual([true, 100 * MiB]);
  expect((await run(['btrfs', 'subvolume', 'list', pool.path])).stdout).toContain('path virtual-machines/v\n');
});

it('[05.176] limits are quota groups, turned on with the first size, and gone with the volume', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  const spec = await create(specIn(context, { size: '200MiB' }));
  await using pool = await btrfs.open(spec);
  await pool.createVolume(volume);
  expect(await pool.usage(volume)).toBeUndefined();
  await expect(run(['btrfs', 'qgroup', 'show', pool.path])).rejects.toThrow('quotas not enabled');
  await pool.resizeVolume(volume, 32 * MiB);
  const { stdout } = await run(['btrfs', 'qgroup', 'show', '-r', '--raw', pool.path]);
  expect(stdout).toMatch(new RegExp(`0/256\\s.*\\s${32 * MiB}\\s`));
  await pool.deleteVolume(volume);
  // Older kernels clean up first, within half a minute; a group from an earlier run goes when the pool is opened.
  await expect
    .poll(
      async () => {
        await run(['btrfs', 'filesystem', 'sync', pool.path]);
        await btrfs.open(spec);
        return (await run(['btrfs', 'qgroup', 'show', pool.path])).stdout;
      },
      { timeout: 50_000, interval: 500 },
    )
    .not.toContain('0/256');
});

it('[05.177] what is written anew counts besides what it replaces, until nothing of that is used: a limit is met early', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  await using pool = await btrfs.open(await create(specIn(context, { size: '400MiB' })));
  await pool.createVolume({ ...volume, config: { size: '64MiB' } });
  const path = join(pool.path, 'custom/default_v/f');
  const write = (...options: string[]) =>
    run(['dd', 'if=/dev/urandom', `of=${path}`, 'conv=notrunc,fsync', 'status=none', ...options]);
  await write('bs=40M', 'count=1', 'iflag=fullblock');
  // All but the last bytes of the file; the extents are used for those.
  await expect(write('bs=1M', 'count=39')).rejects.toThrow('Disk quota exceeded');
  expect((await stat(path)).size).toBe(40 * MiB);
});

it('[05.52] the first volumes with a size are limited, made at once or copied', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  await using pool = await btrfs.open(await create(specIn(context, { size: '400MiB' })));
  await pool.createVolume(volume, async ({ path }) => writeFile(join(path, 'f'), Buffer.alloc(4 * MiB, 1)));
  const limited = { ...volume, config: { size: '16MiB' } };
  await Promise.all([
    ...[1, 2, 3].map((at) => pool.createVolume({ ...limited, name: `made${at}` })),
    ...[1, 2, 3].map((at) => pool.copyVolume({ ...limited, name: `copied${at}` }, volume, [])),
  ]);
  for (const name of ['made1', 'made2', 'made3', 'copied1', 'copied2', 'copied3']) {
    expect((await pool.usage({ ...volume, name }))?.total, name).toBe(16 * MiB);
  }
});

it('[05.129 05.161] a volume without subvolumes in it is sent as `btrfs send` does, which `btrfs receive` reads', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  await using pool = await btrfs.open(await create(specIn(context, { size: '200MiB' })));
  const other = await context.fileSystem('btrfs', 200 * MiB);
  await pool.createVolume(volume, async ({ path }) => writeFile(join(path, 'f'), 'here'));
  const stream = new PassThrough();
  await Promise.all([pool.send?.(volume, undefined, stream), run(['btrfs', 'receive', other], { input: stream })]);
  expect(await readdir(join(other, 'volume'))).toEqual(['f']);
});

it('a stream that claims more than it holds, or cannot be, is refused', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  await using pool = await btrfs.open(await create(specIn(context, { size: '200MiB' })));
  const header = (text: string, length = text.length): Buffer => {
    const buffer = Buffer.alloc(4);
    buffer.writeUInt32LE(length);
    return Buffer.concat([Buffer.from('lxd-ts-btrfs-tree-1\n'), buffer, Buffer.from(text)]);
  };
  for (const data of [
    Buffer.alloc(0),
    header('[]'),
    header('not json'),
    header('[{"path": 1}]'),
    header('[]', 2 ** 31),
    header('[{"path":"","readOnly":true}]'),
  ]) {
    const stream = new PassThrough();
    stream.end(data);
    const error = await pool.receive?.(volume, undefined, stream).catch((reason: unknown) => reason);
    expect(isKind(error, 'bad-request'), String(error)).toBe(true);
    expect(await pool.hasVolume(volume)).toBe(false);
  }
});

it('[05.128 05.173] a container of any size is copied and kept without copying its data', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  await using pool = await btrfs.open(await create(specIn(context, { size: '1GiB' })));
  const image: Volume = { type: 'image', content: 'filesystem', project: 'default', name: 'a'.repeat(64), config: {} };
  await pool.createVolume(image, ({ path }) => writeFile(join(path, 'big'), Buffer.alloc(200_000_000, 1)));
  const written = async (): Promise<number> => {
    await run(['sync', '--file-system', pool.path]);
    return (await pool.resources()).space.used;
  };
  const before = await written();
  expect(before).toBeGreaterThan(200_000_000);
  for (let at = 0; at < 9; at++) {
    const container: Volume = { ...image, type: 'container', name: `c${at}` };
    await pool.copyVolume(container, image, []);
    await pool.createSnapshot({ ...container, snapshot: 's' });
  }
  expect((await written()) - before).toBeLessThan(5_000_000);
});

it('what the kernel no longer counted is counted anew before a size is held against it', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  // Deleted subvolumes are cleaned up with each commit.
  const config = { size: '200MiB', 'btrfs.mount_options': 'user_subvol_rm_allowed,commit=1' };
  await using pool = await btrfs.open(await create(specIn(context, config)));
  const named = (name: string): Volume => ({ ...volume, name });
  await pool.createVolume(named('limited'));
  await pool.resizeVolume(named('limited'), 20 << 20);
  const groups = `/sys/fs/btrfs/${(await run(['findmnt', '-no', 'UUID', pool.path])).stdout.trim()}/qgroups`;
  // The kernel gives up at the first block of a deleted subvolume that is no leaf.
  await writeFile(`${groups}/drop_subtree_threshold`, '0');
  await pool.createVolume(named('large'), async ({ path }) => {
    for (let at = 0; at < 500; at++) await writeFile(join(path, `${at}-${'n'.repeat(200)}`), '');
  });
  await pool.copyVolume(named('shared'), named('large'), []);
  await pool.copyVolume(named('copy'), named('shared'), []);
  await pool.deleteVolume(named('shared'));
  await run(['btrfs', 'subvolume', 'sync', pool.path]);
  expect((await readFile(`${groups}/inconsistent`, 'utf8')).trim()).toBe('1');

  await expect(pool.resizeVolume(named('copy'), 16 << 10)).rejects.toThrow('cannot shrink');
  expect((await readFile(`${groups}/inconsistent`, 'utf8')).trim()).toBe('0');
  await pool.resizeVolume(named('copy'), 20 << 20);
});

it('the keys of the driver', () => {
  validateConfig(poolConfigKeys(btrfs), { size: '1GiB', 'source.wipe': 'true', 'btrfs.mount_options': 'ssd' }, 'pool');
  expect(() => validateConfig(poolConfigKeys(btrfs), { 'rsync.bwlimit': '1' }, 'pool')).toThrow('rsync.bwlimit');
});

it('what somebody elsewhere still has mounted is opened as it is now, not as it was last on disk', async () => {
  await using context = await testContext('lxd-ts-btrfs');
  const spec = await create(specIn(context, { size: '256MiB' }));
  const before = await btrfs.open(spec);
  // A mount namespace of its own keeps a copy of each mount, as a service or a container may.
  const elsewhere = spawn('unshare', ['--mount', '--propagation=private', 'sh', '-c', 'echo; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    await once(elsewhere.stdout, 'data');
    await before.createVolume(volume);
    await before[Symbol.asyncDispose]();
    const after = await btrfs.open(spec);
    expect(await after.hasVolume(volume)).toBe(true);
    expect(findLoops(spec.config['source'] ?? '')).toHaveLength(1);
    await after.deleteVolume(volume);
    await after.delete();
  } finally {
    elsewhere.kill('SIGKILL');
    await once(elsewhere, 'close');
  }
});
