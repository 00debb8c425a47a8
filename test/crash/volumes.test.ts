/** The daemon is killed at random moments of everything that is done with custom volumes; nothing may be lost or left, and a retry works. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Lxd } from '../support/lxd.ts';
import { debianLxc, startWithPools } from '../support/pools.ts';
import { type Action, killAtMoments, moments, seed, timeout } from './moments.ts';
import { insideDaemon, listVolumes, loopFaults, volumeFaults, volumesUrl } from './volume-faults.ts';

const pools = ['plain', 'tree'] as const;
/** All that holds a loop device. */
const loops = ['tree', 'tree2'];

let lxd: Lxd;
let backup: Buffer;
let diskBackup: Buffer;
/** A disc image: any bytes will do. */
const iso = Buffer.alloc(4_000_000, 'disc');
const diskOf = (pool: string): string => insideDaemon(lxd, `storage-pools/${pool}/custom/default_disk/root.img`);
beforeAll(async () => {
  lxd = await startWithPools();
  for (const pool of pools) {
    const url = volumesUrl(pool);
    await lxd.api('POST', url, { name: 'base' });
    const folder = insideDaemon(lxd, `storage-pools/${pool}/custom/default_base`);
    for (const snapshot of ['s0', 's1']) {
      for (let at = 0; at < 40; at++) writeFileSync(join(folder, `${snapshot}-${at}`), Buffer.alloc(20_000, at));
      await lxd.api('POST', `${url}/base/snapshots`, { name: snapshot });
    }
    await lxd.api('POST', url, { name: 'disk', content_type: 'block', config: { size: '6MiB' } });
    writeFileSync(diskOf(pool), Buffer.alloc(5_000_000, 'disk'), { flag: 'r+' });
    await lxd.api('POST', `${url}/disk/snapshots`, { name: 's0' });
  }
  const saved = async (name: string): Promise<Buffer> => {
    const file = join(lxd.scratch.folder, `${name}.tar.gz`);
    await debianLxc(lxd, 'storage', 'volume', 'export', 'plain', name, file);
    return readFileSync(file);
  };
  [backup, diskBackup] = [await saved('base'), await saved('disk')];
});
afterAll(() => lxd[Symbol.asyncDispose]());

const faults = async (): Promise<string[]> => [...(await volumeFaults(lxd, pools)), ...loopFaults(lxd, loops)];

const exists = (url: string): Promise<boolean> =>
  lxd.api('GET', url).then(
    () => true,
    () => false,
  );

const actions = (pool: string): Readonly<Record<string, Action>> => {
  const other = pool === 'plain' ? 'tree' : 'plain';
  const here = volumesUrl(pool);
  const copy = (name: string, refresh = false, from = pool, source = 'base') =>
    lxd.api('POST', here, { name, source: { type: 'copy', name: source, pool: from, refresh } });
  const remove = (name: string) => async () => lxd.api('DELETE', `${here}/${name}`);
  const has = (path: string) => () => exists(`${here}/${path}`);
  const hasNot = (path: string) => async () => !(await exists(`${here}/${path}`));
  const snapshot = (name: string) => () => lxd.api('POST', `${here}/base/snapshots`, { name });
  const save = () => lxd.api('POST', `${here}/base/backups`, { name: 'saved' });
  const headers = { 'content-type': 'application/octet-stream', 'X-LXD-name': 'new' };
  return {
    create: { run: () => lxd.api('POST', here, { name: 'new' }), done: has('new'), clear: remove('new') },
    delete: { prepare: () => copy('old'), run: remove('old'), done: hasNot('old') },
    copy: { run: () => copy('new'), done: has('new'), clear: remove('new') },
    'copy across': { run: () => copy('new', false, other), done: has('new'), clear: remove('new') },
    refresh: {
      async prepare() {
        await copy('old', false, other);
        await lxd.api('DELETE', `${here}/old/snapshots/s1`);
        await lxd.api('POST', `${here}/old/snapshots`, { name: 'own' });
      },
      run: () => copy('old', true, other),
      done: async () => (await exists(`${here}/old/snapshots/s1`)) && !(await exists(`${here}/old/snapshots/own`)),
      clear: remove('old'),
    },
    rename: {
      prepare: () => copy('old'),
      run: () => lxd.api('POST', `${here}/old`, { name: 'new' }),
      done: has('new'),
      clear: remove('new'),
    },
    move: {
      prepare: () => lxd.api('POST', volumesUrl(other), { name: 'old', source: { type: 'copy', name: 'base' } }),
      run: () => lxd.api('POST', `${volumesUrl(other)}/old`, { name: 'new', pool }),
      done: has('new'),
      clear: remove('new'),
    },
    snapshot: {
      run: snapshot('new'),
      done: has('base/snapshots/new'),
      clear: remove('base/snapshots/new'),
    },
    'delete snapshot': {
      prepare: snapshot('old'),
      run: remove('base/snapshots/old'),
      done: hasNot('base/snapshots/old'),
    },
    'rename snapshot': {
      prepare: snapshot('old'),
      run: () => lxd.api('POST', `${here}/base/snapshots/old`, { name: 'new' }),
      done: has('base/snapshots/new'),
      clear: remove('base/snapshots/new'),
    },
    restore: { run: () => lxd.api('PUT', `${here}/base`, { restore: 's1' }) },
    backup: { run: save, done: has('base/backups/saved'), clear: remove('base/backups/saved') },
    'delete backup': { prepare: save, run: remove('base/backups/saved'), done: hasNot('base/backups/saved') },
    import: {
      run: () => lxd.api('POST', here, backup, { headers }),
      done: has('new'),
      clear: remove('new'),
    },
    'create a disk': {
      run: () => lxd.api('POST', here, { name: 'new', content_type: 'block', config: { size: '8MiB' } }),
      done: has('new'),
      clear: remove('new'),
    },
    'copy a disk across': {
      run: () => copy('new', false, other, 'disk'),
      done: has('new'),
      clear: remove('new'),
    },
    'refresh a disk': {
      prepare: () => copy('old', false, other, 'disk'),
      run: () => copy('old', true, other, 'disk'),
      clear: remove('old'),
    },
    'restore a disk': { run: () => lxd.api('PUT', `${here}/disk`, { restore: 's0' }) },
    'resize a disk': {
      prepare: () => copy('old', false, pool, 'disk'),
      run: () => lxd.api('PATCH', `${here}/old`, { config: { size: '12MiB' } }),
      clear: remove('old'),
    },
    'import a disk': {
      run: () => lxd.api('POST', here, diskBackup, { headers }),
      done: has('new'),
      clear: remove('new'),
    },
    'import an ISO file': {
      run: () => lxd.api('POST', here, iso, { headers: { ...headers, 'X-LXD-type': 'iso' } }),
      done: has('new'),
      clear: remove('new'),
    },
  };
};

const kinds = Object.keys(actions('plain'));

test.each(kinds)(`%s: killed ${moments} times, nothing is lost or left (seed ${seed})`, { timeout }, async (kind) => {
  expect(await killAtMoments(lxd, { places: pools, actions, kind, faults })).toEqual([]);
  for (const pool of pools) {
    const names = (await listVolumes(lxd, pool)).map(({ name }) => name);
    expect(names.sort()).toEqual(['base', 'base/s0', 'base/s1', 'disk', 'disk/s0']);
    expect(readdirSync(insideDaemon(lxd, `storage-pools/${pool}/custom/default_base`))).toHaveLength(80);
    expect(readFileSync(diskOf(pool)).subarray(0, 5_000_000).equals(Buffer.alloc(5_000_000, 'disk'))).toBe(true);
  }
});
