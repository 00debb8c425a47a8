import { readFileSync } from 'node:fs';

/** USER_HZ of proc(5): 100 on every architecture Linux runs containers on. */
const TICKS_PER_SECOND = 100;

/** A process told apart from a later one with the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks since boot, field 22 of /proc/<pid>/stat. */
  readonly startTicks: number;
}

const statFields = (pid: number): string[] | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name in parentheses, which may hold anything.
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch (error) {
    // ESRCH: it ended between open and read.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
      return undefined;
    throw error;
  }
};

/** Identifies a running process. @returns undefined when there is none, or only its zombie */
export const identify = (pid: number): ProcessIdentity | undefined => {
  const fields = statFields(pid);
  if (!fields || fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return { pid, startTicks: Number(fields[19]) };
};

/** Whether that process still runs. */
export const isAlive = ({ pid, startTicks }: ProcessIdentity): boolean => identify(pid)?.startTicks === startTicks;

/** Pid of the parent, for a running process. */
export const parentOf = (pid: number): number | undefined => {
  const parent = statFields(pid)?.[1];
  return parent === undefined ? undefined : Number(parent);
};

/** When the process started, in milliseconds since the epoch. */
export const startedAt = ({ startTicks }: ProcessIdentity): number => {
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  return Math.round(Date.now() - (uptime - startTicks / TICKS_PER_SECOND) * 1000);
};

/** Sends a signal by number, unless the process is gone. @returns whether it was sent */
export const signalProcess = (process_: ProcessIdentity, signal: number | NodeJS.Signals): boolean => {
  if (!isAlive(process_)) return false;
  try {
    process.kill(process_.pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
};
