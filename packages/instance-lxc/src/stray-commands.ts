import { readdirSync, readFileSync } from 'node:fs';
import { isErrno, processStatus } from '@lxd-ts/host';

const childrenOf = (thread: string): number[] => {
  try {
    return readFileSync(`/proc/self/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return [];
    throw error;
  }
};

/** Whether a process is in a pid namespace below ours, as all commands in containers are. */
const isInside = (pid: number): boolean => (processStatus(pid)?.get('NSpid') ?? '').split(/\s+/).length > 1;

/**
 * Children of this process that are in containers but unknown: liblxc started them and then failed.
 *
 * @param known - pids of those that are accounted for
 */
export const strayCommands = (known: { has(pid: number): boolean }): number[] =>
  readdirSync('/proc/self/task')
    .flatMap(childrenOf)
    .filter((pid) => !known.has(pid) && isInside(pid));
