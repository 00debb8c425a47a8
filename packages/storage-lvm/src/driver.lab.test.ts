import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Volume, withFilesystem } from '@lxd-ts/driver-kit';
import { testContext } from '@lxd-ts/driver-kit/testing';
import { listLoops, run } from '@lxd-ts/host';
import { lvm } from '@lxd-ts/storage-lvm';
import { expect, it } from 'vitest';
import {
  create,
  GiB,
  givenGroup,
  groupName,
  lines,
  MiB,
  opened,
  read,
  refused,
  specIn,
  volume,
  write,
} from './testing/pools.ts';

it("[05.13 05.20 05.25 05.183 05.242] a pool of its own: a loop file, a group named after it, LXD's names in it", async () => {
  await using context = await testContext('lxd-ts-lvm');
  const spec = await create(specIn(context));
  const pool = await opened(context, spec);
  const { name } = spec;
  expect(spec.config).toEqual({
    source: join(spec.disks, `${name}.img`),
    size: expect.stringMatching(/^[0-9]+GiB$/),
    'lvm.vg_name': name,
    'lvm.thinpool_name': 'LXDThinPool',
  });
  expect((await stat(spec.config.source ?? '')).size).toBeGreaterThanOrEqual(5 * GiB);
  expect(await lines('vgs', 'vg_tags', name)).toEqual(['lxd_pool']);
  const machine: Volume = {
    ...volume,
    type: 'virtual-machine',
    content: 'block',
    name: 'v-1',
    config: { size: '64MiB', 'size.state': '80MiB' },
  };
  await pool.createVolume({ ...volume, type: 'container', project: 'pr', name: 'c-1' });
  await pool.createSnapshot({ ...volume, type: 'container', project: 'pr', name: 'c-1', snapshot: 'snap-0' });
  await pool.createVolume(machine);
  await pool.createSnapshot({ ...machine, snapshot: 's0' });
  expect(await lines('lvs', 'lv_name,lv_size,lv_permissions,lv_skip_activation', '--units', 'm', name)).toEqual([
    expect.stringMatching(/^LXDThinPool /),
    'containers_pr_c--1 64.00m writeable skip activation',
    'containers_pr_c--1-snap--0 64.00m read-only skip activation',
    'virtual-machines_v--1 80.00m writeable skip activation',
    'virtual-machines_v--1-s0 80.00m read-only skip activation',
    'virtual-machines_v--1-s0.block 64.00m read-only skip activation',
    'virtual-machines_v--1.block 64.00m writeable skip activation',
  ]);
  await pool.resizeVolume({ ...machine, config: { ...machine.config, 'size.state': '120MiB' } }, 128 * MiB);
  expect(await lines('lvs', 'lv_size', '--units', 'm', `${name}/virtual-machines_v--1`)).toEqual(['120.00m']);
});

it('[05.242] a pool that LXD 5.0.2 made is read: volumes, snapshots, file systems that share a UUID', async () => {
  await using context = await testContext('lxd-ts-lvm');
  const name = await givenGroup(context);
  await run(['vgchange', '--addtag', 'lxd_pool', name]);
  await run(['lvcreate', '--yes', '--type', 'thin-pool', '--extents', '100%FREE', '--name', 'LXDThinPool', name]);
  const made = ['--yes', '--setactivationskip', 'y'];
  await run([
    'lvcreate',
    ...made,
    '--wipesignatures',
    'y',
    '-K',
    '--thin',
    '--virtualsize',
    '150m',
    '--name',
    'containers_c1',
    `${name}/LXDThinPool`,
  ]);
  await run(['mkfs.btrfs', '-q', `/dev/${name}/containers_c1`]);
  await withFilesystem(`/dev/${name}/containers_c1`, (path) => writeFile(join(path, 'f'), 'from LXD'));
  await run([
    'lvcreate',
    ...made,
    '--snapshot',
    '--permission',
    'r',
    '--name',
    'containers_c1-snap0',
    `${name}/containers_c1`,
  ]);
  await run(['lvcreate', ...made, '--snapshot', '--name', 'containers_pr_c--2', `${name}/containers_c1`]);
  await run(['lvchange', '--activate', 'n', `${name}/containers_c1`]);
  const config = {
    source: name,
    'lvm.vg_name': name,
    'lvm.thinpool_name': 'LXDThinPool',
    'volatile.initial_source': name,
  };
  const spec = { ...specIn(context, config), inspect: true };
  {
    await using looking = await lvm.open(spec);
    expect(
      (await looking.listVolumes()).map(({ volume: { type, project, name: own }, snapshots }) => [
        type,
        project,
        own,
        snapshots,
      ]),
    ).toEqual([
      ['container', 'default', 'c1', ['snap0']],
      ['container', 'pr', 'c-2', []],
    ]);
    expect(await read(looking, { ...volume, type: 'container', name: 'c1' })).toBe('from LXD');
  }
  expect(existsSync(spec.path)).toBe(false);
  await using pool = await lvm.open({ ...spec, inspect: false });
  const own: Volume = { ...volume, type: 'container', name: 'c1' };
  await using _ = await pool.mountVolume(own);
  expect(await read(pool, { ...own, snapshot: 'snap0' })).toBe('from LXD');
});

it('[05.185 05.189] a thin pool has metadata as LVM finds right, and promises more than it has', async () => {
  await using context = await testContext('lxd-ts-lvm');
  const vg = groupName();
  const pool = await lvm.open(await create(specIn(context, { size: '512MiB', 'lvm.vg_name': vg })));
  const [metadata = ''] = await lines('lvs', 'lv_metadata_size', '--units', 'm', '--nosuffix', `${vg}/LXDThinPool`);
  expect(Number(metadata)).toBeGreaterThanOrEqual(2);
  const volumes = [1, 2, 3].map((at) => ({ ...volume, name: `v${at}`, config: { size: '400MiB' } }));
  for (const one of volumes) await pool.createVolume(one);
  expect((await pool.usage({ ...volume, name: 'v3', config: { size: '400MiB' } }))?.total).toBeGreaterThan(300 * MiB);
  for (const one of volumes) await pool.deleteVolume(one);
  await pool.delete();
});

it('[05.22 05.24 05.25] on a device: a group of the name given, refused while something else is on it', async () => {
  await using context = await testContext('lxd-ts-lvm');
  const source = await context.blockDevice(256 * MiB);
  await run(['mkfs.ext4', '-q', source]);
  const vg = groupName();
  await refused(lvm.create(specIn(context, { source })), 'conflict', 'ext4');
  const spec = await create(
    specIn(context, {
      source,
      'source.wipe': 'true',
      'lvm.vg_name': vg,
      size: '1GiB',
      'lvm.thinpool_metadata_size': '8MiB',
    }),
  );
  expect(spec.config).toEqual({
    source: vg,
    'source.wipe': 'true',
    'lvm.vg_name': vg,
    'lvm.thinpool_name': 'LXDThinPool',
    'lvm.thinpool_metadata_size': '8MiB',
    'volatile.initial_source': source,
  });
  expect(await lines('lvs', 'lv_metadata_size,lv_when_full', '--units', 'm', `${vg}/LXDThinPool`)).toEqual([
    '8.00m error',
  ]);
  await refused(lvm.create(specIn(context, { source })), 'conflict', `belongs to volume group "${vg}"`);
  const pool = await lvm.open(spec);
  await refused(pool.update({ ...spec.config, size: '2GiB' }, ['size']), 'bad-request', 'cannot grow');
  await refused(
    pool.update({ ...spec.config, 'lvm.use_thinpool': 'false' }, ['lvm.use_thinpool']),
    'bad-request',
    'lvm.use_thinpool',
  );
  await pool.delete();
  expect((await lines('vgs', 'vg_name')).includes(vg)).toBe(false);
  const again = await lvm.open(await create(specIn(context, { source })));
  await again.delete();
});

it('[05.25 05.182 05.261] in a group, or a thin pool, that is there: refused unless empty, and there after the pool', async () => {
  await using context = await testContext('lxd-ts-lvm');
  const source = await givenGroup(context);
  await run(['lvcreate', '--yes', '--size', '16m', '--name', 'foreign', source]);
  await refused(lvm.create(specIn(context, { source })), 'conflict', 'is not empty');
  const reused = await create(specIn(context, { source, 'lvm.vg.force_reuse': 'true', 'lvm.use_thinpool': 'false' }));
  await refused(lvm.create(specIn(context, { source })), 'conflict', 'already used by LXD');
  await (await lvm.open(reused)).delete();
  expect(await lines('lvs', 'lv_name', source)).toEqual(['foreign']);
  await run(['lvremove', '--force', '--yes', `${source}/foreign`]);
  await run(['lvcreate', '--yes', '--type', 'thin-pool', '--size', '300m', '--name', 'mine', source]);
  const spec = await create(specIn(context, { source, 'lvm.thinpool_name': 'mine' }));
  expect(spec.config).toEqual({
    source,
    'lvm.vg_name': source,
    'lvm.thinpool_name': 'mine',
    'volatile.initial_source': source,
  });
  const pool = await lvm.open(spec);
  await pool.createVolume(volume);
  expect((await pool.resources()).space.total).toBe(300 * MiB);
  await pool.deleteVolume(volume);
  await pool.delete();
  expect(await lines('lvs', 'lv_name,lv_tags', source)).toEqual(['mine']);
  expect(await lines('vgs', 'vg_tags', source)).toEqual([]);
});

it('[05.25 05.263] configurations that cannot be are refused, and nothing is left', async () => {
  await using context = await testContext('lxd-ts-lvm');
  const file = join(context.directory, 'file');
  await writeFile(file, '');
  for (const [config, text] of [
    [{ source: 'lxd-ts-none' }, 'does not exist'],
    [{ source: '/dev/lxd-ts-none' }, "doesn't exist"],
    [{ source: file }, 'custom loop file locations are not supported'],
    [{ source: 'one', 'lvm.vg_name': 'two' }, '"lvm.vg_name"'],
    [{ 'lvm.use_thinpool': 'false', 'lvm.thinpool_name': 'x' }, '"lvm.use_thinpool" cannot be set to false'],
    [{ size: '1MiB' }, '"size"'],
  ] as const) {
    await refused(lvm.create(specIn(context, config)), 'bad-request', text);
  }
  const pool = await opened(context, await create(specIn(context, { size: '64MiB' })));
  await refused(pool.createVolume({ ...volume, name: 'a_tdata' }), 'bad-request', '_tdata');
  await refused(
    pool.createVolume({ ...volume, config: { size: '32MiB', 'block.filesystem': 'ext3' } }),
    'bad-request',
    'ext3',
  );
  await refused(
    pool.createVolume({ ...volume, config: { size: '32MiB', 'block.filesystem': 'xfs' } }),
    'bad-request',
    '"size"',
  );
  await refused(
    pool.createVolume({ ...volume, config: { size: '32MiB', 'lvm.stripes': '2' } }),
    'bad-request',
    '"lvm.stripes"',
  );
  expect(await pool.listVolumes()).toEqual([]);
  expect(await readdir(join(context.directory, 'disks'))).toHaveLength(1);
});

it('[05.47] group and thin pool are renamed with volumes in use, also when the server dies before it has noted it', async () => {
  await using context = await testContext('lxd-ts-lvm');
  const spec = await create(specIn(context, { size: '512MiB' }));
  const [first, second] = [groupName(), groupName()];
  const pool = await lvm.open(spec);
  await pool.createVolume(volume);
  await write(pool, volume, 'here');
  const config = { ...spec.config, 'lvm.vg_name': first, 'lvm.thinpool_name': 'renamed' };
  {
    await using mounted = await pool.mountVolume(volume);
    await pool.update(config, ['lvm.vg_name', 'lvm.thinpool_name']);
    expect(await readFile(join(mounted.path, 'f'), 'utf8')).toBe('here');
    expect((await pool.resources()).space.total).toBeGreaterThan(400 * MiB);
  }
  expect(await lines('lvs', 'lv_name', first)).toEqual(['custom_default_v', 'renamed']);
  expect(await read(pool, volume)).toBe('here');
  await pool.update({ ...config, 'lvm.vg_name': second, 'lvm.thinpool_name': 'again' }, [
    'lvm.vg_name',
    'lvm.thinpool_name',
  ]);
  // The server knows the former names still.
  const after = await opened(context, { ...spec, config });
  expect(await read(after, volume)).toBe('here');
  expect(await lines('lvs', 'lv_name,lv_tags', first)).toEqual(['custom_default_v', 'renamed']);
  expect(await lines('vgs', 'vg_tags', first)).toEqual(['lxd_pool']);
  await refused(
    after
      .update({ ...config, 'lvm.vg_name': '' }, [])
      .then(() => after.update({ ...config, 'lvm.thinpool_name': 'custom_default_v' }, [])),
    'conflict',
    'already',
  );
});

for (const kind of ['thin', 'thick'] as const) {
  it.each(['xfs', 'btrfs'])(
    `[05.187] ${kind}: %s volume, its snapshots and copies are mounted at once, and it grows`,
    async (filesystem) => {
      await using context = await testContext('lxd-ts-lvm');
      const thick = { source: await context.blockDevice(64 * GiB), 'lvm.use_thinpool': 'false' };
      const pool = await opened(context, await create(specIn(context, kind === 'thin' ? { size: '3GiB' } : thick)));
      const one: Volume = {
        ...volume,
        config: { size: '384MiB', 'block.filesystem': filesystem, 'block.mount_options': 'noatime' },
      };
      await pool.createVolume(one, ({ path }) => writeFile(join(path, 'f'), 'one'));
      await pool.createSnapshot({ ...one, snapshot: 's0' });
      await write(pool, one, 'two');
      const copy = { ...one, name: 'copy' };
      {
        await using mounted = await pool.mountVolume(one);
        await pool.createSnapshot({ ...one, snapshot: 's1' });
        await pool.copyVolume(copy, one, ['s0', 's1']);
        const all = [{ ...one, snapshot: 's0' }, { ...one, snapshot: 's1' }, copy, { ...copy, snapshot: 's0' }];
        const mounts = await Promise.all(all.map((each) => pool.mountVolume(each)));
        expect(await Promise.all(mounts.map(({ path }) => readFile(join(path, 'f'), 'utf8')))).toEqual([
          'one',
          'two',
          'two',
          'one',
        ]);
        expect(
          (await readFile('/proc/self/mounts', 'utf8')).split('\n').find((line) => line.includes(` ${mounted.path} `)),
        ).toMatch(new RegExp(` ${filesystem} \\S*noatime`));
        for (const mount of mounts) await mount[Symbol.asyncDispose]();
      }
      await pool.restoreVolume(one, 's0');
      expect(await read(pool, one)).toBe('one');
      expect(await read(pool, { ...one, snapshot: 's1' })).toBe('two');
      await pool.resizeVolume(copy, 512 * MiB);
      expect((await pool.usage(copy))?.total).toBe(512 * MiB);
      expect(await read(pool, copy)).toBe('two');
      if (filesystem === 'xfs') {
        await refused(pool.resizeVolume(copy, 400 * MiB), 'bad-request', 'xfs');
        // What cannot shrink is copied by its contents.
        const small: Volume = { ...copy, name: 'small', config: { ...copy.config, size: '320MiB' } };
        await pool.copyVolume(small, copy, []);
        expect((await pool.usage(small))?.total).toBe(320 * MiB);
        expect(await read(pool, small)).toBe('two');
      }
    },
  );
}

it('[05.186] stripes are those of thick volumes, or of the thin pool', async () => {
  await using context = await testContext('lxd-ts-lvm');
  const striped = { 'lvm.stripes': '2', 'lvm.stripes.size': '16KiB' };
  const thick = await givenGroup(context, 2);
  const pool = await opened(context, await create(specIn(context, { source: thick, 'lvm.use_thinpool': 'false' })));
  await pool.createVolume({ ...volume, config: { ...volume.config, ...striped } });
  expect(await lines('lvs', 'stripes,stripe_size', '--units', 'k', `${thick}/custom_default_v`)).toEqual(['2 16.00k']);
  const thin = await givenGroup(context, 2);
  const config = { source: thin, 'volume.lvm.stripes': '2', 'volume.lvm.stripes.size': '16KiB' };
  const other = await opened(context, await create(specIn(context, config)));
  await other.createVolume({ ...volume, config: { ...volume.config, ...striped } });
  expect(await lines('lvs', 'stripes', '-a', '-S', 'lv_name=~_tdata', thin)).toEqual(['2']);
});

it('[05.184] thick: what has no room is refused, snapshots keep their whole size, and a lost one says so', async () => {
  await using context = await testContext('lxd-ts-lvm');
  const source = await givenGroup(context);
  const pool = await opened(context, await create(specIn(context, { source, 'lvm.use_thinpool': 'false' })));
  await refused(pool.createVolume({ ...volume, config: { size: '1GiB' } }), 'conflict', 'No space left');
  expect(await pool.listVolumes()).toEqual([]);
  await pool.createVolume(volume);
  const before = (await pool.resources()).space.used;
  await pool.createSnapshot({ ...volume, snapshot: 's0' });
  expect((await pool.resources()).space.used - before).toBeGreaterThanOrEqual(64 * MiB);
  await run([
    'lvcreate',
    '--yes',
    '--snapshot',
    '--size',
    '4m',
    '--name',
    'custom_default_v-lost',
    `${source}/custom_default_v`,
  ]);
  {
    await using mounted = await pool.mountVolume(volume);
    await writeFile(join(mounted.path, 'data'), Buffer.alloc(16 * MiB, 'x'));
    await run(['sync', '--file-system', mounted.path]);
  }
  await refused(pool.mountVolume({ ...volume, snapshot: 'lost' }), 'conflict', 'is lost');
  await refused(pool.restoreVolume(volume, 'lost'), 'conflict', 'is lost');
  await pool.deleteSnapshot({ ...volume, snapshot: 'lost' });
  await pool.restoreVolume(volume, 's0');
  await using mounted = await pool.mountVolume(volume);
  expect(await readdir(mounted.path)).toEqual([]);
});

it('a new thick disk has nothing of an old one, and a device in use is not deleted', async () => {
  await using context = await testContext('lxd-ts-lvm');
  const source = await givenGroup(context);
  const pool = await opened(context, await create(specIn(context, { source, 'lvm.use_thinpool': 'false' })));
  const disk: Volume = { ...volume, content: 'block', config: { size: '16MiB' } };
  await pool.createVolume(disk, ({ disk: path = '' }) => writeFile(path, Buffer.alloc(16 * MiB, 'secret')));
  {
    await using _ = await pool.mountVolume(disk);
    await refused(pool.deleteVolume(disk), 'conflict', 'is in use');
  }
  await pool.deleteVolume(disk);
  await pool.createVolume(disk);
  await using mounted = await pool.mountVolume(disk);
  expect((await readFile(mounted.disk ?? '')).every((byte) => byte === 0)).toBe(true);
});

it('all works where udevd does not run, its socket left behind', async () => {
  await using context = await testContext('lxd-ts-lvm');
  await run(['udevadm', 'control', '--exit']);
  context.defer('start udevd', () => run(['/lib/systemd/systemd-udevd', '--daemon']));
  const spec = await create(specIn(context, { size: '256MiB' }));
  const pool = await opened(context, spec);
  await pool.createVolume(volume, ({ path }) => writeFile(join(path, 'f'), 'here'));
  await pool.createSnapshot({ ...volume, snapshot: 's0' });
  await pool.copyVolume({ ...volume, name: 'copy' }, volume, ['s0']);
  await pool.restoreVolume(volume, 's0');
  expect(await read(pool, { ...volume, snapshot: 's0' })).toBe('here');
  await pool[Symbol.asyncDispose]();
  expect(existsSync(`/dev/mapper/${spec.name.replaceAll('-', '--')}-LXDThinPool`)).toBe(false);
  expect(listLoops().map(({ backingFile }) => backingFile)).not.toContain(spec.config.source);
  const again = await lvm.open(spec);
  expect(await read(again, { ...volume, name: 'copy' })).toBe('here');
});

it('links that LVM left behind in /dev do not stand in the way of a new pool', async () => {
  await using context = await testContext('lxd-ts-lvm');
  const spec = specIn(context, { size: '64MiB' });
  await mkdir(join('/dev', spec.name));
  await symlink('/dev/mapper/lxd-ts-none', join('/dev', spec.name, 'containers_gone'));
  await opened(context, await create(spec));
});

it('what a killed server left of restores is finished or undone when the pool is opened', async () => {
  await using context = await testContext('lxd-ts-lvm');
  const spec = await create(specIn(context, { size: '512MiB' }));
  const pool = await opened(context, spec);
  const fork = (name: string, of: string): Promise<unknown> =>
    run(['lvcreate', '--yes', '--snapshot', '--name', name, `${spec.name}/${of}`]);
  await pool.createVolume(volume, ({ path }) => writeFile(join(path, 'f'), 'old'));
  await fork('new_custom_default_v', 'custom_default_v');
  await pool.createVolume({ ...volume, name: 'w' }, ({ path }) => writeFile(join(path, 'f'), 'old'));
  await pool.createSnapshot({ ...volume, name: 'w', snapshot: 's' });
  await write(pool, { ...volume, name: 'w' }, 'changed');
  await fork('new_custom_default_w', 'custom_default_w-s');
  await run(['lvremove', '--yes', `${spec.name}/custom_default_w`]);
  await lvm.open(spec);
  // One was not begun; the other was under way.
  expect(await lines('lvs', 'lv_name', spec.name)).toEqual([
    'LXDThinPool',
    'custom_default_v',
    'custom_default_w',
    'custom_default_w-s',
  ]);
  expect(await read(pool, volume)).toBe('old');
  expect(await read(pool, { ...volume, name: 'w' })).toBe('old');
});
