import { availableParallelism, cpus as onlineCpus } from 'node:os';
import { makeSuite, output } from '@lxd-ts/driver-kit/testing';
import { contiguousIdMap, readCgroupFile } from '@lxd-ts/host';
import { describe, expect, it } from 'vitest';
import { payloadCgroup } from './cgroups.ts';
import { assignCpus, cpuRequest } from './cpu-balance.ts';
import { formatSet, parseSet } from './cpu-set.ts';
import { balanceCpus, lxc } from './index.ts';
import { placeOf } from './place.ts';

const count = (number: number, among?: number[]) =>
  ({ kind: 'count', count: number, ...(among ? { among } : {}) }) as const;
const pinned = (...cpus: number[]) => ({ kind: 'pinned', cpus }) as const;
const any = { kind: 'any' } as const;

it('[03.63 03.64] limits.cpu is a count or a set, and a bare number is always a count', () => {
  expect(cpuRequest({ 'limits.cpu': '4' })).toEqual(count(4));
  expect(cpuRequest({ 'limits.cpu': '1-1' })).toEqual(pinned(1));
  expect(cpuRequest({ 'limits.cpu': '1,2,3' })).toEqual(pinned(1, 2, 3));
  expect(cpuRequest({ 'limits.cpu': '0-2,5' })).toEqual(pinned(0, 1, 2, 5));
  expect(cpuRequest({})).toEqual(any);
  for (const wrong of ['0', 'x', '3-1', '1-', '-1', '1,,2', '1.5']) {
    expect(() => cpuRequest({ 'limits.cpu': wrong }), wrong).toThrow('"limits.cpu"');
  }
});

it('sets are read and written as ranges', () => {
  expect(parseSet(' 0-2,5,4,2\n', 'x')).toEqual([0, 1, 2, 4, 5]);
  expect(formatSet([5, 0, 1, 2, 4])).toBe('0-2,4-5');
  expect(formatSet([])).toBe('');
});

describe('[03.67] counts are placed where the load is least', () => {
  const online = [0, 1, 2, 3];
  it('next to one another', () => {
    expect(assignCpus([count(2), count(2)], online)).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });
  it('around those that are pinned, which stay where they are', () => {
    expect(assignCpus([count(2), pinned(0, 1)], online)).toEqual([
      [2, 3],
      [0, 1],
    ]);
  });
  it('evenly when there are more than CPUs', () => {
    const assigned = assignCpus([count(1), count(1), count(1), count(1), count(1), any], online);
    expect(assigned.slice(0, 4).flat().sort()).toEqual(online);
    expect(assigned.at(-1)).toEqual(online);
  });
  it('with no more CPUs than there are', () => {
    expect(assignCpus([count(9)], online)).toEqual([online]);
  });
  it('[03.81] within the CPUs of their nodes', () => {
    expect(assignCpus([count(2, [2, 3]), count(2)], online)).toEqual([
      [2, 3],
      [0, 1],
    ]);
  });
});

it('[03.81] limits.cpu.nodes takes nodes and ranges of nodes this host has', () => {
  const all = onlineCpus().map((_, cpu) => cpu);
  expect(cpuRequest({ 'limits.cpu': '1', 'limits.cpu.nodes': '0-0' })).toEqual(count(1, all));
  expect(() => cpuRequest({ 'limits.cpu': '1', 'limits.cpu.nodes': '77' })).toThrow('no NUMA node 77');
  expect(() => cpuRequest({ 'limits.cpu': '1', 'limits.cpu.nodes': 'x' })).toThrow('"limits.cpu.nodes"');
});

describe('containers', () => {
  const suite = makeSuite(
    { driver: lxc, forms: [{ title: '' }], module: { url: '', name: '' } },
    { title: '', idmap: contiguousIdMap(1_000_000, 65_536) },
  );
  const cpusOf = async (config: Record<string, string>) => {
    const machine = await suite.newMachine(config);
    const instance = await suite.start(machine);
    const cpus = () => readCgroupFile(payloadCgroup(placeOf(machine)), 'cpuset', 'cpuset.cpus') ?? '';
    return { instance, cpus };
  };
  const enough = onlineCpus().length >= 4;

  it('[03.66] see the CPUs they are given alone', async () => {
    const { instance, cpus } = await cpusOf({ 'limits.cpu': '1-1' });
    expect(cpus()).toBe('1');
    expect(await output(instance, 'grep Cpus_allowed_list /proc/self/status')).toMatch(/:\s+1$/);
    expect(await output(instance, 'nproc')).toBe('1');
  });

  it('[03.65] see all without a limit', async () => {
    const { instance } = await cpusOf({});
    expect(await output(instance, 'nproc')).toBe(`${availableParallelism()}`);
  });

  it.runIf(enough)('[03.67] with counts share the CPUs evenly, anew at each start and stop', async () => {
    const [one, two] = [await cpusOf({ 'limits.cpu': '2' }), await cpusOf({ 'limits.cpu': '2' })];
    expect(one.cpus()).not.toBe(two.cpus());
    expect(parseSet(`${one.cpus()},${two.cpus()}`, 'x')).toHaveLength(4);
    const fixed = await cpusOf({ 'limits.cpu': one.cpus() });
    const onFixed = parseSet(fixed.cpus(), 'x');
    const load = [one, two].flatMap(({ cpus }) => parseSet(cpus(), 'x')).filter((cpu) => onFixed.includes(cpu));
    expect(load.length).toBeLessThanOrEqual(2);
    await fixed.instance.kill();
    expect(parseSet(`${one.cpus()},${two.cpus()}`, 'x')).toHaveLength(4);
    balanceCpus();
    expect(parseSet(`${one.cpus()},${two.cpus()}`, 'x')).toHaveLength(4);
  });

  it('[03.07] change their CPUs while they run', async () => {
    const { instance, cpus } = await cpusOf({ 'limits.cpu': '1' });
    expect(parseSet(cpus(), 'x')).toHaveLength(1);
    await instance.update({ 'limits.cpu': '1-1' }, ['limits.cpu']);
    expect(cpus()).toBe('1');
    await instance.update({}, ['limits.cpu']);
    expect(parseSet(cpus(), 'x')).toHaveLength(onlineCpus().length);
    await expect(instance.update({ 'limits.cpu': '900-901' }, ['limits.cpu'])).rejects.toThrow('no CPU 900-901');
  });

  it('do not start on CPUs this host does not have', async () => {
    const machine = await suite.newMachine({ 'limits.cpu': '0,900' });
    await expect(lxc.start(machine, [])).rejects.toThrow('this host has no CPU 900');
  });
});
