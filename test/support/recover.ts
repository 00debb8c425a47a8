/** What tests of `lxd recover` have in common: pools that an LXD has filled, and dialogues about them. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { busyboxImage } from '@lxd-ts/tooling/images/busybox';
import { makeScratch } from '@lxd-ts/tooling/scratch';
import { expect } from 'vitest';
import { beside } from './instance.ts';
import { type Lxd, type Programs, startLxd } from './lxd.ts';
import { succeed } from './output.ts';
import { debianLxc } from './pools.ts';
import { real } from './programs.ts';
import { type Answer, type Conversation, converse } from './terminal.ts';

export const importBusybox = async (lxd: Lxd): Promise<void> => {
  await debianLxc(lxd, 'image', 'import', busyboxImage().unified, '--alias', 'busybox');
};

/** Runs a dialogue with `lxd recover`. `program`: whose. */
export const recover = (lxd: Lxd, program: Programs, ...answers: Answer[]): Promise<Conversation> =>
  converse(lxd.namespace.inside([...program.lxd, 'recover']), lxd.environment, answers);

/** The answers that name a pool. */
export const pool = (name: string, driver: string, source: string): string[] => ['yes', name, driver, source, ''];

/** What follows the scan. */
export const outcome = ({ said }: Conversation): string => said.slice(said.indexOf('Scanning for unknown volumes...'));

/** Ends an LXD and lets go of its mounts, so that its pools can be copied. */
export const end = async (lxd: Lxd, ...pools: string[]): Promise<void> => {
  await lxd.stop();
  for (const name of pools) await beside(lxd, 'umount', join(lxd.folder, 'storage-pools', name));
};

/** Network, profile and data that both directions have. */
export const surroundings = async (lxd: Lxd): Promise<void> => {
  await debianLxc(lxd, 'network', 'create', 'rcvbr', 'ipv4.address=10.88.9.1/24', 'ipv6.address=none');
  await debianLxc(lxd, 'profile', 'create', 'web');
  await debianLxc(lxd, 'profile', 'set', 'web', 'user.x=1');
  await debianLxc(lxd, 'profile', 'device', 'add', 'web', 'eth0', 'nic', 'network=rcvbr', 'name=eth0');
};

/** Two containers with snapshots and volumes in `plain` (dir) and `tree` (btrfs). */
export const fill = async (lxd: Lxd, source: string): Promise<void> => {
  await importBusybox(lxd);
  await debianLxc(lxd, 'storage', 'create', 'plain', 'dir', `source=${source}`);
  await debianLxc(lxd, 'storage', 'create', 'tree', 'btrfs', 'size=256MiB');
  await surroundings(lxd);
  await debianLxc(lxd, 'profile', 'device', 'add', 'default', 'root', 'disk', 'path=/', 'pool=plain');
  for (const [name, where] of [
    ['c1', 'plain'],
    ['c2', 'tree'],
  ] as const) {
    const options = ['--profile=default', '--profile=web', `--storage=${where}`];
    await debianLxc(lxd, 'init', 'busybox', name, ...options, '-c', 'user.own=here');
    await debianLxc(lxd, 'start', name);
    await debianLxc(lxd, 'exec', name, '--', 'sh', '-c', 'echo first >/root/data; chown 1000:1001 /root/data');
    await debianLxc(lxd, 'snapshot', name, 's0');
    await debianLxc(lxd, 'exec', name, '--', 'sh', '-c', 'echo second >/root/data');
    await debianLxc(lxd, 'snapshot', name, 's1');
    await debianLxc(lxd, 'storage', 'volume', 'create', where, `v-${name}`);
    await debianLxc(lxd, 'storage', 'volume', 'attach', where, `v-${name}`, name, '/mnt');
    await debianLxc(lxd, 'exec', name, '--', 'sh', '-c', 'echo kept >/mnt/file');
    await debianLxc(lxd, 'storage', 'volume', 'snapshot', where, `v-${name}`, 'snap');
    await debianLxc(lxd, 'stop', '--force', name);
  }
};

/** Whether everything that `fill` made works. */
export const expectFilled = async (lxd: Lxd): Promise<void> => {
  for (const [name, where] of [
    ['c1', 'plain'],
    ['c2', 'tree'],
  ] as const) {
    await debianLxc(lxd, 'start', name);
    expect(await debianLxc(lxd, 'exec', name, '--', 'cat', '/root/data')).toBe('second\n');
    expect(await debianLxc(lxd, 'exec', name, '--', 'stat', '-c', '%u:%g', '/root/data')).toBe('1000:1001\n');
    expect(await debianLxc(lxd, 'exec', name, '--', 'cat', '/mnt/file')).toBe('kept\n');
    expect(await debianLxc(lxd, 'exec', name, '--', 'ls', '/sys/class/net')).toBe('eth0\nlo\n');
    expect(await debianLxc(lxd, 'config', 'get', name, 'user.own')).toBe('here\n');
    await debianLxc(lxd, 'stop', '--force', name);
    await debianLxc(lxd, 'restore', name, 's0');
    await debianLxc(lxd, 'start', name);
    expect(await debianLxc(lxd, 'exec', name, '--', 'cat', '/root/data')).toBe('first\n');
    await debianLxc(lxd, 'stop', '--force', name);
    await debianLxc(lxd, 'delete', `${name}/s0`);
    await debianLxc(lxd, 'storage', 'volume', 'restore', where, `v-${name}`, 'snap');
    // What was recovered is no different from what was made here: it can be copied and deleted.
    await debianLxc(lxd, 'copy', name, `${name}-copy`);
    await debianLxc(lxd, 'delete', name, `${name}-copy`);
    await debianLxc(lxd, 'storage', 'volume', 'delete', where, `v-${name}`);
  }
};

/** Keeps the pools of an LXD that has ended in a directory, as `plain` and `tree.img`. */
export const keep = async (lxd: Lxd, source: string, target: string): Promise<void> => {
  mkdirSync(target);
  await succeed(['cp', '--archive', source, join(target, 'plain')]);
  await succeed(['cp', '--sparse=always', join(lxd.folder, 'disks/tree.img'), join(target, 'tree.img')]);
};

/** The pools that LXD 5.0.2 has filled. */
export interface KeptPools extends AsyncDisposable {
  /** For what else a test needs. */
  readonly folder: string;
  /** A fresh copy of both, a directory with `plain` and `tree.img`. */
  readonly copy: () => Promise<string>;
}

/** Has LXD 5.0.2 fill pools, and keeps them. */
export const poolsOfReal = async (): Promise<KeptPools> => {
  const scratch = makeScratch();
  try {
    const source = join(scratch.folder, 'source');
    const made = join(scratch.folder, 'made');
    mkdirSync(source);
    await using lxd = await startLxd(real);
    await fill(lxd, source);
    await end(lxd, 'plain', 'tree');
    await keep(lxd, source, made);
    let copies = 0;
    return {
      folder: scratch.folder,
      async copy() {
        copies += 1;
        const target = join(scratch.folder, `copy${copies}`);
        await succeed(['cp', '--archive', '--sparse=always', made, target]);
        return target;
      },
      [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose](),
    };
  } catch (error) {
    await scratch[Symbol.asyncDispose]();
    throw error;
  }
};
