import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { importBusybox } from '../testing/containers.ts';
import { startTestDaemon, type TestDaemon } from '../testing/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon();
  await importBusybox(daemon);
});
afterAll(() => daemon[Symbol.asyncDispose]());

const pools = '/1.0/storage-pools';
const tree = `${pools}/tree`;
const bad = { status: 400 };
const keys = z.looseObject({ config: z.record(z.string(), z.string()) });
const answerShape = z.object({ type: z.string(), operation: z.string() });
const configOf = async (url: string) => keys.parse(await daemon.run('GET', url)).config;

test('[05.14 05.15 05.18 05.21 05.23 05.24 05.25] pools of each form are made, with their effective source', async () => {
  const source = join(daemon.scratch, 'given');
  mkdirSync(source);
  expect(await configOf(`${pools}/default`)).toEqual({ source: join(daemon.folder, 'storage-pools/default') });
  await daemon.run('POST', pools, { name: 'given', driver: 'dir', config: { source: `${source}/` } });
  expect(await configOf(`${pools}/given`)).toEqual({ source, 'volatile.initial_source': `${source}/` });
  await daemon.run('POST', pools, { name: 'tree', driver: 'btrfs', config: { size: '300MiB' } });
  expect(await configOf(tree)).toEqual({ size: '300MiB', source: join(daemon.folder, 'disks/tree.img') });
  const below = join(daemon.folder, 'storage-pools/tree/below');
  await daemon.run('POST', pools, { name: 'below', driver: 'btrfs', config: { source: below } });
  expect(await configOf(`${pools}/below`)).toEqual({ source: below, 'volatile.initial_source': below });
  // What the server keeps is not the user's to set, as in a preseed that was dumped elsewhere.
  const config = { size: '300MiB', 'volatile.initial_source': '/x' };
  await daemon.run('POST', pools, { name: 'dumped', driver: 'btrfs', config });
  expect(await configOf(`${pools}/dumped`)).not.toHaveProperty(['volatile.initial_source']);
  await daemon.run('DELETE', `${pools}/dumped`);
  await daemon.run('PATCH', `${pools}/below`, { config: { 'volatile.initial_source': '/x', 'user.note': 'x' } });
  await daemon.run('PUT', `${pools}/below`, { config: { source: below } });
  expect(await configOf(`${pools}/below`)).toEqual({ source: below, 'volatile.initial_source': below });
  await daemon.run('DELETE', `${pools}/below`);
  await daemon.run('DELETE', `${pools}/given`);
  expect(readdirSync(source)).toEqual([]);
});

test('[05.2 05.23] a driver, and keys, that are not known are refused, and leave nothing', async () => {
  const create = (driver: string, config: Record<string, string> = {}, name = 'never') =>
    daemon.run('POST', pools, { name, driver, config });
  await expect(create('floppy')).rejects.toMatchObject(bad);
  await expect(create('')).rejects.toMatchObject(bad);
  for (const [driver, config, word] of [
    ['dir', { size: '1GiB' }, 'size'],
    ['dir', { 'btrfs.mount_options': 'ssd' }, 'btrfs.mount_options'],
    ['dir', { 'source.wipe': 'true' }, 'source.wipe'],
    ['dir', { 'rsync.compression': 'maybe' }, 'boolean'],
    ['dir', { 'volume.snapshots.expiry': 'soon' }, 'volume.snapshots.expiry'],
    ['dir', { 'volume.block.filesystem': 'ext4' }, 'volume.block.filesystem'],
    ['btrfs', { size: '10 apples' }, 'size'],
    ['btrfs', { 'rsync.bwlimit': '1' }, 'rsync.bwlimit'],
    ['btrfs', { 'volatile.mine': 'x' }, 'volatile.mine'],
  ] as const) {
    await expect(create(driver, config), word).rejects.toThrow(word);
    await expect(create(driver, config), word).rejects.toMatchObject(bad);
  }
  for (const name of ['', 'a/b', '..', '.']) await expect(create('dir', {}, name), name).rejects.toMatchObject(bad);
  await expect(create('btrfs', {}, 'default')).rejects.toMatchObject({ status: 409 });
  expect(await daemon.run('GET', pools)).toEqual([`${pools}/default`, tree]);
  expect(readdirSync(join(daemon.folder, 'storage-pools')).sort()).toEqual(['default', 'tree']);
  expect(readdirSync(join(daemon.folder, 'disks'))).toEqual(['tree.img']);
});

test('[05.1 05.58] a pool holds volumes by purpose and content, and buckets', async () => {
  const custom = (name: string, content_type?: string, config = {}) =>
    daemon.run('POST', `${tree}/volumes/custom`, { name, config, ...(content_type ? { content_type } : {}) });
  await daemon.run('POST', '/1.0/instances', {
    name: 'sp-c1',
    devices: { root: { type: 'disk', path: '/', pool: 'tree' } },
    source: { type: 'image', alias: 'busybox' },
  });
  await custom('sp-c1');
  await custom('disk', 'block', { size: '4MiB' });
  const headers = { 'content-type': 'application/octet-stream', 'x-lxd-name': 'cd', 'x-lxd-type': 'iso' };
  await daemon.run('POST', `${tree}/volumes/custom`, Buffer.alloc(2048, 1), headers);
  await daemon.run('POST', `${tree}/buckets`, { name: 'objects' });
  const rows = z.array(z.looseObject({ type: z.string(), name: z.string(), content_type: z.string() }));
  const found = rows.parse(await daemon.run('GET', `${tree}/volumes?recursion=1`));
  const short = found.map(
    ({ type, name, content_type }) => `${type}/${name.length === 64 ? '…' : name} ${content_type}`,
  );
  expect(short.sort()).toEqual([
    'container/sp-c1 filesystem',
    'custom/cd iso',
    'custom/disk block',
    'custom/sp-c1 filesystem',
    'image/… filesystem',
  ]);
  expect(await daemon.run('GET', `${tree}/buckets`)).toEqual([`${tree}/buckets/objects`]);
});

test('[05.46] what uses a pool stands in used_by, and keeps it', async () => {
  await daemon.run('POST', '/1.0/profiles', {
    name: 'sp-profile',
    devices: { root: { type: 'disk', path: '/', pool: 'tree' } },
  });
  const users = z.looseObject({ used_by: z.array(z.string()) });
  const usersOf = async () => users.parse(await daemon.run('GET', tree)).used_by.toSorted();
  const volume = (name: string) => `${tree}/volumes/custom/${name}`;
  const own = ['/1.0/instances/sp-c1', '/1.0/profiles/sp-profile', `${tree}/buckets/objects`];
  expect((await usersOf()).filter((one) => !one.startsWith('/1.0/images/'))).toEqual(
    [...own, ...['cd', 'disk', 'sp-c1'].map(volume)].toSorted(),
  );
  await expect(daemon.run('DELETE', tree)).rejects.toThrow('in use');
  for (const url of [...own, ...['cd', 'disk', 'sp-c1'].map(volume)]) await daemon.run('DELETE', url);
  expect((await usersOf()).filter((one) => !one.startsWith('/1.0/images/'))).toEqual([]);
});

test('[05.43 05.45 05.259] a pool in a loop file grows, and no pool shrinks or moves', async () => {
  const resources = z.object({
    space: z.object({ used: z.number(), total: z.number() }),
    inodes: z.object({ used: z.number(), total: z.number() }),
  });
  const total = async (): Promise<number> => resources.parse(await daemon.run('GET', `${tree}/resources`)).space.total;
  const before = await total();
  await daemon.run('PATCH', tree, { config: { size: '400MiB' } });
  expect((await total()) - before).toBe(100 * 1024 ** 2);
  expect((await configOf(tree))['size']).toBe('400MiB');
  for (const config of [{ size: '350MiB' }, { source: '/elsewhere' }, { 'volatile.mine': 'x' }])
    await expect(daemon.run('PATCH', tree, { config }), JSON.stringify(config)).rejects.toMatchObject(bad);
  expect((await configOf(tree))['size']).toBe('400MiB');
  await expect(daemon.run('PATCH', `${pools}/default`, { config: { size: '1GiB' } })).rejects.toMatchObject(bad);
});

test('[05.78 05.79 05.80] defaults of the pool hold for volumes made later, unless those say otherwise', async () => {
  const create = (name: string, config = {}) => daemon.run('POST', `${tree}/volumes/custom`, { name, config });
  const of = (name: string) => configOf(`${tree}/volumes/custom/${name}`);
  await create('before');
  const config = { 'volume.size': '16MiB', 'volume.snapshots.expiry': '3d', 'volume.security.unmapped': 'true' };
  await daemon.run('PATCH', tree, { config });
  await create('after');
  await create('own', { size: '8MiB', 'security.unmapped': 'false' });
  expect(await of('before')).toEqual({});
  expect(await of('after')).toEqual({ size: '16MiB', 'snapshots.expiry': '3d', 'security.unmapped': 'true' });
  expect(await of('own')).toEqual({ size: '8MiB', 'snapshots.expiry': '3d', 'security.unmapped': 'false' });
  const usage = z.object({ usage: z.object({ total: z.number() }).nullable() });
  const limit = async (name: string) =>
    usage.parse(await daemon.run('GET', `${tree}/volumes/custom/${name}/state`)).usage?.total ?? 0;
  expect(await Promise.all(['before', 'after', 'own'].map(limit))).toEqual([0, 16, 8].map((n) => n * 1024 ** 2));
  for (const key of Object.keys(config)) await daemon.run('PATCH', tree, { config: { [key]: '' } });
  expect(await of('after')).toMatchObject({ size: '16MiB' });
  for (const name of ['before', 'after', 'own']) await daemon.run('DELETE', `${tree}/volumes/custom/${name}`);
});

test('[05.95 05.97 05.264] a volume is resized, and not below what it holds', async () => {
  const volume = `${tree}/volumes/custom/sized`;
  await daemon.run('POST', `${tree}/volumes/custom`, { name: 'sized', config: { size: '64MiB' } });
  const folder = join(daemon.folder, 'storage-pools/tree/custom/default_sized');
  writeFileSync(join(folder, 'data'), createHash('sha512').update('x').digest('hex').repeat(160_000), { flush: true });
  await expect(daemon.run('PATCH', volume, { config: { size: '16MiB' } })).rejects.toMatchObject(bad);
  await expect(daemon.run('PATCH', volume, { config: { size: 'large' } })).rejects.toMatchObject(bad);
  expect((await configOf(volume))['size']).toBe('64MiB');
  await daemon.run('PATCH', volume, { config: { size: '32MiB' } });
  const state = await daemon.run('GET', `${volume}/state`);
  expect(state).toMatchObject({ usage: { total: 32 * 1024 ** 2 } });
  await daemon.run('DELETE', volume);
});

test('[05.168] a volume without snapshots is brought up to date in place, also where the driver has a format of its own', async () => {
  const other = `${pools}/tree2`;
  const copy = { name: 'follower', source: { type: 'copy', pool: 'tree', name: 'leader' } };
  const place = (pool: string, name: string) => join(daemon.folder, 'storage-pools', pool, 'custom', `default_${name}`);
  const subvolume = (): string =>
    /Subvolume ID:\s+\d+/.exec(
      execFileSync('btrfs', ['subvolume', 'show', place('tree2', 'follower')], { encoding: 'utf8' }),
    )?.[0] ?? '';
  await daemon.run('POST', pools, { name: 'tree2', driver: 'btrfs', config: { size: '200MiB' } });
  await daemon.run('POST', `${tree}/volumes/custom`, { name: 'leader' });
  for (const name of ['same', 'changed', 'gone']) writeFileSync(join(place('tree', 'leader'), name), name);
  await daemon.run('POST', `${other}/volumes/custom`, copy);
  const before = subvolume();
  const kept = statSync(join(place('tree2', 'follower'), 'same')).ino;
  writeFileSync(join(place('tree', 'leader'), 'changed'), 'anew');
  rmSync(join(place('tree', 'leader'), 'gone'));
  await daemon.run('POST', `${other}/volumes/custom`, { ...copy, source: { ...copy.source, refresh: true } });
  expect(readdirSync(place('tree2', 'follower')).sort()).toEqual(['changed', 'same']);
  expect(readFileSync(join(place('tree2', 'follower'), 'changed'), 'utf8')).toBe('anew');
  expect([subvolume(), statSync(join(place('tree2', 'follower'), 'same')).ino]).toEqual([before, kept]);
  expect(before).not.toBe('');
  for (const url of [`${other}/volumes/custom/follower`, other, `${tree}/volumes/custom/leader`])
    await daemon.run('DELETE', url);
});

test('[05.164 05.165 05.166 05.167] a copy in another pool is brought up to date by differences to its newest snapshot', async () => {
  const [leader, follower] = [`${tree}/volumes/custom/leader`, `${pools}/tree2/volumes/custom/follower`];
  const place = (pool: string, of: string) => join(daemon.folder, 'storage-pools', pool, of);
  const main = place('tree', 'custom/default_leader');
  const copy = place('tree2', 'custom/default_follower');
  const refresh = (more: object): Promise<unknown> =>
    daemon.run('POST', `${pools}/tree2/volumes/custom`, {
      name: 'follower',
      source: { type: 'copy', pool: 'tree', name: 'leader', ...more },
    });
  const cameAsDifference = (snapshot: string): boolean => {
    const path = place('tree2', `custom-snapshots/default_follower/${snapshot}`);
    return /Received UUID:\s+[0-9a-f]{8}-/.test(
      execFileSync('btrfs', ['subvolume', 'show', path], { encoding: 'utf8' }),
    );
  };
  const names = async () =>
    z
      .array(z.string())
      .parse(await daemon.run('GET', `${follower}/snapshots`))
      .map((url) => url.split('/').at(-1));
  await daemon.run('POST', pools, { name: 'tree2', driver: 'btrfs', config: { size: '200MiB' } });
  await daemon.run('POST', `${tree}/volumes/custom`, { name: 'leader', config: { size: '64MiB' } });
  writeFileSync(join(main, 'large'), randomBytes(20 * 1024 ** 2));
  await daemon.run('POST', `${leader}/snapshots`, { name: 's0' });
  await refresh({});
  writeFileSync(join(main, 'f'), 'one');
  await daemon.run('POST', `${leader}/snapshots`, { name: 's1' });
  writeFileSync(join(main, 'f'), 'two');
  writeFileSync(join(copy, 'own'), 'gone its own way');
  await refresh({ refresh: true });
  expect(await names()).toEqual(['s0', 's1']);
  expect(cameAsDifference('s1')).toBe(true);
  expect(readdirSync(copy).sort()).toEqual(['f', 'large']);
  expect(readFileSync(join(copy, 'f'), 'utf8')).toBe('two');
  expect(readFileSync(join(place('tree2', 'custom-snapshots/default_follower/s1'), 'f'), 'utf8')).toBe('one');
  expect(await daemon.run('GET', `${follower}/state`)).toMatchObject({ usage: { total: 64 * 1024 ** 2 } });
  // Nothing new but in the volume itself; then without its newest snapshot, and with one that the copy has made for itself.
  writeFileSync(join(main, 'f'), 'three');
  await refresh({ refresh: true });
  expect(readFileSync(join(copy, 'f'), 'utf8')).toBe('three');
  await daemon.run('DELETE', `${leader}/snapshots/s1`);
  await daemon.run('POST', `${follower}/snapshots`, { name: 'own' });
  await daemon.run('POST', `${leader}/snapshots`, { name: 's2' });
  await refresh({ refresh: true });
  expect([await names(), cameAsDifference('s2')]).toEqual([['s0', 's2'], true]);
  // Without a snapshot in common, file by file.
  await daemon.run('DELETE', `${follower}/snapshots/s2`);
  await daemon.run('DELETE', `${follower}/snapshots/s0`);
  writeFileSync(join(main, 'f'), 'four');
  await refresh({ refresh: true });
  expect([await names(), cameAsDifference('s2')]).toEqual([['s0', 's2'], false]);
  expect(readFileSync(join(copy, 'f'), 'utf8')).toBe('four');
  for (const url of [follower, `${pools}/tree2`, leader]) await daemon.run('DELETE', url);
});

test('[05.252] what is done at once is answered with 200, what takes longer with 202 and an operation', async () => {
  const answer = async (method: string, path: string, body?: object): Promise<string> => {
    const { status, body: text } = await daemon.client.raw(method, `${pools}/default/volumes/custom${path}`, body);
    const { type, operation } = answerShape.parse(JSON.parse((await text.toArray()).join('')));
    if (operation) await daemon.client.query('GET', `${operation}/wait`);
    return `${status} ${type}`;
  };
  expect(await answer('POST', '', { name: 'quick' })).toBe('200 sync');
  expect(await answer('POST', '', { name: 'copied', source: { type: 'copy', name: 'quick' } })).toBe('202 async');
  expect(await answer('POST', '/quick/snapshots', { name: 's0' })).toBe('202 async');
  expect(await answer('POST', '/quick/backups', { name: 'b0' })).toBe('202 async');
  expect(await answer('DELETE', '/quick/backups/b0')).toBe('202 async');
  expect(await answer('DELETE', '/quick/snapshots/s0')).toBe('202 async');
  expect(await answer('POST', '/copied', { name: 'copied', pool: 'tree' })).toBe('202 async');
  expect(await answer('DELETE', '/quick')).toBe('200 sync');
  await daemon.run('DELETE', `${tree}/volumes/custom/copied`);
});

test('[05.252] a change for which others were faster is refused: pools, volumes and snapshots have an ETag', async () => {
  const volume = `${tree}/volumes/custom/tagged`;
  await daemon.run('POST', `${tree}/volumes/custom`, { name: 'tagged' });
  await daemon.run('POST', `${volume}/snapshots`, { name: 's0' });
  for (const url of [tree, volume, `${volume}/snapshots/s0`]) {
    const etag = String((await daemon.client.raw('GET', url)).headers['etag']);
    expect(etag).toMatch(/[0-9a-f]{64}/);
    await daemon.run('PATCH', url, { description: 'first' }, { 'if-match': etag });
    for (const method of ['PATCH', 'PUT'])
      await expect(daemon.run(method, url, { description: 'late' }, { 'if-match': etag }), url).rejects.toMatchObject({
        status: 412,
      });
    expect(await daemon.run('GET', url)).toMatchObject({ description: 'first' });
  }
  await daemon.run('DELETE', volume);
});

test('[05.258] what happens to pools, volumes, snapshots and backups is told', async () => {
  const seen = daemon.lifecycle().length;
  const volume = `${pools}/events/volumes/custom/v1`;
  const renamed = `${pools}/events/volumes/custom/v2`;
  await daemon.run('POST', pools, { name: 'events', driver: 'dir' });
  await daemon.run('PATCH', `${pools}/events`, { description: 'x' });
  await daemon.run('POST', `${pools}/events/volumes/custom`, { name: 'v1' });
  await daemon.run('PATCH', volume, { description: 'x' });
  await daemon.run('POST', `${volume}/snapshots`, { name: 's1' });
  await daemon.run('PATCH', `${volume}/snapshots/s1`, { description: 'x' });
  await daemon.run('POST', `${volume}/snapshots/s1`, { name: 's2' });
  await daemon.run('PUT', volume, { restore: 's2' });
  await daemon.run('POST', `${volume}/backups`, { name: 'b1' });
  await daemon.run('POST', `${volume}/backups/b1`, { name: 'b2' });
  await daemon.client.raw('GET', `${volume}/backups/b2/export`);
  await daemon.run('DELETE', `${volume}/backups/b2`);
  await daemon.run('DELETE', `${volume}/snapshots/s2`);
  await daemon.run('POST', volume, { name: 'v2' });
  await daemon.run('DELETE', renamed);
  await daemon.run('DELETE', `${pools}/events`);
  const told = daemon.lifecycle().slice(seen);
  const about = told.map(({ action, source }) => `${action} ${source.replace(`${pools}/events`, '')}`);
  expect(about).toEqual([
    'storage-pool-created ',
    'storage-pool-updated ',
    'storage-volume-created /volumes/custom/v1',
    'storage-volume-updated /volumes/custom/v1',
    'storage-volume-snapshot-created /volumes/custom/v1/snapshots/s1',
    'storage-volume-snapshot-updated /volumes/custom/v1/snapshots/s1',
    'storage-volume-snapshot-renamed /volumes/custom/v1/snapshots/s2',
    'storage-volume-restored /volumes/custom/v1',
    'storage-volume-backup-created /volumes/custom/v1/backups/b1',
    'storage-volume-backup-renamed /volumes/custom/v1/backups/b2',
    'storage-volume-backup-retrieved /volumes/custom/v1/backups/b2',
    'storage-volume-backup-deleted /volumes/custom/v1/backups/b2',
    'storage-volume-snapshot-deleted /volumes/custom/v1/snapshots/s2',
    'storage-volume-renamed /volumes/custom/v2',
    'storage-volume-deleted /volumes/custom/v2',
    'storage-pool-deleted ',
  ]);
  const context = (action: string) => told.find((one) => one.action === action)?.context;
  expect(context('storage-volume-created')).toMatchObject({ type: 'custom' });
  expect(context('storage-volume-snapshot-created')).toMatchObject({ type: 'custom' });
  expect(context('storage-volume-renamed')).toMatchObject({ old_name: 'v1' });
  expect(context('storage-volume-snapshot-renamed')).toMatchObject({ old_name: 's1' });
  expect(context('storage-volume-backup-renamed')).toMatchObject({ old_name: 'b1' });
  expect(context('storage-volume-restored')).toMatchObject({ snapshot: 's2' });
});

test('[05.248 05.251] pools are those of the server in every project; volumes are the own ones where a project has some', async () => {
  const sql = (query: string) => daemon.run('POST', '/internal/sql', { database: 'global', query });
  for (const [name, own] of [
    ['sp-own', 'true'],
    ['sp-shared', 'false'],
  ]) {
    await sql(`INSERT INTO projects (name) VALUES ('${name}')`);
    await sql(
      `INSERT INTO projects_config (project_id, key, value) SELECT id, 'features.storage.volumes', '${own}' FROM projects WHERE name = '${name}'`,
    );
  }
  const all = await daemon.run('GET', pools);
  const of = (project: string, more = '') => `${pools}/default/volumes/custom?project=${project}${more}`;
  for (const project of ['sp-own', 'sp-shared']) {
    expect(await daemon.run('GET', `${pools}?project=${project}`)).toEqual(all);
    await daemon.run('POST', of(project), { name: `of-${project}` });
  }
  const own = `${pools}/default/volumes/custom/of-sp-own?project=sp-own`;
  const shared = `${pools}/default/volumes/custom/of-sp-shared`;
  expect(await daemon.run('GET', of('sp-own'))).toEqual([own]);
  expect(await daemon.run('GET', of('sp-shared'))).toEqual([shared]);
  expect(await daemon.run('GET', of('default'))).toEqual([shared]);
  expect(await daemon.run('GET', of('default', '&all-projects=true'))).toEqual([own, shared]);
  // A volume is used by those who mean it, not by those who mean another one of its name.
  await daemon.run('POST', of('sp-own'), { name: 'of-sp-shared' });
  const device = { type: 'disk', pool: 'default', source: 'of-sp-shared', path: '/data' };
  const usersOf = async (url: string) =>
    z.looseObject({ used_by: z.array(z.string()) }).parse(await daemon.run('GET', url)).used_by;
  const inOwn = `${pools}/default/volumes/custom/of-sp-shared?project=sp-own`;
  for (const project of ['sp-own', 'sp-shared'])
    await daemon.run('POST', `/1.0/profiles?project=${project}`, { name: `p-${project}`, devices: { data: device } });
  expect(await usersOf(inOwn)).toEqual(['/1.0/profiles/p-sp-own?project=sp-own']);
  expect(await usersOf(shared)).toEqual(['/1.0/profiles/p-sp-shared?project=sp-shared']);
  await daemon.run('DELETE', '/1.0/profiles/p-sp-shared?project=sp-shared');
  await daemon.run('DELETE', shared);
  await daemon.run('DELETE', '/1.0/profiles/p-sp-own?project=sp-own');
  await daemon.run('DELETE', inOwn);
  await daemon.run('DELETE', own);
});

test('[05.107] a volume is moved and copied to another project with its snapshots', async () => {
  const sql = (query: string) => daemon.run('POST', '/internal/sql', { database: 'global', query });
  await sql("INSERT INTO projects (name) VALUES ('sp-other')");
  await sql(
    "INSERT INTO projects_config (project_id, key, value) SELECT id, 'features.storage.volumes', 'true' FROM projects WHERE name = 'sp-other'",
  );
  const url = `${pools}/default/volumes/custom`;
  const there = `${url}/moved?project=sp-other`;
  await daemon.run('POST', url, { name: 'moving', config: { 'user.x': 'y' } });
  await daemon.run('POST', `${url}/moving/snapshots`, { name: 's0' });
  await daemon.run('POST', `${url}/moving`, { name: 'moved', pool: 'default', project: 'sp-other' });
  expect(await daemon.run('GET', there)).toMatchObject({ project: 'sp-other', config: { 'user.x': 'y' } });
  expect(await daemon.run('GET', `${url}/moved/snapshots?project=sp-other`)).toEqual([
    `${url}/moved/snapshots/s0?project=sp-other`,
  ]);
  await expect(daemon.run('GET', `${url}/moving`)).rejects.toMatchObject({ status: 404 });
  const source = { type: 'copy', name: 'moved', pool: 'default', project: 'sp-other' };
  await daemon.run('POST', url, { name: 'back', source });
  expect(await daemon.run('GET', `${url}/back/snapshots`)).toEqual([`${url}/back/snapshots/s0`]);
  await daemon.run('DELETE', `${url}/back`);
  await daemon.run('DELETE', there);
});

test('[05.250 07.47] a restricted project has no snapshots of instances and volumes unless they are allowed', async () => {
  const sql = (query: string) => daemon.run('POST', '/internal/sql', { database: 'global', query });
  const set = (key: string, value: string) =>
    sql(
      `INSERT INTO projects_config (project_id, key, value) SELECT id, '${key}', '${value}' FROM projects WHERE name = 'sp-strict'`,
    );
  await sql("INSERT INTO projects (name) VALUES ('sp-strict')");
  await set('features.storage.volumes', 'true');
  const volume = (path = '') => `${pools}/default/volumes/custom${path}?project=sp-strict`;
  await daemon.run('POST', volume(), { name: 'v' });
  const instances = (path = '') => `/1.0/instances${path}?project=sp-strict`;
  const devices = { root: { type: 'disk', path: '/', pool: 'default' } };
  await daemon.run('POST', instances(), { name: 'c', profiles: [], devices, source: { type: 'none' } });
  for (const url of [volume('/v/snapshots'), instances('/c/snapshots')])
    await daemon.run('POST', url, { name: 'before' });
  await set('restricted', 'true');
  for (const url of [volume('/v/snapshots'), instances('/c/snapshots')]) {
    // At once, not in an operation.
    const { status, body } = await daemon.client.raw('POST', url, { name: 's' });
    expect(status).toBe(403);
    expect((await body.toArray()).join('')).toContain(`Project \\"sp-strict\\" doesn't allow for snapshot creation`);
  }
  await set('restricted.snapshots', 'allow');
  for (const url of [volume('/v/snapshots'), instances('/c/snapshots')]) {
    await daemon.run('POST', url, { name: 's' });
    expect(await daemon.run('GET', url)).toHaveLength(2);
  }
  await daemon.run('DELETE', instances('/c'));
  await daemon.run('DELETE', volume('/v'));
});

test('a snapshot that never expires has no time in lists, and the zero time by itself, as with LXD', async () => {
  const url = `${pools}/default/volumes/custom`;
  await daemon.run('POST', url, { name: 'kept', config: { size: '' } });
  await daemon.run('POST', `${url}/kept/snapshots`, { name: 's0' });
  const expires = z.looseObject({ expires_at: z.string().nullable() });
  const listed = z.array(expires).parse(await daemon.run('GET', `${url}/kept/snapshots?recursion=1`));
  expect(listed.map((one) => one.expires_at)).toEqual([null]);
  expect(expires.parse(await daemon.run('GET', `${url}/kept/snapshots/s0`)).expires_at).toBe('0001-01-01T00:00:00Z');
  await daemon.run('DELETE', `${url}/kept`);
});
