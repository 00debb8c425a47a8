import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { internal } from '@lxd-ts/driver-kit';
import type { AttachRequest, ServerReply, ServerRequest } from './attach-protocol.ts';

/** A command that the attach server started. */
export interface AttachedCommand {
  /** On the host. */
  readonly pid: number;
  signal(number: number): void;
  /** The status as a shell gives it. Rejects when the attach server died before the command. */
  readonly exit: Promise<number>;
}

interface Pending {
  started(pid: number): void;
  exited(status: number): void;
  failed(error: Error): void;
}

interface Server {
  readonly child: ChildProcess;
  readonly pending: Map<number, Pending>;
}

/** Commands that may be on their way into containers at one time. */
const THREADS = '16';

let server: Server | undefined;
let lastId = 0;

const serverFile = (): string => {
  const name = import.meta.url.endsWith('.ts') ? './attach-server.ts' : './attach-server.js';
  return fileURLToPath(new URL(name, import.meta.url));
};

const startServer = (): Server => {
  const child = fork(serverFile(), {
    cwd: '/',
    // Not ended by a Ctrl-C that was meant for the driver's process.
    detached: true,
    env: { PATH: process.env.PATH, UV_THREADPOOL_SIZE: THREADS },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const pending = new Map<number, Pending>();
  const fail = (error: Error) => {
    if (server?.child === child) server = undefined;
    for (const one of pending.values()) one.failed(error);
    pending.clear();
  };
  child.on('error', (error) => fail(internal(`The attach server failed: ${error.message}`, { cause: error })));
  child.on('exit', (code, signal) => fail(internal(`The attach server ended (${signal ?? `exit status ${code}`})`)));
  child.on('message', (message: ServerReply) => {
    const one = pending.get(message.id);
    if (message.type === 'started') {
      one?.started(message.pid);
      return;
    }
    pending.delete(message.id);
    if (pending.size === 0) rest(child);
    if (message.type === 'exited') one?.exited(message.status);
    else one?.failed(internal(message.message));
  });
  rest(child);
  return { child, pending };
};

/** With nothing under way the server keeps no event loop alive. */
const rest = (child: ChildProcess): void => {
  child.unref();
  child.channel?.unref();
};

const work = (child: ChildProcess): void => {
  child.ref();
  child.channel?.ref();
};

/** Starts the attach server ahead of its first use, which it would delay by the start of a Node process. */
export const warmAttachServer = (): void => {
  server ??= startServer();
};

/**
 * Starts a command in a container.
 *
 * @throws LxdError internal when the container cannot be entered
 */
export const attachCommand = async (request: Omit<AttachRequest, 'type' | 'id'>): Promise<AttachedCommand> => {
  server ??= startServer();
  const { child, pending } = server;
  const id = ++lastId;
  const send = (message: ServerRequest) => child.send(message);
  const exit = Promise.withResolvers<number>();
  // Whoever waits for the exit hears of a failure; nobody has to.
  exit.promise.catch(() => undefined);
  const pid = await new Promise<number>((started, reject) => {
    pending.set(id, {
      started,
      exited: exit.resolve,
      failed: (error) => {
        reject(error);
        exit.reject(error);
      },
    });
    work(child);
    send({ type: 'attach', id, ...request });
  });
  return {
    pid,
    signal: (number) => {
      if (pending.has(id)) send({ type: 'signal', id, signal: number });
    },
    exit: exit.promise,
  };
};
