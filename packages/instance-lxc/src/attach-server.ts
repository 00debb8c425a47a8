/**
 * The attach server: a small process beside the daemon that enters containers through liblxc. It exists since liblxc forks its
 * caller, which must not be a process with much memory and secrets in it, and since a container can hold up whoever enters it.
 *
 * It is started with its channel to the driver and ends with that. The messages are those of attach-protocol.ts.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import process from 'node:process';
import { cgroupAt, run } from '@lxd-ts/host';
import {
  type AttachRequest,
  type InterceptRequest,
  type Numbered,
  nativeOnlyArgument,
  type PlainRequest,
  type ServerReply,
  type ServerRequest,
} from './attach-protocol.ts';
import { denyCompatCalls } from './compat-filter.ts';
import { hotMount, hotUnmount } from './hot-mount.ts';
import { type Listener, listenForCalls } from './interception/listener.ts';
import { runUnfiltered } from './interception/run-inside.ts';
import { loadLiblxc } from './liblxc.ts';
import { sessionLeader } from './session-leader.ts';
import { closeRange, fcntl, memfdCreate, waitPid } from './syscalls.ts';

const { O_NOCTTY, O_RDONLY, O_RDWR, O_WRONLY } = constants;
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const CLOSE_RANGE_CLOEXEC = 4;
const F_ADD_SEALS = 1033;
/** F_SEAL_SEAL, _SHRINK, _GROW and _WRITE: nobody can change the program, wherever it runs. */
const ALL_SEALS = 0xf;

const driver = process.ppid;
const attach = loadLiblxc();
/** Running commands: pid to the request's id. */
const running = new Map<number, number>();

const reply = (message: Numbered<ServerReply>): void => {
  process.send?.(message);
};

/** The program that takes a terminal, under a path that is good inside a container until it is executed. */
const makeLeader = (): string => {
  const program = sessionLeader(process.arch);
  if (!program) throw new Error(`Terminals are not supported on ${process.arch}`);
  const fd = memfdCreate('lxc-session', MFD_CLOEXEC | MFD_ALLOW_SEALING);
  writeSync(fd, program);
  fcntl(fd, F_ADD_SEALS, ALL_SEALS);
  return `/proc/self/fd/${fd}`;
};
let leader: string | undefined;

/** Opens the driver's side of a pipe or terminal anew, so that its flags are its own. */
const openStream = (fd: number, access: number): number => openSync(`/proc/${driver}/fd/${fd}`, access | O_NOCTTY);

/** Collects commands that have ended. */
const reap = (): void => {
  for (const [pid, id] of running) {
    const status = waitPid(pid);
    if (status === undefined) continue;
    running.delete(pid);
    reply({ type: 'exited', id, status });
  }
};

const start = async (request: Numbered<AttachRequest>): Promise<void> => {
  const { id, lxcPath, name, configFile, cwd, uid, gid, environment, command, streams, terminalProgram } = request;
  const opened: number[] = [];
  const open = (fd: number, access: number) => {
    const own = openStream(fd, access);
    opened.push(own);
    return own;
  };
  try {
    const terminal = terminalProgram === undefined ? undefined : open(streams[0], O_RDWR);
    if (terminal !== undefined) leader ??= makeLeader();
    const pid = await attach(lxcPath, name, {
      ...(configFile === undefined ? {} : { configFile }),
      cwd,
      uid,
      gid,
      environment,
      stdin: terminal ?? open(streams[0], O_RDONLY),
      stdout: terminal ?? open(streams[1], O_WRONLY),
      stderr: terminal ?? open(streams[2], O_WRONLY),
      program: (terminalProgram === undefined ? command[0] : leader) ?? '',
      argv: terminalProgram === undefined ? command : [terminalProgram, ...command],
    });
    running.set(pid, id);
    reply({ type: 'started', id, pid });
    // It may have ended before it was known.
    reap();
  } finally {
    for (const fd of opened) closeSync(fd);
  }
};

// A command gets its three streams and nothing that this process may have inherited.
closeRange(3, 0xffff_ffff, CLOSE_RANGE_CLOEXEC);

// Before any other thread or process is started, so that all inherit it.
if (process.argv[2] === nativeOnlyArgument) denyCompatCalls();

process.on('SIGCHLD', reap);
process.on('disconnect', () => process.exit());
const signal = (command: number, number: number): void => {
  for (const [pid, id] of running) {
    // Not yet waited for, so the pid is still the command's.
    if (id === command) process.kill(pid, number);
  }
};

/** Containers whose system calls are served, by the path of the socket. */
const listeners = new Map<string, Listener>();

const intercept = ({ socket, idmap, cgroup, mounts }: InterceptRequest): void => {
  const container = { idmap, cgroup: cgroupAt(cgroup), mounts, runInside: runUnfiltered };
  const listener = listeners.get(socket);
  if (listener) listener.container = container;
  else listeners.set(socket, listenForCalls(socket, container));
};

const forget = (socket: string): void => {
  listeners.get(socket)?.[Symbol.dispose]();
  listeners.delete(socket);
};

const serve = async (request: Numbered<PlainRequest>): Promise<void> => {
  if (request.type === 'run') await run(request.argv, { cwd: '/', stdout: 'ignore' });
  else if (request.type === 'mount') await hotMount(request.mount);
  else if (request.type === 'unmount') hotUnmount(request.initPid, request.target);
  else if (request.type === 'intercept') intercept(request);
  else forget(request.socket);
  reply({ type: 'done', id: request.id });
};

const dispatch = async (request: Numbered<ServerRequest>): Promise<void> => {
  if (request.type === 'signal') signal(request.command, request.signal);
  else if (request.type === 'attach') await start(request);
  else await serve(request);
};

process.on('message', (request: Numbered<ServerRequest>) => {
  dispatch(request).catch((error: unknown) => {
    reply({ type: 'failed', id: request.id, message: error instanceof Error ? error.message : String(error) });
  });
});
