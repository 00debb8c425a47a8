import { readFileSync } from 'node:fs';
import { listNames, readText } from './sysfs.ts';

export interface MemoryNode {
  numa_node: number;
  hugepages_used: number;
  hugepages_total: number;
  used: number;
  total: number;
}

/** All in bytes. */
export interface MemoryResources {
  nodes: MemoryNode[];
  hugepages_total: number;
  hugepages_used: number;
  hugepages_size: number;
  /** Without buffers and caches, with what the kernel keeps for itself. */
  used: number;
  /** What is built in, which is more than the kernel can hand out. */
  total: number;
}

const MEMORY = '/sys/devices/system/memory';
const NODES = '/sys/devices/system/node';

/** Parses lines of /proc/meminfo and of a node's: sizes in kB become bytes, counts stay. */
export function parseMemoryInfo(text: string): Map<string, number> {
  return new Map(
    [...text.matchAll(/^(?:Node \d+ )?([\w()]+):\s+(\d+)( kB)?$/gm)].map(([, name = '', value, unit]) => [
      name,
      Number(value) * (unit === undefined ? 1 : 1024),
    ]),
  );
}

interface MemoryBlocks {
  /** Bytes of each. */
  size: number;
  /** Names (`memory7`) of those switched on. */
  online: Set<string>;
}

/** Undefined where the kernel does not show blocks. */
function memoryBlocks(): MemoryBlocks | undefined {
  const size = Number.parseInt(readText(MEMORY, 'block_size_bytes') ?? '', 16);
  if (Number.isNaN(size)) return undefined;
  const names = listNames(MEMORY).filter((name) => /^memory\d+$/.test(name));
  return { size, online: new Set(names.filter((name) => readText(MEMORY, name, 'online') === '1')) };
}

function hugePages(info: Map<string, number>, size: number): { total: number; used: number } {
  const total = info.get('HugePages_Total') ?? 0;
  return { total: total * size, used: (total - (info.get('HugePages_Free') ?? 0)) * size };
}

function readNode(name: string, hugePageSize: number, blocks: MemoryBlocks | undefined): MemoryNode {
  const info = parseMemoryInfo(readText(NODES, name, 'meminfo') ?? '');
  const pages = hugePages(info, hugePageSize);
  return {
    numa_node: Number(name.slice(4)),
    hugepages_used: pages.used,
    hugepages_total: pages.total,
    used: info.get('MemUsed') ?? 0,
    total: blocks
      ? listNames(NODES, name).filter((each) => blocks.online.has(each)).length * blocks.size
      : (info.get('MemTotal') ?? 0),
  };
}

/** The memory, from /proc/meminfo and /sys/devices/system. */
export function memoryResources(): MemoryResources {
  const info = parseMemoryInfo(readFileSync('/proc/meminfo', 'utf8'));
  const of = (name: string) => info.get(name) ?? 0;
  const size = of('Hugepagesize');
  const pages = hugePages(info, size);
  const blocks = memoryBlocks();
  const total = blocks ? blocks.online.size * blocks.size : of('MemTotal');
  return {
    nodes: listNames(NODES)
      .filter((name) => /^node\d+$/.test(name))
      .map((name) => readNode(name, size, blocks)),
    hugepages_total: pages.total,
    hugepages_used: pages.used,
    hugepages_size: size,
    used: total - of('MemFree') - of('Buffers') - of('Cached'),
    total,
  };
}
