import { type Cgroup, readCgroupFile } from './cgroup.ts';

/** Memory of a group, in bytes. What this host does not count is undefined; a limit that is not set is undefined too. */
export interface MemoryUsage {
  usage: number | undefined;
  peak: number | undefined;
  limit: number | undefined;
  swapUsage: number | undefined;
  swapPeak: number | undefined;
  swapLimit: number | undefined;
}

/** Transfers of a group with one block device. */
export interface IoUsage {
  /** `major:minor` */
  device: string;
  readBytes: number;
  writeBytes: number;
  readOperations: number;
  writeOperations: number;
}

// Version 1 shows "no limit" as the largest multiple of a page in 63 bits.
const V1_UNLIMITED = 2 ** 62;

function version(cgroup: Cgroup, controller: string): 1 | 2 | undefined {
  return cgroup.layout.controllers.get(controller)?.version;
}

function number(text: string | undefined): number | undefined {
  if (text === undefined || text === 'max' || text === '') return undefined;
  const value = Number(text);
  return value >= V1_UNLIMITED ? undefined : value;
}

function difference(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : Math.max(0, a - b);
}

/** Reads a file of lines `name number`, such as memory.stat; empty when there is none. */
export function readFlatKeyed(cgroup: Cgroup, controller: string, file: string): Map<string, number> {
  const text = readCgroupFile(cgroup, controller, file) ?? '';
  return new Map(
    text
      .split('\n')
      .filter(Boolean)
      .map((line): [string, number] => {
        const [name = '', value] = line.split(' ');
        return [name, Number(value)];
      }),
  );
}

export function memoryUsage(cgroup: Cgroup): MemoryUsage {
  const read = (file: string) => number(readCgroupFile(cgroup, 'memory', file));
  if (version(cgroup, 'memory') === 2) {
    return {
      usage: read('memory.current'),
      peak: read('memory.peak'),
      limit: read('memory.max'),
      swapUsage: read('memory.swap.current'),
      swapPeak: read('memory.swap.peak'),
      swapLimit: read('memory.swap.max'),
    };
  }
  const [usage, peak, limit] = [
    read('memory.usage_in_bytes'),
    read('memory.max_usage_in_bytes'),
    read('memory.limit_in_bytes'),
  ];
  return {
    usage,
    peak,
    limit,
    swapUsage: difference(read('memory.memsw.usage_in_bytes'), usage),
    swapPeak: difference(read('memory.memsw.max_usage_in_bytes'), peak),
    swapLimit: difference(read('memory.memsw.limit_in_bytes'), limit),
  };
}

/** How often processes of the group were killed for want of memory. */
export function oomKills(cgroup: Cgroup): number | undefined {
  const file = version(cgroup, 'memory') === 2 ? 'memory.events' : 'memory.oom_control';
  return readFlatKeyed(cgroup, 'memory', file).get('oom_kill');
}

/** CPU time used so far, in nanoseconds. */
export function cpuUsage(cgroup: Cgroup): { total: number; user: number; system: number } | undefined {
  if (version(cgroup, 'cpuacct') === 1) {
    const [total, user, system] = ['cpuacct.usage', 'cpuacct.usage_user', 'cpuacct.usage_sys'].map((file) =>
      number(readCgroupFile(cgroup, 'cpuacct', file)),
    );
    return total === undefined ? undefined : { total, user: user ?? 0, system: system ?? 0 };
  }
  const stat = readFlatKeyed(cgroup, 'cpuacct', 'cpu.stat');
  const [total, user = 0, system = 0] = ['usage_usec', 'user_usec', 'system_usec'].map((name) => stat.get(name));
  return total === undefined ? undefined : { total: total * 1000, user: user * 1000, system: system * 1000 };
}

/** CPU time per CPU in nanoseconds; undefined with version 2, which does not count it. */
export function cpuUsagePerCpu(cgroup: Cgroup): { user: number; system: number }[] | undefined {
  const text = version(cgroup, 'cpuacct') === 1 ? readCgroupFile(cgroup, 'cpuacct', 'cpuacct.usage_all') : undefined;
  return text
    ?.split('\n')
    .slice(1)
    .map((line) => {
      const [, user, system] = line.split(' ');
      return { user: Number(user), system: Number(system) };
    });
}

/** How many processes and threads the group has, and may have. */
export function processUsage(cgroup: Cgroup): { count: number; limit: number | undefined } | undefined {
  const count = number(readCgroupFile(cgroup, 'pids', 'pids.current'));
  return count === undefined ? undefined : { count, limit: number(readCgroupFile(cgroup, 'pids', 'pids.max')) };
}

function emptyIo(device: string): IoUsage {
  return { device, readBytes: 0, writeBytes: 0, readOperations: 0, writeOperations: 0 };
}

function ioUsageV1(cgroup: Cgroup): IoUsage[] {
  const devices = new Map<string, IoUsage>();
  const add = (file: string, read: 'readBytes' | 'readOperations', write: 'writeBytes' | 'writeOperations') => {
    for (const line of (readCgroupFile(cgroup, 'blkio', file) ?? '').split('\n')) {
      const [device, kind, value] = line.split(' ');
      if (device === undefined || (kind !== 'Read' && kind !== 'Write')) continue;
      const usage = devices.get(device) ?? emptyIo(device);
      usage[kind === 'Read' ? read : write] = Number(value);
      devices.set(device, usage);
    }
  };
  add('blkio.throttle.io_service_bytes_recursive', 'readBytes', 'writeBytes');
  add('blkio.throttle.io_serviced_recursive', 'readOperations', 'writeOperations');
  return [...devices.values()];
}

/** Transfers with each block device the group has used. */
export function ioUsage(cgroup: Cgroup): IoUsage[] {
  if (version(cgroup, 'blkio') === 1) return ioUsageV1(cgroup);
  const lines = (readCgroupFile(cgroup, 'blkio', 'io.stat') ?? '').split('\n').filter(Boolean);
  return lines.map((line) => {
    const [device = '', ...words] = line.split(' ');
    const values = new Map(words.map((word) => word.split('=')).map(([name = '', value]) => [name, Number(value)]));
    return {
      device,
      readBytes: values.get('rbytes') ?? 0,
      writeBytes: values.get('wbytes') ?? 0,
      readOperations: values.get('rios') ?? 0,
      writeOperations: values.get('wios') ?? 0,
    };
  });
}
