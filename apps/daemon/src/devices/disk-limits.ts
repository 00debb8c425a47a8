/** I/O limits of disks, by the block I/O controller of control groups on whole disks (spec 03.316 to 03.318). */
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { badRequest, type Config, type DeviceContext, parseSize } from '@lxd-ts/driver-kit';
import {
  applyCgroupSettings,
  type Cgroup,
  cgroupAt,
  cgroupLayout,
  type IoLimit,
  ioLimit,
  isErrno,
  mountInfo,
  processCgroups,
  readCgroupFile,
} from '@lxd-ts/host';

const fields = ['readBytes', 'writeBytes', 'readOperations', 'writeOperations'] as const;
type Rates = Partial<Record<(typeof fields)[number], number>>;

export const hasLimits = (config: Config): boolean =>
  ['limits.max', 'limits.read', 'limits.write'].some((key) => config[key]);

/** `30MB` limits bytes, `500iops` operations; `limits.max` is both directions. */
const ratesOf = (config: Config): Rates => {
  const rates: Rates = {};
  for (const [key, direction] of [
    ['limits.read', 'read'],
    ['limits.write', 'write'],
  ] as const) {
    const value = config['limits.max'] || config[key];
    if (!value) continue;
    if (value.endsWith('iops')) rates[`${direction}Operations`] = Number.parseInt(value, 10);
    else rates[`${direction}Bytes`] = parseSize(value);
  }
  return rates;
};

/** Throttling knows whole disks only: of a partition, the disk it is on. */
const wholeDisk = (device: string): string => {
  const path = realpathSync(`/sys/dev/block/${device}`);
  const isPartition = readdirSync(path).includes('partition');
  return readFileSync(join(isPartition ? dirname(path) : path, 'dev'), 'utf8').trim();
};

/** The members of the Btrfs file system that a block device belongs to: its own numbers mean none. */
const btrfsMembers = (source: string): string[] => {
  const name = basename(realpathSync(source));
  for (const id of readdirSync('/sys/fs/btrfs')) {
    const devices = `/sys/fs/btrfs/${id}/devices`;
    try {
      const members = readdirSync(devices);
      if (members.includes(name)) return members.map((one) => readFileSync(join(devices, one, 'dev'), 'utf8').trim());
    } catch (error) {
      // `features` lies beside the file systems.
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
  }
  return [];
};

/** The disks, as `major:minor`, that hold what is mounted at a path inside; undefined when nothing is mounted there. */
const disksAt = (pid: number, path: string): string[] | undefined => {
  const target = normalize(path).replace(/(?<=.)\/+$/, '');
  const mount = mountInfo(pid).findLast((one) => one.target === target);
  if (!mount) return undefined;
  const devices = mount.type === 'btrfs' ? btrfsMembers(mount.source) : [mount.device];
  try {
    return [...new Set(devices.map(wholeDisk))];
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
};

/** The control group of the container: its init may have moved itself into one below. */
const cgroupOfContainer = (pid: number): Cgroup => {
  const layout = cgroupLayout();
  const tree = layout.controllers.get('blkio');
  const path = tree && processCgroups(pid).get(tree.version === 2 ? '' : 'blkio');
  if (path === undefined) throw badRequest('Cannot apply disk limits as the blkio controller is missing on this host');
  return cgroupAt(/^.*?\/lxc\.payload[^/]*/.exec(path)?.[0] ?? path, layout);
};

/** The disks that have a limit now: the files name one on each line. */
const limitedDisks = (cgroup: Cgroup): string[] => {
  const files = ioLimit({ device: '', readBytes: 0, writeBytes: 0, readOperations: 0, writeOperations: 0 });
  const lines = files.flatMap(({ controller, file }) => readCgroupFile(cgroup, controller, file)?.split('\n') ?? []);
  return lines.flatMap((line) => /^\d+:\d+/.exec(line) ?? []);
};

const average = (values: readonly number[]): number =>
  Math.floor(values.reduce((sum, value) => sum + value, 0) / values.length);

/**
 * Puts the limits of all disks of a running container in force. Two devices on one disk get the average of their limits.
 *
 * @param devices - its disks by name; disks of the host with a limit that comes from none of them any more are set free
 * @throws LxdError bad-request for a disk that cannot be limited, or on a host that cannot limit
 */
export const applyDiskLimits = ({ instance }: DeviceContext, devices: ReadonlyMap<string, Config>): void => {
  const { pid } = instance;
  if (pid === undefined) return;
  const cgroup = cgroupOfContainer(pid);
  const byDisk = new Map<string, Rates[]>(limitedDisks(cgroup).map((disk) => [disk, []]));
  for (const [name, config] of devices) {
    if (!hasLimits(config)) continue;
    const disks = disksAt(pid, config['path'] ?? '/');
    const rates = ratesOf(config);
    if (disks?.length === 0)
      throw badRequest(`Block device not found: the source of disk "${name}" is on no disk that can be limited`);
    for (const disk of disks ?? []) byDisk.set(disk, [...(byDisk.get(disk) ?? []), rates]);
  }
  const settings = [...byDisk].flatMap(([device, rates]) => {
    const limit: IoLimit = { device };
    for (const field of fields) {
      const values = rates.flatMap((one) => (one[field] === undefined ? [] : [one[field]]));
      limit[field] = values.length > 0 ? average(values) : 'max';
    }
    return ioLimit(limit);
  });
  try {
    applyCgroupSettings(cgroup, settings);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EOPNOTSUPP', 'ENODEV'))
      throw badRequest('Cannot apply disk limits: the blkio controller of this host cannot throttle', { cause: error });
    throw error;
  }
};
