import { totalmem } from 'node:os';
import { makeSuite, output, sh } from '@lxd-ts/driver-kit/testing';
import { cgroupLayout, contiguousIdMap, readCgroupFile } from '@lxd-ts/host';
import { describe, expect, it } from 'vitest';
import { payloadCgroup } from './cgroups.ts';
import { lxc } from './index.ts';
import { placeOf } from './place.ts';

const MiB = 1 << 20;
const suite = makeSuite(
  { driver: lxc, forms: [{ title: '' }], module: { url: '', name: '' } },
  { title: '', idmap: contiguousIdMap(1_000_000, 65_536) },
);

const startWith = async (config: Record<string, string>) => {
  const machine = await suite.newMachine(config);
  const instance = await suite.start(machine);
  const cgroup = payloadCgroup(placeOf(machine));
  return { machine, instance, read: (controller: string, file: string) => readCgroupFile(cgroup, controller, file) };
};
const isV1 = (controller: string) => cgroupLayout().controllers.get(controller)?.version === 1;

describe.runIf(isV1('memory'))('on version 1 of control groups', () => {
  it('[03.84] memory is a size or a share of the host', async () => {
    const { instance, read } = await startWith({ 'limits.memory': '64MiB' });
    expect(read('memory', 'memory.limit_in_bytes')).toBe(`${64 * MiB}`);
    await instance.update({ 'limits.memory': '10%' }, ['limits.memory']);
    const tenth = Number(read('memory', 'memory.limit_in_bytes'));
    // In whole pages.
    expect(Math.abs(tenth - totalmem() / 10)).toBeLessThan(8192);
    await instance.update({}, ['limits.memory']);
    expect(Number(read('memory', 'memory.limit_in_bytes'))).toBeGreaterThan(totalmem());
  });

  it('[03.85] a hard limit is never exceeded, a soft one may be', async () => {
    const eat = 'dd if=/dev/zero of=/dev/null bs=40M count=1 2>/dev/null; echo $?';
    const hard = await startWith({ 'limits.memory': '16MiB' });
    expect(await output(hard.instance, eat)).toBe('137');
    const soft = await startWith({ 'limits.memory': '16MiB', 'limits.memory.enforce': 'soft' });
    expect(soft.read('memory', 'memory.soft_limit_in_bytes')).toBe(`${16 * MiB}`);
    expect(await output(soft.instance, eat)).toBe('0');
    await soft.instance.update({ 'limits.memory': '16MiB', 'limits.memory.enforce': 'hard' }, [
      'limits.memory.enforce',
    ]);
    expect(soft.read('memory', 'memory.limit_in_bytes')).toBe(`${16 * MiB}`);
  });

  it('[03.87 03.88] swapping is discouraged by swap=false, and by a higher priority', async () => {
    const never = await startWith({ 'limits.memory.swap': 'false' });
    expect(never.read('memory', 'memory.swappiness')).toBe('0');
    await never.instance.update({ 'limits.memory.swap.priority': '2' }, ['limits.memory.swap']);
    const rather = Number(never.read('memory', 'memory.swappiness'));
    await never.instance.update({ 'limits.memory.swap.priority': '9' }, ['limits.memory.swap.priority']);
    const ratherNot = Number(never.read('memory', 'memory.swappiness'));
    expect(rather).toBeGreaterThan(ratherNot);
    expect(ratherNot).toBeGreaterThan(0);
  });

  it('[03.78] a time is a hard quota of CPU time', async () => {
    const { instance, read } = await startWith({ 'limits.cpu.allowance': '25ms/100ms' });
    expect(read('cpu', 'cpu.cfs_quota_us')).toBe('25000');
    expect(read('cpu', 'cpu.cfs_period_us')).toBe('100000');
    await instance.update({ 'limits.cpu.allowance': '100ms/50ms' }, ['limits.cpu.allowance']);
    expect(read('cpu', 'cpu.cfs_quota_us')).toBe('100000');
    expect(read('cpu', 'cpu.cfs_period_us')).toBe('50000');
    await instance.update({}, ['limits.cpu.allowance']);
    expect(read('cpu', 'cpu.cfs_quota_us')).toBe('-1');
  });

  it('[03.79 03.83] a percentage is a weight, which the priority refines', async () => {
    const { instance, read } = await startWith({ 'limits.cpu.allowance': '50%' });
    expect(read('cpu', 'cpu.shares')).toBe('512');
    expect(read('cpu', 'cpu.cfs_quota_us')).toBe('-1');
    await instance.update({ 'limits.cpu.allowance': '50%', 'limits.cpu.priority': '5' }, ['limits.cpu.priority']);
    expect(read('cpu', 'cpu.shares')).toBe('507');
    await instance.update({}, ['limits.cpu.priority', 'limits.cpu.allowance']);
    expect(read('cpu', 'cpu.shares')).toBe('1024');
  });

  it('[03.80] a set of CPUs and an allowance can be combined', async () => {
    const { read } = await startWith({ 'limits.cpu': '0-0', 'limits.cpu.allowance': '20ms/100ms' });
    expect(read('cpuset', 'cpuset.cpus')).toBe('0');
    expect(read('cpu', 'cpu.cfs_quota_us')).toBe('20000');
  });

  it('[03.91] processes are limited in number', async () => {
    const { instance, read } = await startWith({ 'limits.processes': '12' });
    expect(read('pids', 'pids.max')).toBe('12');
    const fork = 'for i in $(seq 30); do sleep 5 & done; wait';
    expect((await sh(instance, `timeout 0.5 sh -c '${fork}'`)).stderr).toContain("can't fork");
    await instance.update({}, ['limits.processes']);
    expect(read('pids', 'pids.max')).toBe('max');
  });

  it('[03.89] the disk priority is a weight, where the scheduler has weights', async () => {
    const machine = await suite.newMachine({ 'limits.disk.priority': '3' });
    const cgroup = payloadCgroup(placeOf(machine));
    const weight = () =>
      readCgroupFile(cgroup, 'blkio', 'blkio.weight') ?? readCgroupFile(cgroup, 'blkio', 'blkio.bfq.weight');
    try {
      const instance = await suite.start(machine);
      expect(weight()).toBe('300');
      await instance.update({ 'limits.disk.priority': '0' }, ['limits.disk.priority']);
      expect(weight()).toBe('10');
    } catch (error) {
      expect(error).toMatchObject({
        kind: 'not-implemented',
        message: expect.stringContaining('limits.disk.priority'),
      });
      expect(await lxc.find(machine)).toBeUndefined();
    }
  });
});

it('[03.90] the network priority is set, or refused where the host has no controller for it', async () => {
  const machine = await suite.newMachine({ 'limits.network.priority': '5' });
  const has = cgroupLayout().controllers.has('net_prio');
  const starting = suite.start(machine);
  if (has) {
    await starting;
    const map = readCgroupFile(payloadCgroup(placeOf(machine)), 'net_prio', 'net_prio.ifpriomap') ?? '';
    expect(map).toMatch(/^lo 5$/m);
  } else {
    await expect(starting).rejects.toMatchObject({ kind: 'not-implemented' });
    await expect(starting).rejects.toThrow('"limits.network.priority"');
    expect(await lxc.find(machine)).toBeUndefined();
  }
});

it('[03.77 03.83] values out of range and of other forms are refused', () => {
  for (const config of [
    { 'limits.cpu.allowance': '50' },
    { 'limits.cpu.allowance': '10ms' },
    { 'limits.cpu.allowance': '10ms/0ms' },
    { 'limits.cpu.priority': '11' },
    { 'limits.cpu.priority': '-1' },
    { 'limits.memory.swap.priority': '99' },
    { 'limits.disk.priority': '11' },
    { 'limits.network.priority': 'high' },
  ]) {
    const [key = ''] = Object.keys(config);
    expect(() => lxc.validate(config), key).toThrow(`"${key}"`);
  }
  expect(() => lxc.validate({ 'limits.cpu.allowance': '200ms/100ms', 'limits.memory': '3GB' })).not.toThrow();
});

it('[03.95] huge page limits have no effect without the controller', async () => {
  const { read, instance } = await startWith({ 'limits.hugepages.2MB': '4MB' });
  expect(await output(instance, 'echo runs')).toBe('runs');
  const limit = read('hugetlb', 'hugetlb.2MB.limit_in_bytes') ?? read('hugetlb', 'hugetlb.2MB.max');
  expect(limit).toBe(cgroupLayout().controllers.has('hugetlb') ? `${4e6 - (4e6 % 2097152)}` : undefined);
});

it('[03.97 03.99] limits.kernel sets the rlimits of init, and so of all', async () => {
  const { instance } = await startWith({
    'limits.kernel.nofile': '1000:2000',
    'limits.kernel.nproc': '3000',
    'limits.kernel.core': 'unlimited',
  });
  const limits = await output(instance, 'cat /proc/1/limits');
  expect(limits).toMatch(/Max open files\s+1000\s+2000/);
  expect(limits).toMatch(/Max processes\s+3000\s+3000/);
  expect(limits).toMatch(/Max core file size\s+unlimited\s+unlimited/);
});

it('[03.98] an rlimit the kernel does not know fails the start', async () => {
  const machine = await suite.newMachine({ 'limits.kernel.nonsense': '1' });
  expect(() => lxc.validate(machine.config)).not.toThrow();
  await expect(lxc.start(machine, [])).rejects.toThrow(/failed to start/);
});
