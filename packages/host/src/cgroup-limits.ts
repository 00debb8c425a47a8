/**
 * Limits as settings: which file gets which value, for the version of control groups this host has. The same list serves
 * a running group (`applyCgroupSettings`) and the configuration of one to be started (`lxc.cgroup.<file>` for version 1,
 * `lxc.cgroup2.<file>` for version 2). Files: Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst of the kernel.
 */
import { type CgroupLayout, cgroupLayout, controllerVersion } from './cgroup-layout.ts';

export interface CgroupSetting {
  controller: string;
  version: 1 | 2;
  file: string;
  value: string;
}

/** A number of bytes or processes, or no limit. */
export type Limit = number | 'max';

function setting(
  layout: CgroupLayout,
  controller: string,
  v1: [file: string, value: string],
  v2: [file: string, value: string],
): CgroupSetting {
  const version = controllerVersion(controller, layout);
  const [file, value] = version === 1 ? v1 : v2;
  return { controller, version, file, value };
}

/** Version 1 writes "no limit" as -1. */
function v1Limit(limit: Limit): string {
  return limit === 'max' ? '-1' : `${limit}`;
}

/**
 * Memory in bytes.
 * @param memory.hard beyond this the group's processes are killed; `soft`: beyond this it is slowed down and reclaimed first
 * @param memory.swap how much swap may be used besides; needs `hard` with version 1, which limits the sum
 */
export function memoryLimit(
  memory: { hard?: Limit; soft?: Limit; swap?: Limit },
  layout = cgroupLayout(),
): CgroupSetting[] {
  const { hard, soft, swap } = memory;
  const sum = hard === undefined || hard === 'max' || swap === 'max' ? 'max' : hard + (swap ?? 0);
  return [
    ...(hard === undefined
      ? []
      : [setting(layout, 'memory', ['memory.limit_in_bytes', v1Limit(hard)], ['memory.max', `${hard}`])]),
    ...(soft === undefined
      ? []
      : [setting(layout, 'memory', ['memory.soft_limit_in_bytes', v1Limit(soft)], ['memory.high', `${soft}`])]),
    ...(swap === undefined
      ? []
      : [setting(layout, 'memory', ['memory.memsw.limit_in_bytes', v1Limit(sum)], ['memory.swap.max', `${swap}`])]),
  ];
}

/** How readily memory is swapped out, 0 to 100. Version 2 has no such thing: no setting. */
export function memorySwappiness(value: number, layout = cgroupLayout()): CgroupSetting[] {
  if (controllerVersion('memory', layout) === 2) return [];
  return [{ controller: 'memory', version: 1, file: 'memory.swappiness', value: `${value}` }];
}

/** CPU time in microseconds per period; `max` for no limit. */
export function cpuQuota(quota: Limit, period = 100_000, layout = cgroupLayout()): CgroupSetting[] {
  if (controllerVersion('cpu', layout) === 2) {
    return [{ controller: 'cpu', version: 2, file: 'cpu.max', value: `${quota} ${period}` }];
  }
  return [
    { controller: 'cpu', version: 1, file: 'cpu.cfs_period_us', value: `${period}` },
    { controller: 'cpu', version: 1, file: 'cpu.cfs_quota_us', value: v1Limit(quota) },
  ];
}

/** The weight against other groups, in shares of version 1 (2 to 262144, 1024 is normal); version 2 counts 1 to 10000. */
export function cpuShares(shares: number, layout = cgroupLayout()): CgroupSetting[] {
  const weight = 1 + Math.floor(((shares - 2) * 9999) / 262142);
  return [setting(layout, 'cpu', ['cpu.shares', `${shares}`], ['cpu.weight', `${weight}`])];
}

/** The CPUs and memory nodes that may be used, as lists of ranges: `0-2,5`. */
export function cpuset(set: { cpus?: string; nodes?: string }, layout = cgroupLayout()): CgroupSetting[] {
  const version = controllerVersion('cpuset', layout);
  const files = { 'cpuset.cpus': set.cpus, 'cpuset.mems': set.nodes };
  return Object.entries(files).flatMap(([file, value]) =>
    value === undefined ? [] : [{ controller: 'cpuset', version, file, value }],
  );
}

export function processLimit(limit: Limit, layout = cgroupLayout()): CgroupSetting[] {
  return [setting(layout, 'pids', ['pids.max', `${limit}`], ['pids.max', `${limit}`])];
}

/** Limit for huge pages of one size (`2MB`, `1GB`), in bytes. */
export function hugePageLimit(pageSize: string, limit: Limit, layout = cgroupLayout()): CgroupSetting[] {
  const v1: [string, string] = [`hugetlb.${pageSize}.limit_in_bytes`, v1Limit(limit)];
  return [setting(layout, 'hugetlb', v1, [`hugetlb.${pageSize}.max`, `${limit}`])];
}

/** The weight of disk access against other groups, 10 to 1000, 100 is normal. */
export function ioWeight(weight: number, layout = cgroupLayout()): CgroupSetting[] {
  return [setting(layout, 'blkio', ['blkio.weight', `${weight}`], ['io.weight', `${weight}`])];
}

/** Bytes and operations per second that may be read from and written to a block device. */
export interface IoLimit {
  /** `major:minor` */
  device: string;
  readBytes?: Limit;
  writeBytes?: Limit;
  readOperations?: Limit;
  writeOperations?: Limit;
}

export function ioLimit(limit: IoLimit, layout = cgroupLayout()): CgroupSetting[] {
  const words = [
    ['read_bps', 'rbps', limit.readBytes],
    ['write_bps', 'wbps', limit.writeBytes],
    ['read_iops', 'riops', limit.readOperations],
    ['write_iops', 'wiops', limit.writeOperations],
  ] as const;
  const given = words.flatMap(([v1, v2, value]) => (value === undefined ? [] : [{ v1, v2, value }]));
  if (given.length === 0) return [];
  if (controllerVersion('blkio', layout) === 2) {
    const value = [limit.device, ...given.map(({ v2, value }) => `${v2}=${value}`)].join(' ');
    return [{ controller: 'blkio', version: 2, file: 'io.max', value }];
  }
  return given.map(({ v1, value }) => ({
    controller: 'blkio',
    version: 1,
    file: `blkio.throttle.${v1}_device`,
    // Version 1 removes a throttle that is set to 0.
    value: `${limit.device} ${value === 'max' ? 0 : value}`,
  }));
}

/** A rule about device nodes: `{ type: 'c', major: 1, minor: 3, access: 'rwm' }`; `*` for any number. */
export interface DeviceRule {
  type: 'a' | 'b' | 'c';
  major: number | '*';
  minor: number | '*';
  access: string;
}

/**
 * Allows or denies device nodes. Version 2 keeps such rules in a BPF program that liblxc loads from its configuration
 * (same names, as `lxc.cgroup2.devices.allow`); a running group of version 2 has no file for them.
 */
export function deviceRule(verb: 'allow' | 'deny', rule: DeviceRule, layout = cgroupLayout()): CgroupSetting[] {
  const version = layout.controllers.get('devices')?.version ?? 2;
  const value = rule.type === 'a' ? 'a' : `${rule.type} ${rule.major}:${rule.minor} ${rule.access}`;
  return [{ controller: 'devices', version, file: `devices.${verb}`, value }];
}

/** The priority of packets sent through a link; version 1 alone. */
export function networkPriority(link: string, priority: number, layout = cgroupLayout()): CgroupSetting[] {
  const version = controllerVersion('net_prio', layout);
  return [{ controller: 'net_prio', version, file: 'net_prio.ifpriomap', value: `${link} ${priority}` }];
}
