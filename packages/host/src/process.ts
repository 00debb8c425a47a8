/** What /proc tells about processes, read as files (proc(5)). */
import { readFileSync, readlinkSync } from 'node:fs';
import { isErrno } from './errno.ts';
import { openRoot, type Root } from './safe-path.ts';

export type NamespaceKind = 'cgroup' | 'ipc' | 'mnt' | 'net' | 'pid' | 'time' | 'user' | 'uts';

// sysconf(_SC_CLK_TCK), which is 100 on every Linux architecture for programs.
const TICKS_PER_SECOND = 100;

function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch (error) {
    // ESRCH: the process ended after the file was opened.
    if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}

/** From /proc/<pid>/stat: the state letter, the parent, and the start in clock ticks (1/100 s) after boot. */
export interface ProcessStat {
  name: string;
  state: string;
  parent: number;
  startTicks: number;
}

/** Undefined when there is no such process. */
export function processStat(pid: number): ProcessStat | undefined {
  const text = readProc(`${pid}/stat`);
  if (text === undefined) return undefined;
  // The name stands in parentheses and can contain any character.
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  return {
    name: text.slice(text.indexOf('(') + 1, end),
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    startTicks: Number(fields[19]),
  };
}

/**
 * Says whether a process still runs, and not another that has got its number since.
 * @param startTicks as `processStat` gave it when the process was known
 */
export function isSameProcess(pid: number, startTicks: number): boolean {
  const stat = processStat(pid);
  return stat !== undefined && stat.startTicks === startTicks && stat.state !== 'Z' && stat.state !== 'X';
}

/** The time a process was started; undefined when there is no such process. */
export function processStartTime(pid: number): Date | undefined {
  const stat = processStat(pid);
  return stat && new Date(bootTime().getTime() + (stat.startTicks * 1000) / TICKS_PER_SECOND);
}

/** The fields of /proc/<pid>/status by name (`NSpid`, `CapEff`, `Threads`, …); undefined when there is no such process. */
export function processStatus(pid: number | 'self'): Map<string, string> | undefined {
  const text = readProc(`${pid}/status`);
  return text === undefined ? undefined : parseFields(text);
}

/** Parses lines of `Name: value`, as /proc has them in several places. */
export function parseFields(text: string): Map<string, string> {
  return new Map(
    text
      .split('\n')
      .filter((line) => line.includes(':'))
      .map((line): [string, string] => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
      }),
  );
}

/** The arguments a process was started with; empty for a kernel thread, undefined when there is no such process. */
export function processArguments(pid: number): string[] | undefined {
  return readProc(`${pid}/cmdline`)?.split('\0').slice(0, -1);
}

/** The number that identifies a namespace; equal numbers mean the same one. Undefined when there is no such process. */
export function namespaceId(pid: number | 'self', kind: NamespaceKind): number | undefined {
  try {
    return Number(/\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/${kind}`))?.[1]);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}

/** The processes that a process started and that still run. */
export function childProcesses(pid: number): number[] {
  const text = readProc(`${pid}/task/${pid}/children`) ?? '';
  return text.split(' ').filter(Boolean).map(Number);
}

/**
 * The file system as a process sees it, with its mounts. Nothing reached through it lies outside of it.
 * Dispose of it soon: it keeps the mounts from being let go.
 * @throws ENOENT when there is no such process
 */
export function openProcessRoot(pid: number): Root {
  return openRoot(`/proc/${pid}/root`);
}

/** Seconds since this system was started. */
export function uptime(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
}

/** The time this system was started. */
export function bootTime(): Date {
  const seconds = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1];
  return new Date(Number(seconds) * 1000);
}
