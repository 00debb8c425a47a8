import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { badRequest, type ExecRequest, type ExecSession, type Machine, type Work } from '@lxd-ts/driver-kit';
import { toHostId } from '@lxd-ts/host';
import { attachCommand } from './attach-client.ts';
import type { AttachRequest, ServerKind } from './attach-protocol.ts';
import type { Place } from './place.ts';
import { findProgram } from './program.ts';
import { serverKind } from './server-kind.ts';
import { makePipe } from './syscalls.ts';
import { openTerminal, resizeTerminal, terminalStreams } from './terminal.ts';

const SIGHUP = 1;
const SIGKILL = 9;

const closeAll = (fds: readonly number[]): void => {
  for (const fd of fds) closeSync(fd);
};

/** Kills the command when the work is cancelled; a second time when that was before it had started. */
const killOnAbort = (session: ExecSession, { signal }: Work): ExecSession => {
  const kill = () => session.signal(SIGKILL);
  if (signal?.aborted) kill();
  signal?.addEventListener('abort', kill, { once: true });
  const forget = () => signal?.removeEventListener('abort', kill);
  session.exit.then(forget, forget);
  return session;
};

const withPipes = async (kind: ServerKind, request: Omit<AttachRequest, 'type' | 'streams'>): Promise<ExecSession> => {
  const [stdin, stdout, stderr] = [makePipe(), makePipe(), makePipe()];
  const theirs = [stdin.reading, stdout.writing, stderr.writing] as const;
  const ours = [stdin.writing, stdout.reading, stderr.reading];
  try {
    const { pid, signal, exit } = await attachCommand(kind, { ...request, streams: theirs });
    const [input, output, errors] = [
      new Socket({ fd: stdin.writing, readable: false, writable: true }),
      new Socket({ fd: stdout.reading, readable: true, writable: false }),
      new Socket({ fd: stderr.reading, readable: true, writable: false }),
    ];
    return { stdin: input, stdout: output, stderr: errors, pid, signal, resize: () => undefined, exit };
  } catch (error) {
    closeAll(ours);
    throw error;
  } finally {
    closeAll(theirs);
  }
};

const onTerminal = async (
  kind: ServerKind,
  initPid: number,
  owner: number,
  size: { readonly width: number; readonly height: number },
  request: Omit<AttachRequest, 'type' | 'streams'>,
): Promise<ExecSession> => {
  const { master, slave } = openTerminal(initPid, owner, size);
  try {
    const { pid, signal, exit } = await attachCommand(kind, { ...request, streams: [slave, slave, slave] });
    const { input, output } = terminalStreams(master);
    // The kernel hangs up on whoever has the terminal, but the command may not have taken it yet.
    input.once('close', (failed: boolean) => {
      if (!failed) signal(SIGHUP);
    });
    const resize = (width: number, height: number) => {
      if (!input.destroyed) resizeTerminal(master, { width, height });
    };
    return { stdin: input, stdout: output, pid, signal, resize, exit };
  } catch (error) {
    closeSync(master);
    throw error;
  } finally {
    closeSync(slave);
  }
};

/**
 * Runs a command in a container.
 *
 * @param initPid - of the container, on the host
 * @throws LxdError bad-request for ids the container does not have; internal when it cannot be entered
 */
export const execInContainer = async (
  machine: Machine,
  place: Place,
  initPid: number,
  request: ExecRequest,
  work: Work = {},
): Promise<ExecSession> => {
  work.signal?.throwIfAborted();
  const { command, environment, cwd, uid, gid, terminal } = request;
  const owner = machine.idmap ? toHostId(machine.idmap, 'uid', uid) : uid;
  if (owner === undefined) throw badRequest(`Instance "${machine.name}" has no user id ${uid}`);
  if (machine.idmap && toHostId(machine.idmap, 'gid', gid) === undefined) {
    throw badRequest(`Instance "${machine.name}" has no group id ${gid}`);
  }
  const kind = serverKind(machine);
  const attached = {
    lxcPath: place.lxcPath,
    name: place.name,
    cwd,
    uid,
    gid,
    environment: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    command,
    terminal: terminal !== undefined,
    ...(terminal || kind.intercepting ? { program: findProgram(initPid, command[0], environment.PATH) } : {}),
    ...(kind.nativeOnly ? { configFile: place.config } : {}),
  };
  const session = terminal
    ? await onTerminal(kind, initPid, owner, terminal, attached)
    : await withPipes(kind, attached);
  return killOnAbort(session, work);
};
