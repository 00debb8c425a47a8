/** Lists of CPU or node numbers as the kernel and `limits.cpu` write them: `0-2,5`. */
import { readFileSync } from 'node:fs';
import { badRequest } from '@lxd-ts/driver-kit';

/** @throws LxdError bad-request that names the key */
export const parseSet = (text: string, key: string): number[] => {
  const numbers = text
    .trim()
    .split(',')
    .flatMap((part) => {
      const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
      if (first === undefined || (last !== undefined && Number(last) < Number(first))) {
        throw badRequest(`Invalid value for "${key}": "${text}" must be a list of numbers and ranges, such as 0-2,5`);
      }
      const size = Number(last ?? first) - Number(first) + 1;
      return Array.from({ length: size }, (_, at) => Number(first) + at);
    });
  return [...new Set(numbers)].sort((a, b) => a - b);
};

/** Writes numbers as ranges. */
export const formatSet = (numbers: readonly number[]): string => {
  const ranges: [first: number, last: number][] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const range = ranges.at(-1);
    if (range && number === range[1] + 1) range[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
};

/** CPUs that are switched on. */
export const onlineCpus = (): number[] =>
  parseSet(readFileSync('/sys/devices/system/cpu/online', 'utf8'), 'online CPUs');

/** CPUs of NUMA nodes. @throws LxdError bad-request for a node this host does not have */
export const cpusOfNodes = (nodes: readonly number[], key: string): number[] =>
  nodes.flatMap((node) => {
    try {
      const list = readFileSync(`/sys/devices/system/node/node${node}/cpulist`, 'utf8').trim();
      return list === '' ? [] : parseSet(list, key);
    } catch (error) {
      throw badRequest(`Invalid value for "${key}": this host has no NUMA node ${node}`, { cause: error });
    }
  });
