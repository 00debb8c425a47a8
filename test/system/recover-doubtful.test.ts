/** `lxd recover` of what is broken, hostile, in conflict or elsewhere, and with a daemon that is killed meanwhile. */
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { startLxd } from '../support/lxd.ts';
import { succeed } from '../support/output.ts';
import { debianLxc } from '../support/pools.ts';
import { ours } from '../support/programs.ts';
import { type KeptPools, pool, poolsOfReal, recover, surroundings } from '../support/recover.ts';

let kept: KeptPools;
beforeAll(async () => {
  kept = await poolsOfReal();
}, 120_000);
afterAll(() => kept?.[Symbol.asyncDispose]());

/** A directory's whole contents: names, sizes, modes and times of change. */
const listing = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => {
      const { size, mode, mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { size: 0, mode: 0, mtimeMs: 0 };
      return `${path} ${size} ${mode} ${mtimeMs}`;
    })
    .sort();

test('what is broken or hostile is told and passed over; nothing changes before the user agrees', async () => {
  const folder = join(await kept.copy(), 'plain');
  const containers = join(folder, 'containers');
  const original = readFileSync(join(containers, 'c1/backup.yaml'), 'utf8');
  const bad = (name: string, text: string | undefined = undefined): string => {
    const path = join(containers, name);
    cpSync(join(containers, 'c1'), path, { recursive: true, filter: (one) => !one.includes('/rootfs/') });
    cpSync(join(folder, 'containers-snapshots/c1/s0'), join(folder, 'containers-snapshots', name, 's0'), {
      recursive: true,
      filter: (one) => !one.includes('/rootfs/'),
    });
    mkdirSync(join(folder, 'containers-snapshots', name, 's1'));
    const file = join(path, 'backup.yaml');
    rmSync(file);
    if (text !== undefined) writeFileSync(file, text);
    return file;
  };
  const named = (name: string): string => original.replaceAll('name: c1', `name: ${name}`);
  bad('gone');
  bad('garbage', '\u0000: [: {');
  bad('alias', `a: &a [x]\nb: [*a, *a]\n`);
  bad('deep', `${'['.repeat(200_000)}`);
  bad('list', '- 1\n- 2\n');
  bad(
    'types',
    named('types')
      .replace('config:', 'config: [1, 2]\n  other:')
      .replace(/profiles:\n(?: {2}- .*\n)+/, 'profiles: 7\n'),
  );
  bad('stranger', named('someone-else'));
  bad('lost', named('lost').replace('name: plain', 'name: elsewhere'));
  bad('pipe');
  await succeed(['mkfifo', join(containers, 'pipe/backup.yaml')]);
  symlinkSync('/etc/shadow', bad('linked'));
  bad('huge', named('huge'));
  truncateSync(join(containers, 'huge/backup.yaml'), 2 ** 40);
  bad('extra', named('extra'));
  mkdirSync(join(folder, 'containers-snapshots/extra/s2'));
  bad('lacks', named('lacks'));
  rmSync(join(folder, 'containers-snapshots/lacks/s1'), { recursive: true });
  bad('key', named('key').replace('user.own: here', 'no.such.key: x'));
  symlinkSync('/etc', join(containers, 'outside'));
  const before = listing(folder);

  await using lxd = await startLxd(ours);
  await surroundings(lxd);
  const answers = [...pool('plain', 'dir', folder), 'no', 'yes'];
  const { said, code } = await recover(lxd, ours, ...answers, 'no');
  expect(code).toBe(0);
  const problem = (name: string): string =>
    new RegExp(` - Instance "${name}" in project "default" on pool "plain": (.*)`).exec(said)?.[1] ?? '';
  expect(problem('gone')).toBe('it has no backup file (backup.yaml)');
  for (const name of ['garbage', 'alias', 'deep'])
    expect(problem(name), name).toContain('its backup file is not valid YAML');
  expect(problem('list')).toContain('its backup file is not that of an instance');
  expect(problem('types')).toMatch(/container\.config: .*container\.profiles: /);
  expect(problem('stranger')).toBe('it has a different instance name in its backup file ("someone-else")');
  expect(problem('lost')).toContain('it has pool name mismatch in its backup file ("elsewhere"');
  expect(problem('pipe')).toBe('its backup file is not a regular file');
  expect(problem('linked')).toBe('its backup file is a symbolic link');
  expect(problem('huge')).toContain('its backup file is larger than');
  expect(problem('extra')).toContain('on disk only: s2');
  expect(problem('lacks')).toContain('in its backup file only: s1');
  expect(problem('key')).toContain('no.such.key');
  expect(said).not.toContain('outside');
  expect(said).toContain(' - Container "c1" on pool "plain" in project "default" (includes 2 snapshots)\n');
  expect(listing(folder)).toEqual(before);
  expect(readdirSync(join(lxd.folder, 'storage-pools'))).toEqual([]);
  expect(await lxd.api('GET', '/1.0/storage-pools')).toEqual([]);

  expect((await recover(lxd, ours, ...answers, 'yes')).code).toBe(0);
  expect(await debianLxc(lxd, 'list', '--format=csv', '--columns=n')).toBe('c1\n');
  expect(statSync(join(containers, 'linked/backup.yaml')).ino).toBe(statSync('/etc/shadow').ino);
});

test('conflicts are refused with a reason', async () => {
  const folder = join(await kept.copy(), 'plain');
  await using lxd = await startLxd(ours);
  await surroundings(lxd);
  await debianLxc(lxd, 'storage', 'create', 'plain', 'dir');
  const refused = async (...answers: string[]): Promise<string> => {
    const { said, code } = await recover(lxd, ours, ...answers);
    expect(code).toBe(1);
    return /Error: (.*)/.exec(said)?.[1] ?? said;
  };
  expect(await refused(...pool('plain', 'dir', folder), 'no', 'yes')).toContain(
    'A storage pool named "plain" exists already',
  );
  const own = join(lxd.folder, 'storage-pools/plain');
  expect(await refused(...pool('other', 'dir', own), 'no', 'yes')).toContain(
    `Storage pool "plain" has the source "${own}" already`,
  );
  expect(await refused(...pool('../../evil', 'dir', folder), 'no', 'yes')).toContain('name');
  expect(await refused(...pool('nothing', 'dir', '/no/such/place'), 'no', 'yes')).toBe(
    'Failed validation request: Failed mounting pool "nothing": The directory "/no/such/place" of storage pool "nothing" is not there',
  );
  expect(await refused('yes', 'odd', 'dir', folder, 'no.such=key', '', 'no', 'yes')).toContain(
    'Failed config validation for unknown pool "odd"',
  );
  await debianLxc(lxd, 'storage', 'delete', 'plain');

  await debianLxc(lxd, 'storage', 'create', 'elsewhere', 'dir');
  await debianLxc(lxd, 'init', '--empty', 'c1', '--storage=elsewhere');
  const { said } = await recover(lxd, ours, ...pool('plain', 'dir', folder), 'no', 'yes', 'yes');
  expect(said).toContain(' - Instance "c1" in project "default" on pool "plain": it already has instance DB record');
  expect(said).toContain(' - Volume "v-c1" on pool "plain"');
  expect(await debianLxc(lxd, 'config', 'get', 'c1', 'user.own')).toBe('\n');
});

test('[10.REC-05] what lies in another project is recovered into it, once there is one', async () => {
  const folder = join(await kept.copy(), 'plain');
  for (const [from, to] of [
    ['containers/c1', 'containers/other_c1'],
    ['containers-snapshots/c1', 'containers-snapshots/other_c1'],
    ['custom/default_v-c1', 'custom/other_v-c1'],
    ['custom-snapshots/default_v-c1', 'custom-snapshots/other_v-c1'],
  ] as const)
    renameSync(join(folder, from), join(folder, to));
  const file = join(folder, 'containers/other_c1/backup.yaml');
  const text = readFileSync(file, 'utf8').replaceAll('project: default', 'project: other');
  rmSync(file);
  writeFileSync(file, text.replaceAll(/^ *- web\n/gm, ''));
  await using lxd = await startLxd(ours);
  const makeProject = async (): Promise<string> => {
    const query = (sql: string): Promise<string> => lxd.admin(['sql', 'global', sql]);
    await query("INSERT INTO projects (name, description) VALUES ('other', '')");
    const own = ['features.profiles', 'features.storage.volumes', 'features.images'].map((key) => `'${key}'`);
    for (const key of own)
      await query(
        `INSERT INTO projects_config (project_id, key, value) SELECT id, ${key}, 'true' FROM projects WHERE name = 'other'`,
      );
    await query(
      "INSERT INTO profiles (project_id, name, description) SELECT id, 'default', '' FROM projects WHERE name = 'other'",
    );
    return '';
  };
  const { said, code } = await recover(lxd, ours, ...pool('plain', 'dir', folder), 'no', '', makeProject, 'yes');
  expect(said).toContain('You are currently missing the following:\n - Project "other"\nPlease');
  expect(said).toContain(' - Container "c1" on pool "plain" in project "other" (includes 2 snapshots)\n');
  expect(said).toContain(' - Volume "v-c1" on pool "plain" in project "other" (includes 1 snapshots)\n');
  expect(code).toBe(0);
  const instance = z.looseObject({ project: z.string(), config: z.record(z.string(), z.string()) });
  const found = instance.parse(await lxd.api('GET', '/1.0/instances/c1?project=other'));
  expect(found).toMatchObject({ project: 'other', config: { 'user.own': 'here' } });
  expect(await lxd.api('GET', '/1.0/instances')).toEqual([]);
});

test('a daemon that is killed in the midst leaves each volume recorded or lost, and the next run does the rest', async () => {
  const folder = join(await kept.copy(), 'plain');
  const file = join(folder, 'containers/c1/backup.yaml');
  // They ran when it was written: a daemon that starts would start them.
  const original = readFileSync(file, 'utf8').replaceAll(/^ *volatile\.last_state\.power: .*\n/gm, '');
  rmSync(file);
  writeFileSync(file, original);
  const names = Array.from({ length: 40 }, (_, at) => `k${at}`);
  for (const name of names) {
    cpSync(join(folder, 'containers/c1/metadata.yaml'), join(folder, 'containers', name, 'metadata.yaml'));
    mkdirSync(join(folder, 'containers', name, 'rootfs'));
    writeFileSync(join(folder, 'containers', name, 'backup.yaml'), original.replaceAll('name: c1', `name: ${name}`));
    for (const snapshot of ['s0', 's1'])
      mkdirSync(join(folder, 'containers-snapshots', name, snapshot), { recursive: true });
  }
  await using lxd = await startLxd(ours);
  await surroundings(lxd);
  const recorded = async (): Promise<number> =>
    z.array(z.string()).parse(await lxd.api('GET', '/1.0/instances')).length;
  const counts: number[] = [];
  for (let kills = 0; kills < 5; kills++) {
    const pools = z.array(z.string()).parse(await lxd.api('GET', '/1.0/storage-pools'));
    const known = { name: 'plain', driver: '', description: '', config: null };
    const asked =
      pools.length > 0 ? known : { name: 'plain', driver: 'dir', description: '', config: { source: folder } };
    let ended = false;
    const end = (): void => {
      ended = true;
    };
    const running = lxd.api('POST', '/internal/recover/import', { pools: [asked] }).then(end, end);
    if (kills === 0) await sleep(60);
    else while (!ended && (await recorded()) < kills * 5);
    await lxd.kill();
    await running;
    await lxd.start();
    counts.push(await recorded());
  }
  expect(counts).toEqual([...counts].sort((a, b) => a - b));
  expect(
    counts.some((count) => count > 0 && count <= names.length),
    `killed in the midst: ${counts}`,
  ).toBe(true);
  await recover(
    lxd,
    ours,
    ...((await recorded()) > 0 ? ['no'] : [...pool('plain', 'dir', folder), 'no']),
    'yes',
    'yes',
  );
  expect(await recorded()).toBe(names.length + 1);
  const snapshots = z.array(z.looseObject({ snapshots: z.array(z.unknown()).nullable() }));
  for (const one of snapshots.parse(await lxd.api('GET', '/1.0/instances?recursion=2')))
    expect(one.snapshots).toHaveLength(2);
  expect(readdirSync(join(folder, 'containers')).sort()).toEqual([...names, 'c1'].sort());
  await debianLxc(lxd, 'start', 'c1');
  expect(await debianLxc(lxd, 'exec', 'c1', '--', 'cat', '/root/data')).toBe('second\n');
});
