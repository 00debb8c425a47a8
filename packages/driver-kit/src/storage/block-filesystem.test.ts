import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { diskUsage, findLoops, findMount, resizeLoop, run } from '@lxd-ts/host';
import { describe, expect, it } from 'vitest';
import { isKind } from '../errors.ts';
import { type TestContext, testContext } from '../testing/context.ts';
import { deviceInUse, deviceSize, waitForDevice } from './block-device.ts';
import {
  configuredFilesystem,
  growFilesystem,
  makeFilesystem,
  minimumFilesystemSize,
  mountFilesystem,
  newFilesystemUuid,
  removeLostAndFound,
  shrinkFilesystem,
  withFilesystem,
} from './block-filesystem.ts';
import { blockFilesystems, readSuperblock } from './superblock.ts';

const MiB = 1024 ** 2;
const size = 640 * MiB;

const directoryIn = async ({ directory }: TestContext, name: string): Promise<string> => {
  const path = join(directory, name);
  await mkdir(path);
  return path;
};

/** The file behind a loop device is longer from now on, and the device too. */
const lengthen = async (context: TestContext, device: string, length: number): Promise<void> => {
  const file = (await readdir(context.directory)).map((name) => join(context.directory, name));
  const backing = file.find((path) => path.endsWith('.img') && findLoops(path).some((loop) => loop.path === device));
  if (backing === undefined) throw new Error(`no file behind ${device}`);
  await truncate(backing, length);
  await resizeLoop(device);
};

const hasCapability = async (bit: number): Promise<boolean> => {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(await readFile('/proc/self/status', 'utf8'))?.[1];
  return ((BigInt(`0x${effective}`) >> BigInt(bit)) & 1n) === 1n;
};

const kindOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: unknown) => error,
  );

describe.each(blockFilesystems)('[05.187] %s on a block device', (kind) => {
  it('is made, mounted, and told by its super block as statfs tells it', async () => {
    await using context = await testContext('lxd-ts-block');
    const device = await context.blockDevice(size);
    const target = await directoryIn(context, 'target');
    await run(['mkfs.ext4', '-q', device]);
    await makeFilesystem(device, kind, { size });
    expect((await readSuperblock(device))?.kind).toBe(kind);
    {
      await using mounted = await mountFilesystem(device, target, { mountOptions: 'noatime,discard' });
      const found = await findMount(mounted.target);
      expect(found?.type).toBe(kind);
      expect(found?.options).toContain('noatime');
      expect(await deviceInUse(device)).toBe(true);
      await removeLostAndFound(target);
      expect(await readdir(target)).toEqual([]);
      await writeFile(join(target, 'data'), Buffer.alloc(100 * MiB, 'x'));
      await run(['sync', '--file-system', target]);
    }
    // A container that is being started elsewhere has a copy of all mounts for a moment.
    await expect.poll(() => deviceInUse(device), { timeout: 10_000 }).toBe(false);
    const superblock = await readSuperblock(device);
    const usage = await withFilesystem(device, diskUsage);
    expect(superblock?.used).toBeGreaterThan(90 * MiB);
    expect(Math.abs((superblock?.used ?? 0) - usage.used)).toBeLessThan(40 * MiB);
    expect(Math.abs((superblock?.total ?? 0) - size)).toBeLessThan(MiB);
  });

  it('a copy of the device gets a UUID of its own, and both are mounted at once', async () => {
    await using context = await testContext('lxd-ts-block');
    const [device, copy] = [await context.blockDevice(size), await context.blockDevice(size)];
    const [one, other] = [await directoryIn(context, 'one'), await directoryIn(context, 'other')];
    await makeFilesystem(device, kind, { size });
    await withFilesystem(device, (path) => writeFile(join(path, 'f'), 'original'));
    await run(['dd', `if=${device}`, `of=${copy}`, 'bs=1M', 'conv=nocreat,fsync', 'status=none']);
    await newFilesystemUuid(copy);
    const uuids = await Promise.all([device, copy].map(async (path) => (await readSuperblock(path))?.uuid));
    expect(uuids[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(new Set(uuids).size).toBe(2);
    const { stdout } = await run(['blkid', '-p', '-s', 'UUID', '-o', 'value', copy]);
    expect(stdout.trim()).toBe(uuids[1]);
    await using _ = await mountFilesystem(device, one);
    await using __ = await mountFilesystem(copy, other);
    await writeFile(join(other, 'f'), 'changed');
    expect(await readFile(join(one, 'f'), 'utf8')).toBe('original');
    expect(await readFile(join(other, 'f'), 'utf8')).toBe('changed');
  });

  it('a copy taken from under a mounted, frozen file system can be read and gets its UUID', async () => {
    await using context = await testContext('lxd-ts-block');
    const [device, copy] = [await context.blockDevice(size), await context.blockDevice(size)];
    const [one, other] = [await directoryIn(context, 'one'), await directoryIn(context, 'other')];
    await makeFilesystem(device, kind, { size });
    await using _ = await mountFilesystem(device, one);
    await writeFile(join(one, 'f'), 'here');
    await run(['fsfreeze', '--freeze', one]);
    try {
      await run(['dd', `if=${device}`, `of=${copy}`, 'bs=1M', 'conv=nocreat,fsync', 'status=none']);
    } finally {
      await run(['fsfreeze', '--unfreeze', one]);
    }
    await newFilesystemUuid(copy);
    await using __ = await mountFilesystem(copy, other, { readOnly: true });
    expect(await readFile(join(other, 'f'), 'utf8')).toBe('here');
    await expect(writeFile(join(other, 'f'), 'x')).rejects.toThrow('EROFS');
  });

  it('[05.96] grows while mounted and while not', async () => {
    await using context = await testContext('lxd-ts-block');
    const device = await context.blockDevice(size);
    const target = await directoryIn(context, 'target');
    await makeFilesystem(device, kind, { size, zeroed: true });
    await withFilesystem(device, (path) => writeFile(join(path, 'f'), 'kept'));
    await lengthen(context, device, size + 64 * MiB);
    expect(await deviceSize(device)).toBe(size + 64 * MiB);
    await growFilesystem(device);
    const total = async (): Promise<number> => (await readSuperblock(device))?.total ?? 0;
    expect(Math.abs((await total()) - size - 64 * MiB)).toBeLessThan(MiB);
    // ext4 grows while mounted only for those with CAP_SYS_RESOURCE.
    if (kind !== 'ext4' || (await hasCapability(24))) {
      await using mounted = await mountFilesystem(device, target);
      const before = (await diskUsage(target)).total;
      await lengthen(context, device, size + 128 * MiB);
      await growFilesystem(device, mounted.target);
      expect((await diskUsage(target)).total).toBeGreaterThan(before + 60 * MiB);
      expect(await readFile(join(target, 'f'), 'utf8')).toBe('kept');
    }
  });

  it('[05.97 05.264] shrinks where it can, never below what is in it', async () => {
    await using context = await testContext('lxd-ts-block');
    const device = await context.blockDevice(size);
    const target = await directoryIn(context, 'target');
    await makeFilesystem(device, kind, { size });
    await withFilesystem(device, async (path) => {
      await removeLostAndFound(path);
      await writeFile(join(path, 'f'), Buffer.alloc(320 * MiB, 'x'));
    });
    const refused = await kindOf(shrinkFilesystem(device, 280 * MiB));
    expect(isKind(refused, 'bad-request') && refused.message).toMatch(/cannot/);
    const shrunk = await kindOf(shrinkFilesystem(device, 512 * MiB));
    if (kind === 'xfs') {
      expect(isKind(shrunk, 'bad-request')).toBe(true);
      return;
    }
    expect(shrunk).toBe('done');
    expect((await readSuperblock(device))?.total).toBeLessThanOrEqual(512 * MiB);
    expect(await withFilesystem(device, (path) => readdir(path))).toEqual(['f']);
    await using _ = await mountFilesystem(device, target);
    const whileMounted = await kindOf(shrinkFilesystem(device, 480 * MiB, { mountedAt: target }));
    if (kind === 'btrfs') expect(whileMounted).toBe('done');
    else expect(isKind(whileMounted, 'conflict')).toBe(true);
  });

  it('is refused on a device that is too small for it', async () => {
    await using context = await testContext('lxd-ts-block');
    const least = minimumFilesystemSize[kind];
    const small = await context.blockDevice(least - MiB / 2);
    const error = await kindOf(makeFilesystem(small, kind, { size: least - MiB / 2 }));
    expect(isKind(error, 'bad-request') && error.message).toContain('"size"');
    const device = await context.blockDevice(least);
    await makeFilesystem(device, kind, { size: least });
    expect((await readSuperblock(device))?.kind).toBe(kind);
  });
});

it('an ext4 that another program made gets a new UUID too, and keeps its root as it was', async () => {
  await using context = await testContext('lxd-ts-block');
  const device = await context.blockDevice(64 * MiB);
  await run(['mkfs.ext4', '-q', device]);
  await withFilesystem(device, (path) => writeFile(join(path, 'f'), 'here'));
  const before = await readSuperblock(device);
  expect(before?.seeded).toBe(false);
  await newFilesystemUuid(device);
  expect((await readSuperblock(device))?.uuid).not.toBe(before?.uuid);
  expect(await withFilesystem(device, (path) => readFile(join(path, 'f'), 'utf8'))).toBe('here');
});

it('a btrfs that went back in time is mounted, though the kernel remembers a newer state of it', async () => {
  await using context = await testContext('lxd-ts-block');
  const [device, older] = [await context.blockDevice(size), await context.blockDevice(size)];
  const target = await directoryIn(context, 'mounted');
  await makeFilesystem(device, 'btrfs', { size });
  const write = async (path: string, text: string): Promise<void> => {
    await using mounted = await mountFilesystem(path, target);
    await writeFile(join(mounted.target, 'f'), text);
  };
  await write(device, 'then');
  await run(['dd', `if=${device}`, `of=${older}`, 'bs=4M', 'conv=fsync', 'status=none']);
  for (const text of ['now', 'later']) await write(device, text);
  await using mounted = await mountFilesystem(older, target);
  expect(await readFile(join(mounted.target, 'f'), 'utf8')).toBe('then');
});

it('mount options that the file system does not take are named', async () => {
  await using context = await testContext('lxd-ts-block');
  const device = await context.blockDevice(64 * MiB);
  const target = await directoryIn(context, 'target');
  await makeFilesystem(device, 'ext4', { size: 64 * MiB });
  const error = await kindOf(mountFilesystem(device, target, { mountOptions: 'noatime,nonsense' }));
  expect(isKind(error, 'bad-request') && error.message).toContain('"block.mount_options" "noatime,nonsense"');
});

it('what has no file system is not mounted', async () => {
  await using context = await testContext('lxd-ts-block');
  const device = await context.blockDevice(MiB);
  expect(await readSuperblock(device)).toBeUndefined();
  await expect(withFilesystem(device, async () => undefined)).rejects.toThrow(`no file system of a volume`);
});

it('[05.263] block.filesystem is one of three, ext4 when unset', () => {
  expect(configuredFilesystem({})).toBe('ext4');
  expect(configuredFilesystem({ 'block.filesystem': 'xfs' })).toBe('xfs');
  expect(() => configuredFilesystem({ 'block.filesystem': 'ext3' })).toThrow('"ext3" is not one of btrfs, ext4, xfs');
});

it('a device that is to appear is waited for, and not for ever', async () => {
  await using context = await testContext('lxd-ts-block');
  const path = join(context.directory, 'dev', 'disk');
  const waited = waitForDevice(path);
  await mkdir(join(context.directory, 'dev'));
  setTimeout(() => writeFile(path, ''), 50);
  await waited;
  const error = await kindOf(waitForDevice(join(context.directory, 'never'), 100));
  expect(isKind(error, 'unavailable') && error.message).toContain('never');
});
