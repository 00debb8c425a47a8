/** Commands in containers, on the side of the attach server, which is their parent. */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import process from 'node:process';
import type { AttachRequest, Numbered, ServerReply } from './attach-protocol.ts';
import { gateFd, type LauncherSteps, launcher } from './launcher.ts';
import { type AttachOptions, loadLiblxc } from './liblxc.ts';
import { strayCommands } from './stray-commands.ts';
import { duplicateTo, fcntl, makePipe, memfdCreate, waitPid } from './syscalls.ts';

const { O_NOCTTY, O_RDONLY, O_RDWR, O_WRONLY } = constants;
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
/** F_SEAL_SEAL, _SHRINK, _GROW and _WRITE: nobody can change the program, wherever it runs. */
const ALL_SEALS = 0xf;
const ATTEMPTS = 20;

const launchers = new Map<string, string>();

/** A launcher, under a path that is good inside a container until it is executed. */
const launcherPath = (steps: LauncherSteps): string => {
  const key = JSON.stringify(steps);
  const known = launchers.get(key);
  if (known !== undefined) return known;
  const program = launcher(process.arch, steps);
  if (!program) throw new Error(`Terminals and interception are not supported on ${process.arch}`);
  const fd = memfdCreate('lxc-launcher', MFD_CLOEXEC | MFD_ALLOW_SEALING);
  writeSync(fd, program);
  fcntl(fd, F_ADD_SEALS, ALL_SEALS);
  const path = `/proc/self/fd/${fd}`;
  launchers.set(key, path);
  return path;
};

/** One after the other. */
const queue = () => {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(action: () => Promise<T>): Promise<T> => {
    const result = last.then(action);
    last = result.catch(() => undefined);
    return result;
  };
};

export interface CommandRunner {
  start(request: Numbered<AttachRequest>): Promise<void>;
  /** Sends a signal to the command of a request; one that has ended is no error. */
  signal(request: number, signal: number): void;
}

/**
 * @param driver - pid of the process whose descriptors the requests name
 * @param gated - holds each command until it is certain that liblxc has finished; see `attachGated`
 */
export const commandRunner = ({
  driver,
  gated,
  reply,
}: {
  readonly driver: number;
  readonly gated: boolean;
  readonly reply: (message: Numbered<ServerReply>) => void;
}): CommandRunner => {
  const attach = loadLiblxc();
  const inTurn = queue();
  /** Running commands: pid to the request, or to nothing for those nobody waits for. */
  const running = new Map<number, number | undefined>();

  /** Opens the driver's side of a pipe or terminal anew, so that its flags are its own. */
  const openStream = (fd: number, access: number): number => openSync(`/proc/${driver}/fd/${fd}`, access | O_NOCTTY);

  /** Collects commands that have ended. */
  const reap = (): void => {
    for (const [pid, id] of running) {
      const status = waitPid(pid);
      if (status === undefined) continue;
      running.delete(pid);
      if (id !== undefined) reply({ type: 'exited', id, status });
    }
  };

  /**
   * Enters a container whose system calls are intercepted. In liblxc 5.0 the process that is to become the command and its
   * helper report over one socket, and when the first is faster the attempt fails, though the process goes on. So it is
   * held at a gate: opened once all is well, closed for good otherwise, and then the next attempt is made.
   */
  const attachGated = async ({ lxcPath, name }: AttachRequest, options: AttachOptions): Promise<number> => {
    for (let attempt = 1; ; attempt++) {
      const gate = makePipe();
      try {
        duplicateTo(gate.reading, gateFd);
        const pid = await attach(lxcPath, name, options);
        writeSync(gate.writing, 'x');
        return pid;
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
      } finally {
        for (const fd of [gate.reading, gate.writing, gateFd]) closeSync(fd);
      }
      for (const pid of strayCommands(running)) running.set(pid, undefined);
      reap();
    }
  };

  const run = async (request: Numbered<AttachRequest>, open: (fd: number, access: number) => number): Promise<void> => {
    const { id, lxcPath, name, configFile, cwd, uid, gid, environment, command, streams, terminal, program } = request;
    const both = terminal ? open(streams[0], O_RDWR) : undefined;
    const options = {
      cwd,
      uid,
      gid,
      environment,
      stdin: both ?? open(streams[0], O_RDONLY),
      stdout: both ?? open(streams[1], O_WRONLY),
      stderr: both ?? open(streams[2], O_WRONLY),
      program: program === undefined ? (command[0] ?? '') : launcherPath({ gate: gated, terminal }),
      argv: program === undefined ? command : [program, ...command],
      ...(configFile === undefined ? {} : { configFile }),
    };
    const pid = await (gated ? inTurn(() => attachGated(request, options)) : attach(lxcPath, name, options));
    running.set(pid, id);
    reply({ type: 'started', id, pid });
    // It may have ended before it was known.
    reap();
  };

  process.on('SIGCHLD', reap);
  return {
    start: async (request) => {
      const opened: number[] = [];
      try {
        await run(request, (fd, access) => {
          const own = openStream(fd, access);
          opened.push(own);
          return own;
        });
      } finally {
        for (const fd of opened) closeSync(fd);
      }
    },
    signal: (request, signal) => {
      for (const [pid, id] of running) {
        // Not yet waited for, so the pid is still the command's.
        if (id === request) process.kill(pid, signal);
      }
    },
  };
};
