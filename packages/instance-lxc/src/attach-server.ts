/**
 * The attach server: a small process beside the daemon that enters containers through liblxc. It exists since liblxc forks its
 * caller, which must not be a process with much memory and secrets in it, and since a container can hold up whoever enters it.
 *
 * It is started with its kind as argument and its channel to the driver, and ends with that. The messages are those of
 * attach-protocol.ts.
 */
import process from 'node:process';
import { cgroupAt, run } from '@lxd-ts/host';
import { commandRunner } from './attach-commands.ts';
import type {
  InterceptRequest,
  Numbered,
  PlainRequest,
  ServerKind,
  ServerReply,
  ServerRequest,
} from './attach-protocol.ts';
import { denyCompatCalls } from './compat-filter.ts';
import { hotMount, hotUnmount } from './hot-mount.ts';
import { type Listener, listenForCalls } from './interception/listener.ts';
import { runUnfiltered } from './interception/run-inside.ts';
import { closeRange } from './syscalls.ts';

const CLOSE_RANGE_CLOEXEC = 4;

const { nativeOnly, intercepting }: ServerKind = JSON.parse(process.argv[2] ?? '{}');

const reply = (message: Numbered<ServerReply>): void => {
  process.send?.(message);
};

// Before any other thread or process is started, so that all inherit it.
if (nativeOnly) denyCompatCalls();
// A command gets its three streams and nothing that this process may have inherited.
closeRange(3, 0xffff_ffff, CLOSE_RANGE_CLOEXEC);

const commands = commandRunner({ driver: process.ppid, gated: intercepting, reply });

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
  if (request.type === 'signal') commands.signal(request.command, request.signal);
  else if (request.type === 'attach') await commands.start(request);
  else await serve(request);
};

process.on('disconnect', () => process.exit());
process.on('message', (request: Numbered<ServerRequest>) => {
  dispatch(request).catch((error: unknown) => {
    reply({ type: 'failed', id: request.id, message: error instanceof Error ? error.message : String(error) });
  });
});
