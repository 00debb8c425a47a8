/**
 * Every test run has a name, and every process that it starts carries that name in its environment: so a later run can
 * tell what an aborted one left, and the leak check whose processes are still there.
 */
import { readdirSync, readFileSync } from 'node:fs';

const variable = 'LXD_TS_TEST_RUN';

const read = (pid: number, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return ''; // it ended meanwhile
  }
};

/** Fields 3 (state), 4 (parent) … of /proc/PID/stat (proc(5)); the name before them may hold spaces. */
const statOf = (pid: number): string[] => read(pid, 'stat').split(') ').at(-1)?.split(' ') ?? [];

/** Ticks after boot at which a process started; with its pid this names it for good. Empty when it is gone. */
const startOf = (pid: number): string => statOf(pid)[19] ?? '';

/** Names this process, for `isAlive`. */
export const processName = (): string => `${process.pid}-${startOf(process.pid)}`;

/** The name of the run that this process belongs to; names and marks a new run where there is none. */
export const currentRun = (): string => {
  process.env[variable] ??= processName();
  return process.env[variable];
};

/** Whether the process that began a run, or any other named by `processName`, is still there. */
export const isAlive = (run: string): boolean => {
  const [pid, start] = run.split('-');
  return start !== undefined && start !== '' && startOf(Number(pid)) === start;
};

/** The command line of a process, for people; empty when it is gone. */
export const commandLine = (pid: number): string => read(pid, 'cmdline').replaceAll('\0', ' ').trim();

/** The environment a process was started with, as NAME=value. */
export const environmentOf = (pid: number): string[] => read(pid, 'environ').split('\0');

/** All process ids. */
export const pids = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

const ancestors = (): Set<number> => {
  const found = new Set<number>();
  for (let pid = process.pid; pid > 1; pid = Number(statOf(pid)[1] ?? 0)) found.add(pid);
  return found;
};

/** Processes that carry a run's mark, apart from this one and those above it. */
export const strangers = (run: string): number[] => {
  const own = ancestors();
  return pids().filter((pid) => !own.has(pid) && environmentOf(pid).includes(`${variable}=${run}`));
};

/** The runs that marked processes belong to and whose first process is gone. */
export const abandonedRuns = (): string[] => {
  const runs = pids().flatMap((pid) =>
    environmentOf(pid)
      .filter((entry) => entry.startsWith(`${variable}=`))
      .map((entry) => entry.slice(variable.length + 1)),
  );
  return [...new Set(runs)].filter((run) => !isAlive(run));
};
