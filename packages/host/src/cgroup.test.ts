import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { applyCgroupSettings, type Cgroup, cgroupAt, cgroupOf, readCgroupFile } from './cgroup.ts';
import { freezeCgroup, isFrozen, thawCgroup } from './cgroup-freeze.ts';
import { type CgroupLayout, cgroupLayout, controllerVersion } from './cgroup-layout.ts';
import {
  cpuQuota,
  cpuShares,
  cpuset,
  deviceRule,
  hugePageLimit,
  ioLimit,
  memoryLimit,
  memorySwappiness,
  processLimit,
} from './cgroup-limits.ts';
import { cgroupProcesses, createCgroup, joinCgroup, removeCgroup } from './cgroup-tree.ts';
import { cpuUsage, cpuUsagePerCpu, ioUsage, memoryUsage, oomKills, processUsage } from './cgroup-usage.ts';
import { isErrno } from './errno.ts';

const MiB = 1 << 20;
const path = `host-test-${process.pid}/inner`;
const parent = cgroupAt(`host-test-${process.pid}`);
let cgroup: Cgroup;

beforeEach(() => {
  cgroup = cgroupAt(path);
  createCgroup(cgroup);
});
afterEach(async () => {
  for (let tries = 0; ; tries++) {
    try {
      for (const pid of cgroupProcesses(parent)) process.kill(pid, 'SIGKILL');
      return removeCgroup(parent);
    } catch (error) {
      // They need a moment to be gone.
      if (!isErrno(error, 'EBUSY', 'ESRCH') || tries > 200) throw error;
      await setTimeout(10);
    }
  }
});

/** Starts a shell in the group, which waits for a line before it does its work. */
async function start(script: string): Promise<ChildProcess & { pid: number }> {
  const child = spawn('sh', ['-c', `read _; ${script}`], { stdio: ['pipe', 'pipe', 'ignore'] });
  await once(child, 'spawn');
  const { pid } = child;
  if (pid === undefined) throw new Error('not started');
  joinCgroup(cgroup, pid);
  child.stdin.write('\n');
  return Object.assign(child, { pid });
}

const unified: CgroupLayout = {
  kind: 'v2',
  unified: '/sys/fs/cgroup',
  controllers: new Map(
    ['memory', 'cpu', 'cpuacct', 'cpuset', 'pids', 'io', 'blkio', 'hugetlb'].map((name) => [
      name,
      { version: 2, mount: '/sys/fs/cgroup' },
    ]),
  ),
};

test('the layout names a version and a mount for each controller', () => {
  const { kind, controllers } = cgroupLayout();
  expect(['v1', 'hybrid', 'v2']).toContain(kind);
  for (const { mount } of controllers.values()) expect(existsSync(join(mount, 'cgroup.procs'))).toBe(true);
  expect(controllers.get('memory')).toBeDefined();
  expect(() => controllerVersion('nosuch')).toThrow("EOPNOTSUPP: operation not supported, cgroup controller 'nosuch'");
});

describe('a running group', () => {
  test('takes processes in all trees and lists them, also those of groups below', async () => {
    const { pid } = await start('sleep 100');
    expect(cgroupProcesses(cgroup)).toContain(pid);
    expect(cgroupProcesses(parent)).toContain(pid);
    expect(cgroupOf(pid).directory('memory')).toBe(cgroup.directory('memory'));
    expect(() => removeCgroup(parent)).toThrow('EBUSY');
  });

  test('counts CPU time, memory and processes', async () => {
    const child = await start('head -c 20000000 /dev/zero | tail -c 1 | cat; echo; exec sleep 100');
    await once(child.stdout ?? child, 'data');
    expect(processUsage(cgroup)?.count).toBeGreaterThan(0);
    expect(memoryUsage(cgroup).usage).toBeGreaterThan(0);
    expect(memoryUsage(cgroup)).toMatchObject({ limit: undefined, swapLimit: undefined });
    const usage = cpuUsage(cgroup);
    expect(usage?.total).toBeGreaterThan(1e6);
    expect(usage?.total).toBeLessThan(1e10);
    const perCpu = cpuUsagePerCpu(cgroup) ?? [];
    const sum = perCpu.reduce((all, { user, system }) => all + user + system, 0);
    expect(sum).toBeGreaterThan(1e6);
    expect(oomKills(cgroup)).toBe(0);
  });

  test('limits of memory and swap go up and down in any order', () => {
    for (const hard of [64 * MiB, 128 * MiB, 32 * MiB]) {
      applyCgroupSettings(cgroup, memoryLimit({ hard, swap: 16 * MiB, soft: hard / 2 }));
      expect(memoryUsage(cgroup)).toMatchObject({ limit: hard, swapLimit: 16 * MiB });
    }
    applyCgroupSettings(cgroup, memoryLimit({ hard: 'max', swap: 'max' }));
    expect(memoryUsage(cgroup)).toMatchObject({ limit: undefined, swapLimit: undefined });
    applyCgroupSettings(cgroup, memorySwappiness(40));
  });

  test('a process over the memory limit is killed and counted', async () => {
    applyCgroupSettings(cgroup, memoryLimit({ hard: 16 * MiB, swap: 0 }));
    const child = await start('exec dd if=/dev/zero of=/dev/null bs=60M count=1');
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    expect(oomKills(cgroup)).toBe(1);
  });

  test('the limit of processes holds', async () => {
    applyCgroupSettings(cgroup, processLimit(1));
    const child = await start('sleep 0 || exit 9; exit 0');
    expect((await once(child, 'exit'))[0]).not.toBe(0);
    expect(processUsage(cgroup)?.limit).toBe(1);
    applyCgroupSettings(cgroup, processLimit('max'));
    expect(processUsage(cgroup)?.limit).toBeUndefined();
  });

  test('CPU quota, shares and set are taken by the kernel', () => {
    applyCgroupSettings(cgroup, [...cpuQuota(20_000), ...cpuShares(512), ...cpuset({ cpus: '0', nodes: '0' })]);
    if (controllerVersion('cpu') === 1) {
      expect(readCgroupFile(cgroup, 'cpu', 'cpu.cfs_quota_us')).toBe('20000');
      expect(readCgroupFile(cgroup, 'cpu', 'cpu.shares')).toBe('512');
    } else {
      expect(readCgroupFile(cgroup, 'cpu', 'cpu.max')).toBe('20000 100000');
    }
    expect(readCgroupFile(cgroup, 'cpuset', 'cpuset.cpus')).toBe('0');
    applyCgroupSettings(cgroup, cpuQuota('max'));
    expect(() => applyCgroupSettings(cgroup, cpuset({ cpus: '9999' }))).toThrow(/EINVAL|ERANGE|EACCES|ENOSPC/);
  });

  test('transfers with a block device are counted and throttled', async () => {
    const { dev } = statSync('/var/tmp');
    const device = `${dev >> 8}:${dev & 0xff}`;
    applyCgroupSettings(cgroup, ioLimit({ device, writeBytes: 500 * MiB, readOperations: 'max' }));
    const file = `/var/tmp/host-cgroup-${process.pid}`;
    const child = await start(`dd if=/dev/zero of=${file} bs=1M count=2 oflag=direct 2>/dev/null; rm ${file}`);
    await once(child, 'exit');
    expect(ioUsage(cgroup).find((usage) => usage.device === device)?.writeBytes).toBeGreaterThanOrEqual(2 * MiB);
  });

  // Version 2 has no files for them.
  test.runIf(cgroupLayout().controllers.has('devices'))('device rules deny and allow', async () => {
    applyCgroupSettings(cgroup, deviceRule('deny', { type: 'a', major: '*', minor: '*', access: 'rwm' }));
    applyCgroupSettings(cgroup, deviceRule('allow', { type: 'c', major: 1, minor: 3, access: 'rwm' }));
    const denied = await start('head -c 1 /dev/zero >/dev/null');
    expect((await once(denied, 'exit'))[0]).not.toBe(0);
    expect(readCgroupFile(cgroup, 'devices', 'devices.list')).toBe('c 1:3 rwm');
  });

  test.each([
    ['the freezer of this host', () => cgroup],
    [
      'the freezer of version 2',
      () => {
        const mount = cgroupLayout().unified ?? '';
        return cgroupAt(path, {
          kind: 'v2',
          unified: mount,
          controllers: new Map([['freezer', { version: 2, mount }]]),
        });
      },
    ],
  ])('%s stops and resumes processes', async (_, choose) => {
    const target = choose();
    const { pid } = await start('while :; do :; done');
    const ticks = () => readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ').slice(13, 15).join();
    await freezeCgroup(target);
    expect(isFrozen(target)).toBe(true);
    const before = ticks();
    await setTimeout(60);
    expect(ticks()).toBe(before);
    await thawCgroup(target);
    expect(isFrozen(target)).toBe(false);
  });

  test('what is not there reads as undefined, writing it fails', () => {
    removeCgroup(parent);
    removeCgroup(parent);
    expect(memoryUsage(cgroup).usage).toBeUndefined();
    expect(cpuUsage(cgroup)).toBeUndefined();
    expect(processUsage(cgroup)).toBeUndefined();
    expect(ioUsage(cgroup)).toEqual([]);
    expect(cgroupProcesses(cgroup)).toEqual([]);
    expect(() => applyCgroupSettings(cgroup, processLimit(5))).toThrow('ENOENT');
  });
});

test('the same limits have other files and values with version 2', () => {
  const lines = [
    ...memoryLimit({ hard: 100, soft: 50, swap: 'max' }, unified),
    ...memorySwappiness(40, unified),
    ...cpuQuota(20000, 100000, unified),
    ...cpuQuota('max', 100000, unified),
    ...cpuShares(1024, unified),
    ...processLimit('max', unified),
    ...hugePageLimit('2MB', 4096, unified),
    ...ioLimit({ device: '8:0', readBytes: 1000, writeOperations: 'max' }, unified),
    ...deviceRule('allow', { type: 'b', major: 7, minor: '*', access: 'rw' }, unified),
  ].map(({ version, file, value }) => `${version} ${file} = ${value}`);
  expect(lines).toEqual([
    '2 memory.max = 100',
    '2 memory.high = 50',
    '2 memory.swap.max = max',
    '2 cpu.max = 20000 100000',
    '2 cpu.max = max 100000',
    '2 cpu.weight = 39',
    '2 pids.max = max',
    '2 hugetlb.2MB.max = 4096',
    '2 io.max = 8:0 rbps=1000 wiops=max',
    '2 devices.allow = b 7:* rw',
  ]);
});
