/** What an operator does with a storage pool, from its creation to its deletion: for each driver, through our client and Debian's. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loops, mounts } from '@lxd-ts/tooling/host-state';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startCephFor } from '../support/ceph.ts';
import type { Lxd } from '../support/lxd.ts';
import { startWithPools } from '../support/pools.ts';
import { ours, real } from '../support/programs.ts';

interface Driver {
  readonly name: string;
  /** Words of `lxc storage create` after the driver. */
  readonly config: readonly string[];
  /** The pool of another driver that instances move to and come back from. */
  readonly other: string;
  /** Whether volumes have the size that they are given. */
  readonly sized: boolean;
  /** Whether volumes become smaller only while nothing has them mounted. */
  readonly shrinksUnmounted?: boolean;
  /** Whether exports may have the driver's own format. */
  readonly optimised: boolean;
  /** Brings up what pools of the driver need to be there. */
  readonly prepare?: (lxd: Lxd) => Promise<void>;
  /** What else the driver makes on the host for a server in a folder, one entry each, as the driver's own programs list it. */
  readonly made: (folder: string) => string[];
}

const pool = 'pool';

/** The volume group that is called after the pool: those of others come and go beside it. */
const volumeGroups = (): string[] =>
  execFileSync('vgs', ['--noheadings', '-o', 'vg_name', '--select', `vg_name=${pool}`], { encoding: 'utf8' })
    .split(/\s+/)
    .filter(Boolean);
/** The files that zpools lie on, of those below a folder. */
const zpools = (folder: string): string[] =>
  execFileSync('zpool', ['list', '-H', '-v', '-P'], { encoding: 'utf8' })
    .split(/\s+/)
    .filter((word) => word.startsWith(`${folder}/`));

/** The OSD pool of the storage pool under test, and the devices that are mapped from it. */
const inCeph = (): string[] => {
  const osdPools = execFileSync('rados', ['lspools'], { encoding: 'utf8' }).split('\n');
  const directory = '/sys/bus/rbd/devices';
  const devices = existsSync(directory) ? readdirSync(directory) : [];
  const mapped = devices.filter((id) => readFileSync(join(directory, id, 'pool'), 'utf8').trim() === pool);
  return [...osdPools.filter((name) => name === pool), ...mapped.map((id) => `/dev/rbd${id}`)];
};

/** A driver is one row. */
const drivers: readonly Driver[] = [
  { name: 'dir', config: [], other: 'tree', sized: false, optimised: false, made: () => [] },
  { name: 'btrfs', config: ['size=600MiB'], other: 'plain', sized: true, optimised: true, made: () => [] },
  {
    name: 'lvm',
    config: ['size=2GiB', 'volume.size=64MiB'],
    other: 'plain',
    sized: true,
    shrinksUnmounted: true,
    optimised: false,
    made: volumeGroups,
  },
  { name: 'zfs', config: ['size=600MiB'], other: 'plain', sized: true, optimised: true, made: zpools },
  {
    name: 'ceph',
    config: ['ceph.osd.pg_num=8', 'volume.size=64MiB'],
    other: 'plain',
    sized: true,
    shrinksUnmounted: true,
    optimised: true,
    prepare: startCephFor,
    made: inCeph,
  },
];

const clients = [
  { title: 'our client', program: ours.lxc },
  { title: "Debian's client", program: real.lxc },
];

const snapshotNames = z.array(z.looseObject({ name: z.string() }));

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
});
afterAll(() => lxd[Symbol.asyncDispose]());

describe.each(drivers.flatMap((driver) => clients.map((client) => ({ driver, client }))))(
  'a pool of driver $driver.name, with $client.title',
  ({ driver, client }) => {
    const lxc = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await lxd.lxc(args, { client: client.program });
      if (code !== 0) throw new Error(`lxc ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
      return stdout;
    };
    const shell = (name: string, script: string) => lxc('exec', name, '--', 'sh', '-c', script);
    const write = (name: string, text: string) =>
      shell(name, `echo ${text} > /root/state; chown 1000:1001 /root/state`);
    /** What was written last, where all files belong to whom they did. */
    const read = async (name: string) => {
      const [text, ...owners] = (await shell(name, 'cat /root/state; stat -c %u:%g /etc /root/state'))
        .trim()
        .split('\n');
      expect(owners).toEqual(['0:0', '1000:1001']);
      return text;
    };
    const snapshotsOf = async (name: string): Promise<string[]> =>
      snapshotNames.parse(await lxd.api('GET', `/1.0/instances/${name}/snapshots?recursion=1`)).map((one) => one.name);
    const poolOf = async (name: string): Promise<string | undefined> =>
      z
        .looseObject({ expanded_devices: z.looseObject({ root: z.looseObject({ pool: z.string() }) }) })
        .parse(await lxd.api('GET', `/1.0/instances/${name}`)).expanded_devices.root.pool;
    const below = (folder: string) =>
      existsSync(join(lxd.folder, folder)) ? readdirSync(join(lxd.folder, folder)).sort() : [];
    const everything = () => ({
      mounts: mounts()
        .filter((point) => point.startsWith(lxd.folder))
        .sort(),
      loops: loops().filter((loop) => loop.includes(` ${lxd.folder}/`)),
      made: driver.made(lxd.folder),
      pools: below('storage-pools'),
      disks: below('disks'),
    });

    let before: ReturnType<typeof everything>;
    beforeAll(async () => {
      await driver.prepare?.(lxd);
      before = everything();
      await lxc('storage', 'create', pool, driver.name, ...driver.config);
    });
    // What a failure leaves must not stand in the way of the next driver.
    afterAll(async () => {
      for (const name of ['c1', 'c2', 'c3', 'c4']) await lxd.lxc(['delete', '--force', name]);
      await lxd.lxc(['storage', 'delete', pool]);
    });

    test('[05.18] holds a container whose snapshots keep what was', async () => {
      expect(await lxc('storage', 'list', '--format=csv')).toMatch(new RegExp(`^${pool},${driver.name},`, 'm'));
      await lxc('launch', 'busybox', 'c1', '--storage', pool);
      await write('c1', 'first');
      await lxc('snapshot', 'c1', 's1');
      await write('c1', 'second');
      await lxc('snapshot', 'c1', 's2');
      await write('c1', 'third');
      expect(await snapshotsOf('c1')).toEqual(['s1', 's2']);
      expect(await read('c1')).toBe('third');
    });

    test('copies it, with its snapshots and from one of them', async () => {
      await lxc('copy', 'c1', 'c2');
      await lxc('copy', 'c1/s1', 'c3');
      expect(await snapshotsOf('c2')).toEqual(['s1', 's2']);
      expect(await snapshotsOf('c3')).toEqual([]);
      await lxc('start', 'c2', 'c3');
      expect(await read('c2')).toBe('third');
      expect(await read('c3')).toBe('first');
      expect([await poolOf('c2'), await poolOf('c3')]).toEqual([pool, pool]);
      await lxc('stop', '--force', 'c2', 'c3');
      await lxc('delete', 'c3');
    });

    test('[05.49] sends it to a pool of another driver and takes it back, with its snapshots', async () => {
      for (const target of [driver.other, pool]) {
        await lxc('move', 'c2', '--storage', target);
        expect(await poolOf('c2')).toBe(target);
        expect(await snapshotsOf('c2')).toEqual(['s1', 's2']);
      }
      await lxc('start', 'c2');
      expect(await read('c2')).toBe('third');
      await lxc('stop', '--force', 'c2');
    });

    test.each([
      { form: 'in the common form', options: [] },
      ...(driver.optimised ? [{ form: "in the driver's own form", options: ['--optimized-storage'] }] : []),
    ])('[05.238] exports it $form and imports it again, with its snapshots', async ({ options }) => {
      const file = join(lxd.scratch.folder, 'c2.tar.gz');
      await lxc('export', 'c2', file, ...options);
      await lxc('delete', 'c2');
      await lxc('import', file, 'c2', '--storage', pool);
      expect(await snapshotsOf('c2')).toEqual(['s1', 's2']);
      await lxc('start', 'c2');
      expect(await read('c2')).toBe('third');
      await lxc('stop', '--force', 'c2');
      expect(await poolOf('c2')).toBe(pool);
    });

    test('goes back to a snapshot', async () => {
      await lxc('restore', 'c1', 's2');
      expect(await read('c1')).toBe('second');
      await lxc('delete', 'c1/s2');
      await lxc('restore', 'c1', 's1');
      expect(await read('c1')).toBe('first');
    });

    if (driver.sized)
      test('[03.306 05.52] gives it the size that it is told, also while it runs, or when it starts again', async () => {
        const fill = async (size: number) => {
          const command = `dd if=/dev/urandom of=/root/big bs=1M count=${size}; code=$?; rm /root/big; sync; exit $code`;
          return (await lxd.lxc(['exec', 'c4', '--', 'sh', '-c', command], { client: client.program })).code;
        };
        await lxc('init', 'busybox', 'c4', '--storage', pool);
        await lxc('config', 'device', 'set', 'c4', 'root', 'size=64MiB');
        await lxc('start', 'c4');
        expect(await fill(20)).toBe(0);
        expect(await fill(70)).not.toBe(0);
        await lxc('config', 'device', 'set', 'c4', 'root', 'size=150MiB');
        expect(await fill(70)).toBe(0);
        await lxc('config', 'device', 'set', 'c4', 'root', 'size=100MiB');
        const waiting = async () => (await lxc('config', 'get', 'c4', 'volatile.root.apply_quota')).trim();
        expect(await waiting()).toBe(driver.shrinksUnmounted ? '100MiB' : '');
        await lxc('restart', '--force', 'c4');
        expect(await waiting()).toBe('');
        expect(await fill(60)).toBe(0);
        expect(await fill(110)).not.toBe(0);
        await lxc('delete', '--force', 'c4');
      });

    if (driver.name === 'ceph')
      test('[05.211] a custom volume of files is attached to one instance at a time', async () => {
        await lxc('storage', 'volume', 'create', pool, 'v1');
        await lxc('storage', 'volume', 'attach', pool, 'v1', 'c1', '/mnt');
        const second = await lxd.lxc(['storage', 'volume', 'attach', pool, 'v1', 'c2', '/mnt'], {
          client: client.program,
        });
        expect(second.stderr).toContain('can be attached to one instance at a time, and c1 has it');
        await lxc('storage', 'volume', 'detach', pool, 'v1', 'c1');
        await lxc('storage', 'volume', 'attach', pool, 'v1', 'c2', '/mnt');
        await lxc('storage', 'volume', 'detach', pool, 'v1', 'c2');
        await lxc('storage', 'volume', 'delete', pool, 'v1');
      });

    test('[05.18] goes away with all that it held, and leaves nothing behind', async () => {
      await lxc('delete', '--force', 'c1', 'c2');
      expect(await lxc('storage', 'volume', 'list', pool, '--format=csv', '--columns=t')).not.toContain('container');
      await lxc('storage', 'delete', pool);
      expect(everything()).toEqual(before);
    });
  },
);
