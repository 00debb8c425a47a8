/** Our daemon on control groups of version 2 alone, with AppArmor enforcing: neither of which most hosts of tests have. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { lxc } from '../support/instance.ts';
import type { Lxd } from '../support/lxd.ts';
import type { Output } from '../support/output.ts';
import { debianLxc, debianLxcFails, startWithPools } from '../support/pools.ts';
import { real } from '../support/programs.ts';
import { eventually } from '../support/wait.ts';

const MiB = 1024 ** 2;
const stateShape = z.object({
  status: z.string(),
  pid: z.number(),
  processes: z.number(),
  memory: z.object({ usage: z.number(), usage_peak: z.number(), total: z.number() }),
  cpu: z.object({ usage: z.number() }),
});

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
});
afterAll(() => lxd[Symbol.asyncDispose]());

// Debian's client starts several times as fast as ours where every instruction is emulated.
const tryInside = (lxd: Lxd, name: string, ...command: string[]): Promise<Output> =>
  lxd.lxc(['exec', name, '--', ...command], { client: real.lxc });
const inside = (lxd: Lxd, name: string, ...command: string[]): Promise<string> =>
  debianLxc(lxd, 'exec', name, '--', ...command);

const state = async (name: string) => stateShape.parse(await lxd.api('GET', `/1.0/instances/${name}/state`));
const proc = (pid: number, file: string): string => readFileSync(`/proc/${pid}/${file}`, 'utf8');

/** Reads a file of the control group that holds a container's init. */
const group = async (name: string): Promise<(file: string) => string> => {
  const path = proc((await state(name)).pid, 'cgroup').match(/^0::(.*)$/m)?.[1] ?? '';
  return (file) => readFileSync(join('/sys/fs/cgroup', path, file), 'utf8').trim();
};

/** The AppArmor profile of a process, without the mode. */
const confinement = (pid: number): string => proc(pid, 'attr/current').trim();

test('this kernel has control groups of version 2 alone, and AppArmor', () => {
  expect(existsSync('/sys/fs/cgroup/cgroup.controllers')).toBe(true);
  expect(readFileSync('/proc/mounts', 'utf8')).not.toMatch(/ cgroup rw/);
  expect(readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8')).toBe('Y\n');
});

describe.each([
  ['plain', 'dir'],
  ['tree', 'btrfs'],
])('a container in pool %s (%s)', (pool) => {
  const name = `c-${pool}`;
  beforeAll(async () => {
    await lxc(lxd, 'launch', 'busybox', name, '--storage', pool, '--config', 'limits.memory=64MiB');
  });
  afterAll(() => lxc(lxd, 'delete', '--force', name));

  test('runs commands, with their exit codes', async () => {
    expect(await inside(lxd, name, 'cat', '/proc/1/comm')).toBe('init\n');
    expect(await tryInside(lxd, name, 'sh', '-c', 'echo out; echo err >&2; exit 7')).toEqual({
      code: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  test('[03.84] has the memory that it is allowed, and no more', async () => {
    const file = await group(name);
    expect(file('memory.max')).toBe(`${64 * MiB}`);
    expect(await inside(lxd, name, 'grep', 'MemTotal', '/proc/meminfo')).toMatch(/MemTotal: +65536 kB/);
    const eat = (size: string) => tryInside(lxd, name, 'dd', 'if=/dev/zero', 'of=/dev/null', `bs=${size}`, 'count=1');
    await debianLxc(lxd, 'config', 'set', name, 'limits.memory.swap=false');
    expect((await eat('30M')).code).toBe(0);
    expect((await eat('100M')).code).toBe(137);
    await debianLxc(lxd, 'config', 'set', name, 'limits.memory=200MiB');
    expect(file('memory.max')).toBe(`${200 * MiB}`);
    expect((await eat('100M')).code).toBe(0);
    await debianLxc(lxd, 'config', 'unset', name, 'limits.memory');
    expect(file('memory.max')).toBe('max');
  });

  test('[03.85] may exceed a soft limit', async () => {
    const file = await group(name);
    await debianLxc(lxd, 'config', 'set', name, 'limits.memory=32MiB', 'limits.memory.enforce=soft');
    expect(file('memory.max')).toBe('max');
    expect([file('memory.low'), file('memory.high')]).toContain(`${32 * MiB}`);
    const big = await tryInside(lxd, name, 'dd', 'if=/dev/zero', 'of=/dev/null', 'bs=60M', 'count=1');
    expect(big.code).toBe(0);
    await debianLxc(lxd, 'config', 'unset', name, 'limits.memory');
    await debianLxc(lxd, 'config', 'unset', name, 'limits.memory.enforce');
    expect([file('memory.low'), file('memory.high')].join()).not.toContain(`${32 * MiB}`);
  });

  test('[03.66 03.64] sees the processors that it may use, and no other', async () => {
    const file = await group(name);
    await debianLxc(lxd, 'config', 'set', name, 'limits.cpu=1');
    expect(file('cpuset.cpus.effective')).toMatch(/^\d+$/);
    expect(await inside(lxd, name, 'nproc')).toBe('1\n');
    const last = cpus().length - 1;
    await debianLxc(lxd, 'config', 'set', name, `limits.cpu=${last}-${last}`);
    expect(file('cpuset.cpus.effective')).toBe(`${last}`);
    expect(await inside(lxd, name, 'grep', 'Cpus_allowed_list', '/proc/self/status')).toBe(
      `Cpus_allowed_list:\t${last}\n`,
    );
    await debianLxc(lxd, 'config', 'unset', name, 'limits.cpu');
    expect(await inside(lxd, name, 'nproc')).toBe(`${cpus().length}\n`);
  });

  test('[03.78 03.79] gets processor time by quota or by weight', async () => {
    const file = await group(name);
    await debianLxc(lxd, 'config', 'set', name, 'limits.cpu.allowance=25ms/100ms');
    expect(file('cpu.max')).toBe('25000 100000');
    const throttled = () => Number(file('cpu.stat').match(/^nr_throttled (\d+)$/m)?.[1]);
    const before = throttled();
    await tryInside(lxd, name, 'timeout', '2', 'sh', '-c', 'while :; do :; done');
    expect(throttled()).toBeGreaterThan(before);
    await debianLxc(lxd, 'config', 'set', name, 'limits.cpu.allowance=50%');
    expect(file('cpu.max')).toBe('max 100000');
    const half = Number(file('cpu.weight'));
    await debianLxc(lxd, 'config', 'unset', name, 'limits.cpu.allowance');
    expect([half, file('cpu.weight')]).toEqual([50, '100']);
  });

  test('[03.91] has as many processes as it is allowed', async () => {
    const file = await group(name);
    await debianLxc(lxd, 'config', 'set', name, 'limits.processes=12');
    expect(file('pids.max')).toBe('12');
    const fork = 'for i in $(seq 30); do sleep 30 > /dev/null 2>&1 & done; wait';
    expect((await tryInside(lxd, name, 'timeout', '5', 'sh', '-c', fork)).stderr).toContain("can't fork");
    // A command needs room in the group, too.
    await debianLxc(lxd, 'config', 'unset', name, 'limits.processes');
    await inside(lxd, name, 'killall', 'sleep');
    expect(file('pids.max')).toBe('max');
  });

  test('[03.88] may be kept from swapping', async () => {
    const file = await group(name);
    await debianLxc(lxd, 'config', 'set', name, 'limits.memory.swap=false');
    expect(file('memory.swap.max')).toBe('0');
    await debianLxc(lxd, 'config', 'unset', name, 'limits.memory.swap');
    expect(file('memory.swap.max')).toBe('max');
  });

  test('tells its use of memory, processors and processes as the kernel counts it', async () => {
    const file = await group(name);
    const now = () => Number(file('cpu.stat').match(/^usage_usec (\d+)$/m)?.[1]) * 1000;
    const before = { cpu: now(), memory: Number(file('memory.current')) };
    const told = await state(name);
    const after = { cpu: now(), memory: Number(file('memory.current')) };
    expect(told.status).toBe('Running');
    expect(told.cpu.usage).toBeGreaterThanOrEqual(before.cpu);
    expect(told.cpu.usage).toBeLessThanOrEqual(after.cpu);
    expect(told.memory.usage).toBeGreaterThan(0);
    expect(Math.abs(told.memory.usage - after.memory)).toBeLessThan(MiB);
    // What ran before may still be ending while one is asked after the other.
    const counted = ({ processes }: { processes: number }): boolean => processes === Number(file('pids.current'));
    await eventually(() => state(name), counted);
    await inside(lxd, name, 'sh', '-c', 'sleep 600 > /dev/null 2>&1 & sleep 600 > /dev/null 2>&1 & exit');
    await eventually(
      () => state(name),
      (now) => now.processes >= 3 && counted(now),
    );
    await inside(lxd, name, 'killall', 'sleep');
  });

  test('pauses and goes on', async () => {
    const file = await group(name);
    await debianLxc(lxd, 'pause', name);
    expect(file('cgroup.events')).toContain('frozen 1');
    expect((await state(name)).status).toBe('Frozen');
    expect((await tryInside(lxd, name, 'true')).code).not.toBe(0);
    await debianLxc(lxd, 'start', name);
    expect(file('cgroup.events')).toContain('frozen 0');
    expect(await inside(lxd, name, 'echo', 'awake')).toBe('awake\n');
  });

  test('is confined, with all that runs in it', async () => {
    const { pid } = await state(name);
    const profile = confinement(pid);
    expect(profile).toContain(name);
    expect(profile).toMatch(/\(enforce\)$/);
    expect(confinement(process.pid)).toBe('unconfined');
    const fromInside = await inside(lxd, name, 'cat', '/proc/self/attr/current');
    expect(fromInside.trim()).not.toBe('');
    const sleeper = tryInside(lxd, name, 'sleep', '7777');
    // liblxc puts what enters the container into a group below that of init.
    const pids = () =>
      readdirSync('/proc')
        .filter((entry) => /^\d+$/.test(entry))
        .map(Number);
    const isSleeper = (one: number) =>
      existsSync(`/proc/${one}/cmdline`) && proc(one, 'cmdline') === 'sleep\u00007777\u0000';
    const found = await eventually(
      async () => pids().find(isSleeper),
      (one) => one !== undefined,
    );
    expect(confinement(found ?? 0)).toBe(profile);
    await inside(lxd, name, 'killall', 'sleep');
    await sleeper;
  });
});

describe('the AppArmor profile', () => {
  const loaded = () => readFileSync('/sys/kernel/security/apparmor/profiles', 'utf8');
  const write = async (name: string, file: string) =>
    (await tryInside(lxd, name, 'sh', '-c', `echo x > ${file}`)).stderr.match(/Permission denied/)?.[0] ?? 'written';

  test('[03.113] ends with the rules of raw.apparmor, which change while the container runs', async () => {
    const name = 'armour';
    await debianLxc(lxd, 'launch', 'busybox', name, '--config', 'raw.apparmor=deny /etc/one rw,');
    expect(await write(name, '/etc/one')).toBe('Permission denied');
    expect(await write(name, '/etc/two')).toBe('written');
    await debianLxc(lxd, 'config', 'set', name, 'raw.apparmor=deny /etc/two rw,\n  deny /etc/three rw,');
    expect(await write(name, '/etc/one')).toBe('written');
    expect(await write(name, '/etc/two')).toBe('Permission denied');
    expect(await write(name, '/etc/three')).toBe('Permission denied');

    expect(await debianLxcFails(lxd, 'config', 'set', name, 'raw.apparmor=no rule')).toContain('"raw.apparmor"');
    expect(await write(name, '/etc/two')).toBe('Permission denied');
    expect(await debianLxc(lxd, 'config', 'get', name, 'raw.apparmor')).toContain('deny /etc/two rw,');

    await debianLxc(lxd, 'config', 'unset', name, 'raw.apparmor');
    expect(await write(name, '/etc/two')).toBe('written');
    expect(loaded()).toContain(name);
    await debianLxc(lxd, 'delete', '--force', name);
    expect(loaded()).not.toContain(name);
  });

  test('[03.375] keeps root of a privileged container from what only the kernel may touch', async () => {
    const name = 'strong';
    await debianLxc(lxd, 'launch', 'busybox', name, '--config', 'security.privileged=true');
    expect(confinement((await state(name)).pid)).toMatch(/\(enforce\)$/);
    expect((await tryInside(lxd, name, 'ls', '/sys/kernel/debug')).stderr).toContain('Permission denied');
    expect((await tryInside(lxd, name, 'mount', '-t', 'proc', 'proc', '/mnt')).stderr).toContain('ermission denied');
    expect((await tryInside(lxd, name, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt')).code).toBe(0);
    await debianLxc(lxd, 'delete', '--force', name);
  });
});
