/** Volumes of a file system that cannot mount with an id map: their files have the ids of the container that uses them. */
import { readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Lxd } from '../support/lxd.ts';
import { debianLxc, debianLxcFails, startWithPools } from '../support/pools.ts';

let lxd: Lxd;
let hostRoots: { one: number; two: number };

const lxc = (...args: string[]): Promise<string> => debianLxc(lxd, ...args);
const shell = (name: string, script: string): Promise<string> => lxc('exec', name, '--', 'sh', '-c', script);
const hostRoot = async (name: string): Promise<number> =>
  Number((await shell(name, "awk '$1 == 0 {print $2}' /proc/self/uid_map")).trim());
const files = 'a.root 0\nb.user 1000\n';
const seen = (name: string): Promise<string> => shell(name, 'cd /data; stat -c "%n %u" *');
/** The owners of the files of a volume that is mounted, or in a pool of directories. */
const onDisk = (pool: string, volume: string): number[] => {
  const folder = join(`/proc/${lxd.pid()}/root`, lxd.folder, 'storage-pools', pool, 'custom', `default_${volume}`);
  return readdirSync(folder)
    .sort()
    .map((name) => statSync(join(folder, name)).uid);
};
const configOf = async (pool: string, volume: string): Promise<Record<string, string>> =>
  z
    .looseObject({ config: z.record(z.string(), z.string()) })
    .parse(await lxd.api('GET', `/1.0/storage-pools/${pool}/volumes/custom/${volume}`)).config;
const attach = (volume: string, name: string) => lxc('storage', 'volume', 'attach', 'layers', volume, name, '/data');
const detach = (volume: string, name: string) => lxc('config', 'device', 'remove', name, volume);

beforeAll(async () => {
  lxd = await startWithPools();
  await lxd.stop();
  symlinkSync(
    fileURLToPath(new URL('../plugins/overlay-storage', import.meta.url)),
    join(lxd.folder, 'plugins', 'overlay'),
  );
  await lxd.start();
  await lxc('storage', 'create', 'layers', 'overlay');
  for (const name of ['one', 'two']) await lxc('launch', 'busybox', name, '--config', 'security.idmap.isolated=true');
  await lxc('launch', 'busybox', 'master', '--config', 'security.privileged=true');
  hostRoots = { one: await hostRoot('one'), two: await hostRoot('two') };
  expect(hostRoots.one).not.toBe(hostRoots.two);
});
afterAll(() => lxd[Symbol.asyncDispose]());

test('[05.85] the files get the ids of the container that attaches the volume, one after the other', async () => {
  await lxc('storage', 'volume', 'create', 'layers', 'v');
  await attach('v', 'one');
  await shell('one', 'cd /data; touch a.root b.user; chown 1000:1000 b.user');
  expect(await seen('one')).toBe(files);
  expect(onDisk('layers', 'v')).toEqual([hostRoots.one, hostRoots.one + 1000]);
  expect((await configOf('layers', 'v'))['volatile.idmap.last']).toContain(`${hostRoots.one}`);
  expect(await debianLxcFails(lxd, 'storage', 'volume', 'attach', 'layers', 'v', 'two', '/data')).toContain(
    'Idmaps of container "two" and storage volume "v" are not identical: one uses the volume',
  );
  await detach('v', 'one');
  await attach('v', 'two');
  expect(await seen('two')).toBe(files);
  expect(onDisk('layers', 'v')).toEqual([hostRoots.two, hostRoots.two + 1000]);
  await detach('v', 'two');
  await attach('v', 'master');
  expect(await seen('master')).toBe(files);
  expect(Object.keys(await configOf('layers', 'v')).filter((key) => key.startsWith('volatile.idmap'))).toEqual([]);
  await detach('v', 'master');
});

test('they stay so across a restart of the container and of the daemon, and a change of the volume', async () => {
  await attach('v', 'one');
  await lxc('restart', '--force', 'one');
  await lxd.kill();
  await lxd.start();
  await lxc('storage', 'volume', 'set', 'layers', 'v', 'user.note=kept');
  expect((await configOf('layers', 'v'))['volatile.idmap.last']).toContain(`${hostRoots.one}`);
  expect(await seen('one')).toBe(files);
  await expect(attach('v', 'two')).rejects.toThrow('one uses the volume');
});

test('copies have the ids seen inside, wherever they are', async () => {
  await lxc('storage', 'volume', 'snapshot', 'layers', 'v', 's');
  await lxc('storage', 'volume', 'copy', 'layers/v', 'plain/copy');
  await lxc('storage', 'volume', 'copy', 'layers/v/s', 'plain/old');
  await lxc('storage', 'volume', 'copy', 'layers/v', 'layers/near');
  await shell('one', 'touch /data/c.new; chown 7 /data/c.new');
  await lxc('storage', 'volume', 'copy', 'layers/v', 'plain/old', '--refresh');
  expect(onDisk('plain', 'copy')).toEqual([0, 1000]);
  expect(onDisk('plain', 'old')).toEqual([0, 1000, 7]);
  await shell('one', 'rm /data/c.new');
  for (const volume of ['copy', 'old']) expect(JSON.stringify(await configOf('plain', volume))).not.toContain('idmap');
  await attach('near', 'two');
  expect(await seen('two')).toBe(files);
  await detach('near', 'two');
});

test('so have restored volumes and exported ones', async () => {
  await lxc('storage', 'volume', 'export', 'layers', 'v', join(lxd.scratch.folder, 'v.tar.gz'));
  await lxc('storage', 'volume', 'import', 'plain', join(lxd.scratch.folder, 'v.tar.gz'), 'imported');
  expect(onDisk('plain', 'imported')).toEqual([0, 1000]);
  await lxc('storage', 'volume', 'restore', 'plain', 'imported', 's');
  expect(onDisk('plain', 'imported')).toEqual([0, 1000]);
  await detach('v', 'one');
  await lxc('storage', 'volume', 'restore', 'layers', 'v', 's');
  await attach('v', 'two');
  expect(await seen('two')).toBe(files);
  await detach('v', 'two');
  await lxc('storage', 'volume', 'move', 'layers/v', 'plain/moved');
  expect(onDisk('plain', 'moved')).toEqual([0, 1000]);
});

test('[05.231] a volume that is to be shared by all with any ids cannot be attached there', async () => {
  await lxc('storage', 'volume', 'create', 'layers', 'shared', 'security.shifted=true');
  await expect(attach('shared', 'one')).rejects.toThrow('Required idmapping abilities not available');
});

test('[05.233] mounting with id maps can be turned off: then all files get the ids of their containers', async () => {
  const restartWith = async (variable: string | undefined): Promise<void> => {
    await lxd.stop();
    if (variable === undefined) delete lxd.environment.LXD_IDMAPPED_MOUNTS_DISABLE;
    else lxd.environment.LXD_IDMAPPED_MOUNTS_DISABLE = variable;
    await lxd.start();
    await lxc('restart', '--force', 'one');
  };
  const root = (): number =>
    statSync(join(`/proc/${lxd.pid()}/root`, lxd.folder, 'storage-pools/plain/containers/one/rootfs/root')).uid;
  await lxc('storage', 'volume', 'attach', 'plain', 'moved', 'one', '/data');
  expect([await seen('one'), onDisk('plain', 'moved'), root()]).toEqual([files, [0, 1000], 0]);
  await restartWith('1');
  const base = hostRoots.one;
  expect([await seen('one'), onDisk('plain', 'moved'), root()]).toEqual([files, [base, base + 1000], base]);
  await restartWith(undefined);
  expect([await seen('one'), onDisk('plain', 'moved'), root()]).toEqual([files, [0, 1000], 0]);
});
