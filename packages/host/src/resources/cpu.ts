import { readFileSync } from 'node:fs';
import { machine } from 'node:os';
import { parseFields } from '../process.ts';
import { linkName, listNames, parseList, readNumber, readText } from './sysfs.ts';

export interface CpuCache {
  level: number;
  /** `Data`, `Instruction`, `Unified` */
  type: string;
  /** Bytes. */
  size: number;
}

export interface CpuThread {
  /** The number the kernel gives it. */
  id: number;
  numa_node: number;
  /** Which one of its core. */
  thread: number;
  online: boolean;
  /** Kept free by the boot parameter isolcpus. */
  isolated: boolean;
}

export interface CpuCore {
  core: number;
  die: number;
  threads: CpuThread[];
  /** MHz, now. */
  frequency?: number;
}

export interface CpuSocket {
  name?: string;
  vendor?: string;
  socket: number;
  cache?: CpuCache[];
  cores: CpuCore[];
  /** MHz: the mean of the cores now, the lowest and the highest possible. */
  frequency?: number;
  frequency_minimum?: number;
  frequency_turbo?: number;
}

export interface CpuResources {
  /** As `uname -m` says: `x86_64`, `aarch64`. */
  architecture: string;
  sockets: CpuSocket[];
  /** Number of threads. */
  total: number;
}

const CPUS = '/sys/devices/system/cpu';
const UNITS: Record<string, number> = { K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

function caches(cpu: string): CpuCache[] {
  return listNames(CPUS, cpu, 'cache')
    .filter((name) => name.startsWith('index'))
    .map((name) => {
      const [, number = '0', unit = ''] = /^(\d+)([KMG]?)/.exec(readText(CPUS, cpu, 'cache', name, 'size') ?? '') ?? [];
      return {
        level: readNumber(CPUS, cpu, 'cache', name, 'level') ?? 0,
        type: readText(CPUS, cpu, 'cache', name, 'type') ?? '',
        size: Number(number) * (UNITS[unit] ?? 1),
      };
    });
}

/** The frequency of a CPU, which the kernel gives in kHz, in MHz. */
function frequency(cpu: string, file: string): number | undefined {
  const kHz = readNumber(CPUS, cpu, 'cpufreq', file);
  return kHz === undefined ? undefined : Math.round(kHz / 1000);
}

/** Name and maker, which architectures call differently in /proc/cpuinfo. */
function description(): { name?: string; vendor?: string } {
  const fields = parseFields(readFileSync('/proc/cpuinfo', 'utf8').split('\n\n')[0] ?? '');
  const name = fields.get('model name') ?? fields.get('cpu') ?? fields.get('Processor');
  const vendor = fields.get('vendor_id') ?? fields.get('CPU implementer');
  return { ...(name === undefined ? {} : { name }), ...(vendor === undefined ? {} : { vendor }) };
}

function newSocket(cpu: string, socket: number): CpuSocket {
  const cache = caches(cpu);
  const minimum = frequency(cpu, 'cpuinfo_min_freq');
  const turbo = frequency(cpu, 'cpuinfo_max_freq');
  return {
    ...description(),
    socket,
    ...(cache.length === 0 ? {} : { cache }),
    cores: [],
    ...(minimum === undefined ? {} : { frequency_minimum: minimum }),
    ...(turbo === undefined ? {} : { frequency_turbo: turbo }),
  };
}

function addMeanFrequency(socket: CpuSocket): void {
  const known = socket.cores.map((core) => core.frequency).filter((each) => each !== undefined);
  if (known.length === 0) return;
  socket.frequency = Math.round(known.reduce((sum, each) => sum + each, 0) / known.length);
}

/** The processors, from /sys/devices/system/cpu and /proc/cpuinfo. */
export function cpuResources(): CpuResources {
  const isolated = new Set(parseList(readText(CPUS, 'isolated')));
  const sockets = new Map<number, CpuSocket>();
  const cpus = listNames(CPUS).filter((name) => /^cpu\d+$/.test(name));
  for (const cpu of cpus) {
    const id = Number(cpu.slice(3));
    const topology = (file: string) => Math.max(0, readNumber(CPUS, cpu, 'topology', file) ?? 0);
    const [number, coreId, die] = [topology('physical_package_id'), topology('core_id'), topology('die_id')];
    const socket = sockets.get(number) ?? newSocket(cpu, number);
    sockets.set(number, socket);
    let core = socket.cores.find((each) => each.core === coreId && each.die === die);
    if (!core) {
      const now = frequency(cpu, 'scaling_cur_freq');
      core = { core: coreId, die, threads: [], ...(now === undefined ? {} : { frequency: now }) };
      socket.cores.push(core);
    }
    const node = listNames(CPUS, cpu).find((name) => /^node\d+$/.test(name) && linkName(CPUS, cpu, name) !== undefined);
    core.threads.push({
      id,
      numa_node: Number(node?.slice(4) ?? 0),
      thread: core.threads.length,
      // The first CPU usually cannot be switched off and then has no such file.
      online: readText(CPUS, cpu, 'online') !== '0',
      isolated: isolated.has(id),
    });
  }
  for (const socket of sockets.values()) addMeanFrequency(socket);
  return { architecture: machine(), sockets: [...sockets.values()], total: cpus.length };
}
