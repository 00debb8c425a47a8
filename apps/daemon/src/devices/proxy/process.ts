/** The forwarder as a process of its own: it serves on while the daemon is away, and is found again. */
import { spawn } from 'node:child_process';
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { badRequest, internal } from '@lxd-ts/driver-kit';
import { isErrno, isSameProcess, openProcess, type ProcessHandle } from '@lxd-ts/host';
import { z } from 'zod';
import type { Job } from './job.ts';

/** What belongs to the forwarder of a device. */
export interface ForwarderFiles {
  /** The instance's device directory. */
  readonly directory: string;
  /** The instance's log directory. */
  readonly logs: string;
  readonly device: string;
}

const jobFile = ({ directory, device }: ForwarderFiles): string => join(directory, `proxy.${device}.json`);
const pidFile = ({ directory, device }: ForwarderFiles): string => join(directory, `proxy.${device}.pid`);

/** The daemon's program, of which the forwarder is a subcommand: as source, or built into one directory. */
const fromSource = import.meta.url.endsWith('.ts');
const program = fileURLToPath(new URL(fromSource ? '../../main.ts' : './main.js', import.meta.url));

/** How long a forwarder may take to end before it is killed, in ms. */
const patience = 2000;

const identity = z.object({ pid: z.int().positive(), startTicks: z.int() });

/** The forwarder that runs for a device; undefined when none does. */
const find = async (files: ForwarderFiles): Promise<ProcessHandle | undefined> => {
  let content: string;
  try {
    content = await readFile(pidFile(files), 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  const { pid, startTicks } = identity.parse(JSON.parse(content));
  const process = openProcess(pid);
  // Checked with the handle in hand: the number cannot change its meaning any more.
  if (process && isSameProcess(pid, startTicks)) return process;
  process?.[Symbol.dispose]();
  return undefined;
};

export const forwarderRuns = async (files: ForwarderFiles): Promise<boolean> => {
  using found = await find(files);
  return found !== undefined;
};

/**
 * Starts a forwarder and returns when it listens. One that a crash left of this device is ended first.
 *
 * @throws LxdError bad-request with what kept it from listening
 */
export const startForwarder = async (files: ForwarderFiles, job: Omit<Job, 'pidFile'>): Promise<void> => {
  await stopForwarder(files);
  await Promise.all([mkdir(files.directory, { recursive: true }), mkdir(files.logs, { recursive: true })]);
  await writeFile(jobFile(files), JSON.stringify({ ...job, pidFile: pidFile(files) } satisfies Job), { mode: 0o600 });
  await using log = await open(join(files.logs, `proxy.${files.device}.log`), 'a', 0o600);
  const child = spawn(
    process.execPath,
    [
      // Traffic makes much short-lived garbage: a small young generation keeps the process small.
      '--max-semi-space-size=1',
      ...(fromSource ? ['--conditions=lxd-ts-source', '--disable-warning=ExperimentalWarning'] : []),
      program,
      'forkproxy',
      jobFile(files),
    ],
    { cwd: '/', detached: true, env: { PATH: process.env['PATH'] }, stdio: ['ignore', 'ignore', log.fd, 'pipe'] },
  );
  const failed = new Promise<never>((_resolve, reject) => child.once('error', reject));
  const [, , , answer] = child.stdio;
  if (!answer || !('read' in answer)) throw internal('The forwarder cannot be heard');
  const said = await Promise.race([text(answer), failed]);
  child.unref();
  if (said === 'ready') return;
  await stopForwarder(files);
  throw badRequest(`Error occurred when starting proxy device: ${said || 'the forwarder ended unexpectedly'}`);
};

/** Ends a device's forwarder, if one runs, and removes what belongs to it. */
export const stopForwarder = async (files: ForwarderFiles): Promise<void> => {
  using found = await find(files);
  if (found?.kill('SIGTERM')) {
    try {
      await found.exited(AbortSignal.timeout(patience));
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      found.kill('SIGKILL');
      await found.exited();
    }
  }
  await Promise.all([rm(pidFile(files), { force: true }), rm(jobFile(files), { force: true })]);
};

/**
 * Ends forwarders of an instance that belong to none of its devices: a crash came while one was being added.
 *
 * @param known - names of its devices
 */
export const stopStrangers = async (
  { directory, logs }: Omit<ForwarderFiles, 'device'>,
  known: ReadonlySet<string>,
): Promise<void> => {
  for (const name of await readdir(directory)) {
    const device = /^proxy\.(.+)\.pid$/.exec(name)?.[1];
    if (device !== undefined && !known.has(device)) await stopForwarder({ directory, logs, device });
  }
};
