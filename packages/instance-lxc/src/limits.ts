/** Resource limits: which cgroup settings follow from the configuration. */
import { existsSync, readdirSync } from 'node:fs';
import { totalmem } from 'node:os';
import { badRequest, type Config, isFalse, messageOf, notImplemented, parseSize } from '@lxd-ts/driver-kit';
import {
  applyCgroupSettings,
  type Cgroup,
  type CgroupSetting,
  cgroupLayout,
  cpuQuota,
  cpuShares,
  hugePageLimit,
  type Limit,
  memoryLimit,
  memorySwappiness,
  networkPriority,
  processLimit,
} from '@lxd-ts/host';

/** Settings that one or more keys decide together. */
interface Group {
  readonly keys: readonly string[];
  /** With the keys unset: what lifts the limits. */
  settings(config: Config): CgroupSetting[];
}

const NORMAL_SHARES = 1024;
const HIGHEST_PRIORITY = 10;
/** The kernel's own vm.swappiness. */
const NORMAL_SWAPPINESS = 60;
/** How far below a hard limit the kernel begins to reclaim when the host is short of memory. */
const SOFT_PART = 0.9;

const priority = (config: Config, key: string, normal: number): number => {
  const text = config[key];
  if (!text) return normal;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > HIGHEST_PRIORITY) {
    throw badRequest(`Invalid value for "${key}": "${text}" must be a whole number from 0 to ${HIGHEST_PRIORITY}`);
  }
  return value;
};

/** Bytes of `limits.memory`: a size, or a share of the host's memory. */
const memoryBytes = (config: Config): Limit => {
  const text = config['limits.memory'];
  if (!text) return 'max';
  const percent = /^(\d+)%$/.exec(text)?.[1];
  return percent === undefined ? parseSize(text) : Math.floor((totalmem() * Number(percent)) / 100);
};

const memory = (config: Config): CgroupSetting[] => {
  const limit = memoryBytes(config);
  if (config['limits.memory.enforce'] === 'soft') return memoryLimit({ hard: 'max', soft: limit });
  const { version } = cgroupLayout().controllers.get('memory') ?? {};
  // A soft limit of version 2 slows the container down even while there is memory to spare.
  const soft = limit === 'max' || version === 2 ? 'max' : Math.floor(limit * SOFT_PART);
  return memoryLimit({ hard: limit, soft });
};

const swap = (config: Config): CgroupSetting[] => {
  const allowed = !isFalse(config['limits.memory.swap']);
  const preference = priority(config, 'limits.memory.swap.priority', HIGHEST_PRIORITY);
  const { version } = cgroupLayout().controllers.get('memory') ?? {};
  if (version === 2) return memoryLimit({ swap: allowed ? 'max' : 0 });
  return memorySwappiness(allowed ? NORMAL_SWAPPINESS + HIGHEST_PRIORITY - preference : 0);
};

/**
 * CPU time. A percentage is a weight against others on the same CPUs, a pair of times a hard quota; the priority orders
 * those of equal weight.
 */
const cpuTime = (config: Config): CgroupSetting[] => {
  const allowance = config['limits.cpu.allowance'] || '100%';
  const behind = HIGHEST_PRIORITY - priority(config, 'limits.cpu.priority', HIGHEST_PRIORITY);
  const shares = (percent: number): CgroupSetting[] => {
    const { version } = cgroupLayout().controllers.get('cpu') ?? {};
    // Weights of version 2 are percentages already: 100 is that of a group for which nothing was set.
    if (version === 2)
      return [
        { controller: 'cpu', version, file: 'cpu.weight', value: `${Math.min(10_000, Math.max(1, percent - behind))}` },
      ];
    return cpuShares(Math.max(2, Math.round((NORMAL_SHARES * percent) / 100) - behind));
  };
  const percent = /^(\d+)%$/.exec(allowance)?.[1];
  if (percent !== undefined) return [...shares(Number(percent)), ...cpuQuota('max')];
  const [, quota, period] = /^(\d+)ms\/(\d+)ms$/.exec(allowance) ?? [];
  if (quota === undefined || period === undefined || Number(period) === 0) {
    throw badRequest(
      `Invalid value for "limits.cpu.allowance": "${allowance}" must be a percentage (50%) or a time per period (25ms/100ms)`,
    );
  }
  return [...shares(100), ...cpuQuota(Number(quota) * 1000, Number(period) * 1000)];
};

const processes = (config: Config): CgroupSetting[] => {
  const text = config['limits.processes'];
  if (text && !/^\d+$/.test(text)) {
    throw badRequest(`Invalid value for "limits.processes": "${text}" must be a whole number`);
  }
  return processLimit(text ? Number(text) : 'max');
};

/** Keys and the directory of /sys/kernel/mm/hugepages that exists when the host has pages of that size. */
const hugePageSizes = { '64KB': 64, '1MB': 1024, '2MB': 2048, '1GB': 1024 * 1024 };

const hugePages = Object.entries(hugePageSizes).map(([size, kib]): Group => {
  const key = `limits.hugepages.${size}`;
  return {
    keys: [key],
    settings: (config) => {
      const limit = config[key] ? parseSize(config[key]) : 'max';
      const usable =
        cgroupLayout().controllers.has('hugetlb') && existsSync(`/sys/kernel/mm/hugepages/hugepages-${kib}kB`);
      return usable ? hugePageLimit(size, limit) : [];
    },
  };
});

const groups: readonly Group[] = [
  { keys: ['limits.memory', 'limits.memory.enforce'], settings: memory },
  { keys: ['limits.memory.swap', 'limits.memory.swap.priority'], settings: swap },
  { keys: ['limits.cpu.allowance', 'limits.cpu.priority'], settings: cpuTime },
  { keys: ['limits.processes'], settings: processes },
  ...hugePages,
];

const settingsOf = (group: Group, config: Config): CgroupSetting[] => {
  try {
    return group.settings(config);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EOPNOTSUPP') {
      throw notImplemented(`This host cannot limit by ${group.keys.join(' or ')}: ${error.message}`, { cause: error });
    }
    throw error;
  }
};

const limitSettings = (config: Config): CgroupSetting[] =>
  groups.filter(({ keys }) => keys.some((key) => config[key])).flatMap((group) => settingsOf(group, config));

/** liblxc applies no version 2 settings where other controllers are on version 1. */
const isLate = ({ version }: CgroupSetting): boolean => version === 2 && cgroupLayout().kind === 'hybrid';

/** The limits liblxc is to set before init runs. @throws LxdError bad-request, or not-implemented without the controller */
export const earlyLimits = (config: Config): CgroupSetting[] =>
  limitSettings(config).filter((setting) => !isLate(setting));

/** Checks the values alone. @throws LxdError bad-request */
export const validateLimits = (config: Config): void => {
  for (const group of groups) if (group.keys.some((key) => config[key])) settingsOf(group, config);
  diskWeight(config);
  priority(config, 'limits.network.priority', 0);
};

const NORMAL_DISK_PRIORITY = 5;

/** Priority 0 to 10 as a weight of 10 to 1000, where 100 is the kernel's normal one. */
const diskWeight = (config: Config): number =>
  Math.max(10, priority(config, 'limits.disk.priority', NORMAL_DISK_PRIORITY) * 100);

/** The file depends on the I/O scheduler, so it is looked for in the cgroup. */
const applyDiskPriority = (cgroup: Cgroup, config: Config): void => {
  const directory = cgroup.directory('blkio');
  const file = ['blkio.weight', 'blkio.bfq.weight', 'io.weight', 'io.bfq.weight'].find(
    (name) => directory !== undefined && existsSync(`${directory}/${name}`),
  );
  const version = cgroupLayout().controllers.get('blkio')?.version;
  if (file === undefined || version === undefined) {
    throw notImplemented('This host cannot apply "limits.disk.priority": it has no weights for disk access');
  }
  applyCgroupSettings(cgroup, [{ controller: 'blkio', version, file, value: `${diskWeight(config)}` }]);
};

const applyNetworkPriority = (cgroup: Cgroup, config: Config): void => {
  const value = priority(config, 'limits.network.priority', 0);
  if (!cgroupLayout().controllers.has('net_prio')) {
    throw notImplemented('This host cannot apply "limits.network.priority": it has no net_prio cgroup controller');
  }
  applyCgroupSettings(
    cgroup,
    readdirSync('/sys/class/net').flatMap((link) => networkPriority(link, value)),
  );
};

/** Limits that can only be set on a cgroup that exists. */
const late: readonly { readonly key: string; apply(cgroup: Cgroup, config: Config): void }[] = [
  { key: 'limits.disk.priority', apply: applyDiskPriority },
  { key: 'limits.network.priority', apply: applyNetworkPriority },
];

/** Sets what is left of the limits once the container's cgroup exists. */
export const applyLateLimits = (cgroup: Cgroup, config: Config): void => {
  applyCgroupSettings(cgroup, limitSettings(config).filter(isLate));
  for (const { key, apply } of late) if (config[key]) apply(cgroup, config);
};

/**
 * Applies changed limits to a running container; an unset key lifts its limit. Other keys are passed over.
 *
 * @throws LxdError bad-request when the kernel refuses a value, as for less memory than is in use
 */
export const updateLimits = (cgroup: Cgroup, config: Config, changed: readonly string[]): void => {
  for (const group of groups) {
    const keys = group.keys.filter((key) => changed.includes(key));
    if (keys.length === 0) continue;
    const settings = settingsOf(group, config);
    try {
      applyCgroupSettings(cgroup, settings);
    } catch (error) {
      throw badRequest(`Cannot apply ${keys.map((key) => `"${key}"`).join(', ')} now: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
  for (const { key, apply } of late) if (changed.includes(key)) apply(cgroup, config);
};
