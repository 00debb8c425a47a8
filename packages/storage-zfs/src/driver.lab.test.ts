import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type Config, isKind, type PoolSpec, type StoragePool, type Volume } from '@lxd-ts/driver-kit';
import { type TestContext, testContext } from '@lxd-ts/driver-kit/testing';
import { createSparseFile, run } from '@lxd-ts/host';
import { zfs } from '@lxd-ts/storage-zfs';
import { expect, it } from 'vitest';

const MiB = 1024 ** 2;
const zpool = 'lxd-ts-test';

const specIn = ({ directory }: TestContext, config: Config = {}): PoolSpec => ({
  name: zpool,
  config,
  path: join(directory, 'storage-pools/pool'),
  disks: join(directory, 'disks'),
});

const isImported = (name = zpool): boolean => existsSync(`/proc/spl/kstat/zfs/${name}`);

/** A pool in a loop file, deleted with the context. */
const poolIn = async (context: TestContext, config: Config = {}): Promise<StoragePool> => {
  const spec = specIn(context, { size: '512MiB', ...config });
  context.defer('destroy the zpool', async () => {
    if (isImported()) await run(['zpool', 'destroy', '-f', zpool]);
  });
  return zfs.open({ ...spec, config: await zfs.create(spec) });
};

const list = async (...args: string[]): Promise<string[]> =>
  (await run(['zfs', 'list', '-H', '-p', ...args])).stdout.split('\n').filter((line) => line !== '');

const propertyOf = async (dataset: string, property: string): Promise<string> =>
  (await run(['zfs', 'get', '-H', '-p', '-o', 'value', property, dataset])).stdout.trim();

const custom = (name: string, config: Config = {}): Volume => ({
  type: 'custom',
  content: 'filesystem',
  project: 'default',
  name,
  config,
});
const container = (name: string, config: Config = {}): Volume => ({ ...custom(name, config), type: 'container' });
const image: Volume = { ...custom('f'.repeat(64)), type: 'image' };
const in_ = (volume: Volume, snapshot: string): Volume => ({ ...volume, snapshot });

const write = async (pool: StoragePool, volume: Volume, text: string): Promise<void> => {
  await using mounted = await pool.mountVolume(volume);
  await writeFile(join(mounted.path, 'f'), text);
};
const read = async (pool: StoragePool, volume: Volume): Promise<string> => {
  await using mounted = await pool.mountVolume(volume);
  return await readFile(join(mounted.path, 'f'), 'utf8');
};
const writeRandom = async (file: string, mebibytes: number): Promise<void> => {
  await run(['dd', 'if=/dev/urandom', `of=${file}`, 'bs=1M', `count=${mebibytes}`, 'conv=fsync', 'status=none']);
};
const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (reason: unknown) => reason,
  );

it('[05.19 05.24 05.25 05.192 05.193] a pool in a loop file is a zpool of its name, compressed and trimmed', async () => {
  await using context = await testContext('lxd-ts-zfs');
  const spec = specIn(context, { size: '256MiB' });
  const config = await zfs.create(spec);
  await using pool = await zfs.open({ ...spec, config });
  context.defer('delete the pool', () => pool.delete());
  expect(config).toEqual({ size: '256MiB', source: join(spec.disks, `${zpool}.img`), 'zfs.pool_name': zpool });
  expect(await propertyOf(zpool, 'compression')).toBe('on');
  expect((await run(['zpool', 'get', '-H', '-o', 'value', 'autotrim', zpool])).stdout.trim()).toBe('on');
  expect(await list('-o', 'name', '-r', '-d', '1', zpool)).toEqual(
    ['', '/buckets', '/containers', '/custom', '/deleted', '/images', '/virtual-machines'].map((one) => zpool + one),
  );
});

it('[05.22 05.24 05.25] a device that carries something is refused, unless it is to be wiped', async () => {
  await using context = await testContext('lxd-ts-zfs');
  const source = await context.blockDevice(256 * MiB);
  await run(['mkfs.ext4', '-q', source]);
  const error = await failure(zfs.create(specIn(context, { source })));
  expect(isKind(error, 'conflict') && error.message).toContain(source);
  const spec = specIn(context, { source, 'source.wipe': 'true', size: '1GiB' });
  const config = await zfs.create(spec);
  expect(config).toEqual({
    source: zpool,
    'source.wipe': 'true',
    'volatile.initial_source': source,
    'zfs.pool_name': zpool,
  });
  {
    await using first = await zfs.open({ ...spec, config });
    await first.createVolume(custom('v'));
  }
  expect(isImported()).toBe(false);
  // Found again by its name, on whatever device that is now.
  const pool = await zfs.open({ ...spec, config });
  expect(await pool.hasVolume(custom('v'))).toBe(true);
  await pool.deleteVolume(custom('v'));
  await pool.delete();
  expect(isImported()).toBe(false);
});

it('[05.25] sources that cannot be are refused, and nothing is left', async () => {
  await using context = await testContext('lxd-ts-zfs');
  const file = join(context.directory, 'theirs.img');
  await createSparseFile(file, 256 * MiB);
  await run(['zpool', 'create', '-m', 'none', 'lxd-ts-theirs', file]);
  context.defer('destroy it', () => run(['zpool', 'destroy', '-f', 'lxd-ts-theirs']));
  await run(['zfs', 'create', '-p', 'lxd-ts-theirs/full/x']);
  for (const [config, kind, words] of [
    [{ source: 'lxd-ts-theirs' }, 'conflict', "isn't empty"],
    [{ source: 'lxd-ts-theirs/full' }, 'conflict', "isn't empty"],
    [{ source: 'lxd-ts-theirs/none/deep' }, 'bad-request', 'cannot be made'],
    [{ source: 'lxd-ts-theirs/slice', 'zfs.pool_name': 'other' }, 'bad-request', 'must match'],
    [{ source: 'lxd-ts-nowhere' }, 'unavailable', 'lxd-ts-nowhere'],
    [{ source: '/nowhere' }, 'bad-request', '/nowhere'],
    [{ 'zfs.pool_name': 'lxd-ts-theirs', size: '256MiB' }, 'conflict', 'exists already'],
    [{ 'zfs.pool_name': 'mirror', size: '256MiB' }, 'bad-request', 'zfs.pool_name'],
    [{ size: '1MiB' }, 'bad-request', '"size"'],
  ] as const) {
    const error = await failure(zfs.create(specIn(context, config)));
    expect(isKind(error, kind) && error.message, JSON.stringify(config)).toContain(words);
  }
  expect(await list('-o', 'name', '-r', 'lxd-ts-theirs')).toHaveLength(3);
  expect(existsSync(join(context.directory, 'disks', `${zpool}.img`))).toBe(false);
});

it('[05.206 05.275] the zpool is exported when the pool is closed, and imported again, unless told otherwise', async () => {
  await using context = await testContext('lxd-ts-zfs');
  const spec = specIn(context, { size: '256MiB' });
  const full = { ...spec, config: await zfs.create(spec) };
  {
    await using pool = await zfs.open(full);
    await pool.createVolume(custom('v'), ({ path }) => writeFile(join(path, 'f'), 'here'));
  }
  expect(isImported()).toBe(false);
  await rename(full.config.source ?? '', `${full.config.source}-away`);
  const error = await failure(zfs.open(full));
  expect(isKind(error, 'unavailable') && error.message).toContain('is not there');
  await rename(`${full.config.source}-away`, full.config.source ?? '');
  const pool = await zfs.open({ ...full, config: { ...full.config, 'zfs.export': 'false' } });
  expect(await read(pool, custom('v'))).toBe('here');
  await pool[Symbol.asyncDispose]();
  expect(isImported()).toBe(true);
  // In use it stays too.
  const again = await zfs.open(full);
  const mounted = await again.mountVolume(custom('v'));
  await again[Symbol.asyncDispose]();
  expect(isImported()).toBe(true);
  expect(await readFile(join(mounted.path, 'f'), 'utf8')).toBe('here');
  await mounted[Symbol.asyncDispose]();
  await again.delete();
  expect(isImported()).toBe(false);
});

it('[05.56 05.195] an image with clones lives on out of sight, and goes with the last of them', async () => {
  await using context = await testContext('lxd-ts-zfs');
  await using pool = await poolIn(context);
  await pool.createVolume(image, ({ path }) => writeFile(join(path, 'f'), 'from the image'));
  const instances = ['c1', 'c2'].map((name) => container(name));
  for (const instance of instances) await pool.copyVolume(instance, image, []);
  expect(await propertyOf(`${zpool}/containers/c1`, 'origin')).toBe(`${zpool}/images/${image.name}@readonly`);
  await pool.deleteVolume(image);
  expect(await pool.hasVolume(image)).toBe(false);
  expect((await list('-o', 'name', '-r', `${zpool}/deleted/images`)).length).toBe(2);
  // The same image comes again, and goes again.
  await pool.createVolume(image, ({ path }) => writeFile(join(path, 'f'), 'from the image'));
  await pool.copyVolume(container('c3'), image, []);
  await pool.deleteVolume(image);
  for (const instance of [...instances, container('c3')]) {
    expect(await read(pool, instance)).toBe('from the image');
    await pool.deleteVolume(instance);
  }
  expect(await list('-o', 'name', '-r', `${zpool}/deleted/images`)).toEqual([`${zpool}/deleted/images`]);
});

it('[05.195] chains of copies are deleted in any order, and nothing is left', async () => {
  await using context = await testContext('lxd-ts-zfs');
  await using pool = await poolIn(context);
  const names = ['a', 'b', 'c', 'd'];
  await pool.createVolume(custom('a'), ({ path }) => writeFile(join(path, 'f'), 'a'));
  await pool.createSnapshot(in_(custom('a'), 's0'));
  await pool.copyVolume(custom('b'), in_(custom('a'), 's0'), []);
  await pool.copyVolume(custom('c'), custom('b'), []);
  await pool.copyVolume(custom('d'), custom('c'), []);
  // Its name is free at once.
  await pool.deleteSnapshot(in_(custom('a'), 's0'));
  await pool.createSnapshot(in_(custom('a'), 's0'));
  await pool.deleteSnapshot(in_(custom('a'), 's0'));
  for (const name of ['b', 'a', 'c', 'd']) {
    expect(await read(pool, custom(name))).toBe('a');
    await pool.deleteVolume(custom(name));
    names.splice(names.indexOf(name), 1);
    expect((await pool.listVolumes()).map(({ volume }) => volume.name)).toEqual(names);
  }
  expect(await list('-t', 'all', '-o', 'name', '-r', `${zpool}/deleted`)).toHaveLength(6);
  expect(await list('-t', 'all', '-o', 'name', '-r', `${zpool}/custom`)).toHaveLength(1);
});

it('[05.197 05.198 05.262] with zfs.remove_snapshots newer snapshots make room for an older one', async () => {
  await using context = await testContext('lxd-ts-zfs');
  await using pool = await poolIn(context);
  await pool.createVolume(custom('v'));
  for (const state of ['one', 'two', 'three']) {
    await write(pool, custom('v'), state);
    await pool.createSnapshot(in_(custom('v'), state));
  }
  const error = await failure(pool.restoreVolume(custom('v'), 'one'));
  expect(isKind(error, 'conflict') && error.message).toMatch(/two, three\. Set zfs\.remove_snapshots/);
  expect(await failure(Promise.resolve(pool.deletedByRestore?.(custom('v'), 'one')))).toEqual(error);
  expect(await pool.deletedByRestore?.(custom('v'), 'three')).toEqual([]);
  const willing = custom('v', { 'zfs.remove_snapshots': 'true' });
  expect(await pool.deletedByRestore?.(willing, 'one')).toEqual(['two', 'three']);
  expect((await pool.listVolumes())[0]?.snapshots).toEqual(['one', 'two', 'three']);
  await pool.restoreVolume(willing, 'two');
  expect(await read(pool, custom('v'))).toBe('two');
  expect((await pool.listVolumes())[0]?.snapshots).toEqual(['one', 'two']);
  // What the pool says now counts for volumes that say nothing.
  await pool.update({ 'volume.zfs.remove_snapshots': 'true' }, ['volume.zfs.remove_snapshots']);
  expect(await pool.deletedByRestore?.(custom('v', { 'zfs.remove_snapshots': 'false' }), 'two')).toEqual([]);
  await pool.restoreVolume(custom('v'), 'one');
  expect(await read(pool, custom('v'))).toBe('one');
  expect((await pool.listVolumes())[0]?.snapshots).toEqual(['one']);
});

it('[05.199 05.200] copies are clones, which a restore does not destroy, full copies, or based on the image', async () => {
  await using context = await testContext('lxd-ts-zfs');
  const pool = await poolIn(context);
  await pool.createVolume(image, ({ path }) => writeFile(join(path, 'f'), 'image'));
  await pool.copyVolume(container('c'), image, []);
  await pool.createSnapshot(in_(container('c'), 's0'));
  await write(pool, container('c'), 'changed');
  const origin = (name: string): Promise<string> => propertyOf(`${zpool}/containers/${name}`, 'origin');
  await pool.copyVolume(container('clone'), container('c'), []);
  expect(await origin('clone')).toMatch(new RegExp(`^${zpool}/containers/c@copy-`));
  const error = await failure(pool.restoreVolume(container('c'), 's0'));
  expect(isKind(error, 'conflict') && error.message).toContain('containers/clone');
  await pool.update({ 'zfs.clone_copy': 'false' }, ['zfs.clone_copy']);
  await pool.copyVolume(container('full'), container('clone'), []);
  expect(await origin('full')).toBe('-');
  await pool.update({ 'zfs.clone_copy': 'rebase' }, ['zfs.clone_copy']);
  await pool.copyVolume(container('rebased'), container('clone'), []);
  expect(await origin('rebased')).toBe(`${zpool}/images/${image.name}@readonly`);
  for (const name of ['clone', 'full', 'rebased']) {
    expect(await read(pool, container(name))).toBe('changed');
    await pool.deleteVolume(container(name));
  }
  // Nothing stands in the way any more.
  await pool.restoreVolume(container('c'), 's0');
  expect(await read(pool, container('c'))).toBe('image');
});

it('[05.202 05.203 05.204] sizes are quotas or refquotas, reserved if wanted; blocks are as large as wanted', async () => {
  await using context = await testContext('lxd-ts-zfs');
  await using pool = await poolIn(context);
  const reserved = custom('reserved', { size: '32MiB', 'zfs.reserve_space': 'true', 'zfs.blocksize': '32KiB' });
  await pool.createVolume(reserved);
  expect(await propertyOf(`${zpool}/custom/default_reserved`, 'reservation')).toBe(String(32 * MiB));
  expect(await propertyOf(`${zpool}/custom/default_reserved`, 'recordsize')).toBe('32768');
  const data = custom('data', { size: '16MiB', 'zfs.use_refquota': 'true' });
  await pool.createVolume(data, ({ path }) => writeRandom(join(path, 'f'), 8));
  await pool.createSnapshot(in_(data, 's0'));
  {
    await using mounted = await pool.mountVolume(data);
    // The old blocks belong to the snapshot, which does not count.
    await writeRandom(join(mounted.path, 'f'), 8);
  }
  const usage = await pool.usage(data);
  expect(usage?.total).toBe(16 * MiB);
  expect(usage?.used).toBeLessThan(10 * MiB);
  await pool.resizeVolume({ ...data, config: { size: '16MiB' } }, 64 * MiB);
  expect(await propertyOf(`${zpool}/custom/default_data`, 'refquota')).toBe('0');
  expect((await pool.usage(data))?.used).toBeGreaterThan(14 * MiB);
  const error = await failure(pool.resizeVolume({ ...data, config: {} }, 12 * MiB));
  expect(isKind(error, 'bad-request') && error.message).toContain('cannot be limited to 12582912 bytes');
  expect(await propertyOf(`${zpool}/custom/default_data`, 'quota')).toBe(String(64 * MiB));
});

it('[05.202 05.203] how a volume is limited changes at once, and stays as it was where it cannot', async () => {
  await using context = await testContext('lxd-ts-zfs');
  await using pool = await poolIn(context);
  const dataset = `${zpool}/custom/default_v`;
  const limits = async (): Promise<string[]> =>
    Promise.all(['quota', 'reservation', 'refquota', 'refreservation'].map((name) => propertyOf(dataset, name)));
  const size = String(16 * MiB);
  await pool.createVolume(custom('v', { size }), ({ path }) => writeRandom(join(path, 'f'), 10));
  const data = custom('v', { size, 'zfs.use_refquota': 'true', 'zfs.reserve_space': 'true' });
  await pool.updateVolume?.(data, ['zfs.use_refquota', 'zfs.reserve_space']);
  expect(await limits()).toEqual(['0', '0', size, size]);
  expect((await pool.usage(data))?.total).toBe(16 * MiB);
  await pool.createSnapshot(in_(data, 's0'));
  await pool.updateVolume?.(custom('v', { size, 'zfs.use_refquota': 'true' }), ['zfs.reserve_space']);
  {
    await using mounted = await pool.mountVolume(data);
    await writeRandom(join(mounted.path, 'f'), 10);
  }
  // With the snapshot it is more than the size.
  const plain = custom('v', { size });
  const error = await failure(Promise.resolve(pool.updateVolume?.(plain, ['zfs.use_refquota'])));
  expect(isKind(error, 'bad-request') && error.message).toContain(`cannot be limited to ${size} bytes`);
  expect(await limits()).toEqual(['0', '0', size, '0']);
  await pool.deleteSnapshot(in_(data, 's0'));
  await pool.updateVolume?.(plain, ['zfs.use_refquota']);
  expect(await limits()).toEqual([size, '0', '0', '0']);
  // One without a limit gets none.
  await pool.resizeVolume(custom('v'), undefined);
  await pool.updateVolume?.(data, ['zfs.use_refquota', 'zfs.reserve_space']);
  expect(await limits()).toEqual(['0', '0', '0', '0']);
});

it('[05.203] the space of disks is reserved with the next change of the key, and that of copies too', async () => {
  await using context = await testContext('lxd-ts-zfs');
  await using pool = await poolIn(context);
  const reserved = async (name: string): Promise<number> =>
    Number(await propertyOf(`${zpool}/custom/default_${name}`, 'refreservation'));
  const disk: Volume = { ...custom('d', { size: '16MiB' }), content: 'block' };
  const thick = { ...disk, config: { ...disk.config, 'zfs.reserve_space': 'true' } };
  await pool.createVolume(disk);
  expect(await reserved('d')).toBe(0);
  await pool.updateVolume?.(thick, ['zfs.reserve_space']);
  expect(await reserved('d')).toBeGreaterThanOrEqual(16 * MiB);
  await pool.resizeVolume(thick, 32 * MiB);
  expect(await reserved('d')).toBeGreaterThanOrEqual(32 * MiB);
  const copy = { ...thick, name: 'copy', config: { ...thick.config, size: '32MiB' } };
  await pool.copyVolume(copy, thick, []);
  expect(await reserved('copy')).toBeGreaterThanOrEqual(32 * MiB);
  await pool.updateVolume?.(disk, ['zfs.reserve_space']);
  expect(await reserved('d')).toBe(0);
});

it('[05.205] what a volume is made of does not change with its configuration', async () => {
  await using context = await testContext('lxd-ts-zfs');
  await using pool = await poolIn(context);
  const formatted = custom('f', { 'zfs.block_mode': 'true', size: '64MiB' });
  await pool.createVolume(formatted);
  await pool.createVolume(custom('v'));
  const refused = async (volume: Volume, key: string): Promise<void> => {
    const error = await failure(Promise.resolve(pool.updateVolume?.(volume, [key])));
    expect(isKind(error, 'bad-request') && error.message).toContain(`"${key}" of a volume cannot be changed`);
  };
  await refused(custom('v', { 'zfs.block_mode': 'true' }), 'zfs.block_mode');
  await refused(custom('f'), 'zfs.block_mode');
  await refused(custom('f', { ...formatted.config, 'block.filesystem': 'xfs' }), 'block.filesystem');
  await pool.updateVolume?.(custom('v', { 'zfs.block_mode': 'false' }), ['zfs.block_mode']);
  await pool.updateVolume?.(custom('f', { ...formatted.config, 'block.filesystem': 'ext4' }), ['block.filesystem']);
});

it('[05.75] the use of a mounted volume is live', async () => {
  await using context = await testContext('lxd-ts-zfs');
  await using pool = await poolIn(context);
  await pool.createVolume(custom('v'));
  await using mounted = await pool.mountVolume(custom('v'));
  await writeRandom(join(mounted.path, 'f'), 8);
  await run(['zpool', 'sync', zpool]);
  expect((await pool.usage(custom('v')))?.used).toBeGreaterThan(7 * MiB);
});

it('[05.161] a stream is exactly that of zfs send; that of a virtual machine has both parts', async () => {
  await using context = await testContext('lxd-ts-zfs');
  await using pool = await poolIn(context);
  await pool.createVolume(custom('v'), ({ path }) => writeFile(join(path, 'f'), 'here'));
  const stream = new PassThrough();
  await Promise.all([
    pool.send?.(custom('v'), undefined, stream),
    run(['zfs', 'receive', '-u', `${zpool}/custom/received`], { input: stream }),
  ]);
  expect(await list('-t', 'snapshot', '-o', 'name', `${zpool}/custom/default_v`)).toEqual([]);
  const machine: Volume = { ...custom('vm', { size: '16MiB' }), type: 'virtual-machine', content: 'block' };
  await pool.createVolume(machine, async ({ path, disk = '' }) => {
    await writeFile(join(path, 'f'), 'metadata');
    await writeRandom(disk, 4);
  });
  const copy = { ...machine, name: 'copy' };
  const through = new PassThrough();
  await Promise.all([pool.send?.(machine, undefined, through), pool.receive?.(copy, undefined, through)]);
  expect(await read(pool, copy)).toBe('metadata');
  const [one, other] = [await pool.mountVolume(machine), await pool.mountVolume(copy)];
  await run(['cmp', one.disk ?? '', other.disk ?? '']);
  await Promise.all([one, other].map((mounted) => mounted[Symbol.asyncDispose]()));
});

it('what a killed daemon left half done is cleared when the pool is opened', async () => {
  await using context = await testContext('lxd-ts-zfs');
  const pool = await poolIn(context);
  await pool.createVolume(custom('v'));
  const dataset = `${zpool}/custom/default_v`;
  const id = '5d9b20d0-daf1-4cea-8a1e-00a386873a34';
  for (const label of [`copy-${id}`, `migration-${id}`, 'snapshot-s0'])
    await run(['zfs', 'snapshot', `${dataset}@${label}`]);
  await run(['zfs', 'create', `${zpool}/deleted/custom/${id}`]);
  await zfs.open({ ...specIn(context), config: { source: zpool, 'zfs.pool_name': zpool } });
  expect(await list('-t', 'snapshot', '-o', 'name', '-r', zpool)).toEqual([`${dataset}@snapshot-s0`]);
  expect(await list('-t', 'filesystem', '-o', 'name', '-r', `${zpool}/deleted/custom`)).toHaveLength(1);
});

it('[05.242 05.243] a zpool as LXD makes it is looked at without a change, and then taken over', async () => {
  await using context = await testContext('lxd-ts-zfs');
  const source = join(context.directory, 'disks', 'theirs.img');
  await mkdir(join(context.directory, 'disks'));
  await createSparseFile(source, 256 * MiB);
  // The commands of LXD 5.0.2, from the history of such a zpool.
  await run(['zpool', 'create', '-f', '-m', 'none', '-O', 'compression=on', zpool, source]);
  context.defer('destroy it', async () => {
    if (isImported()) await run(['zpool', 'destroy', '-f', zpool]);
  });
  await run(['zfs', 'set', 'mountpoint=legacy', 'xattr=sa', 'acltype=posixacl', zpool]);
  for (const name of ['containers', 'custom'])
    await run(['zfs', 'create', '-o', 'mountpoint=legacy', `${zpool}/${name}`]);
  const dataset = `${zpool}/containers/c1`;
  await run(['zfs', 'create', '-o', 'mountpoint=legacy', '-o', 'canmount=noauto', dataset]);
  await run(['zfs', 'snapshot', `${dataset}@snapshot-s0`]);
  await run(['zfs', 'create', '-s', '-V', '16777216', '-o', 'volmode=none', `${zpool}/custom/default_b1`]);
  await run(['zpool', 'export', zpool]);
  const spec = specIn(context, { source, 'zfs.pool_name': zpool });
  await mkdir(spec.path, { recursive: true });
  {
    await using looking = await zfs.open({ ...spec, inspect: true });
    expect(
      (await looking.listVolumes()).map(({ volume, snapshots }) => [volume.name, volume.content, snapshots]),
    ).toEqual([
      ['c1', 'filesystem', ['s0']],
      ['b1', 'block', []],
    ]);
    await using mounted = await looking.mountVolume(container('c1'));
    await expect(writeFile(join(mounted.path, 'f'), 'x')).rejects.toThrow('EROFS');
    expect(await list('-o', 'name', '-r', zpool)).toHaveLength(5);
  }
  expect(isImported()).toBe(false);
  expect(await readdir(spec.path)).toEqual([]);
  await using pool = await zfs.open(spec);
  await write(pool, container('c1'), 'ours');
  await pool.restoreVolume(container('c1'), 's0');
  await pool.copyVolume(container('c2'), container('c1'), ['s0']);
  expect(await list('-t', 'snapshot', '-o', 'name', '-r', `${zpool}/containers/c2`)).toEqual([
    `${zpool}/containers/c2@snapshot-s0`,
  ]);
});

it('[05.247] in a full pool reads, deletes and snapshots still work', async () => {
  await using context = await testContext('lxd-ts-zfs');
  const pool = await poolIn(context, { size: '96MiB' });
  await pool.createVolume(custom('v'), ({ path }) => writeFile(join(path, 'f'), 'kept'));
  const full = pool.createVolume(custom('large'), ({ path }) => writeRandom(join(path, 'f'), 96));
  await expect(full).rejects.toThrow('No space left');
  expect(await pool.hasVolume(custom('large'))).toBe(false);
  expect(await read(pool, custom('v'))).toBe('kept');
  const { space } = await pool.resources();
  expect(space.total - space.used).toBeGreaterThan(8 * MiB);
});
