import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { internal } from '@lxd-ts/driver-kit';
import type {
  AttachRequest,
  InterceptRequest,
  Numbered,
  PlainRequest,
  RunRequest,
  ServerKind,
  ServerReply,
  ServerRequest,
} from './attach-protocol.ts';

/** A command that the attach server started. */
export interface AttachedCommand {
  /** On the host. */
  readonly pid: number;
  signal(number: number): void;
  /** The status as a shell gives it. Rejects when the attach server died before the command. */
  readonly exit: Promise<number>;
}

/** A request that waits for its answers. */
interface Pending {
  /** @returns whether that was the last answer */
  answer(reply: ServerReply): boolean;
  fail(error: Error): void;
}

interface Server {
  readonly child: ChildProcess;
  readonly pending: Map<number, Pending>;
}

/** Commands that may be on their way into containers at one time. */
const THREADS = '16';

const plain: ServerKind = { nativeOnly: false, intercepting: false };
const argumentOf = (kind: ServerKind): string => JSON.stringify(kind);

/** One server of each kind that is needed. */
const servers = new Map<string, Server>();
/** What a new server is told first, by the path of the socket: containers cannot do without. */
const standing = new Map<string, { readonly kind: ServerKind; readonly request: InterceptRequest }>();

const standingFor = (kind: ServerKind): InterceptRequest[] =>
  [...standing.values()].filter((one) => argumentOf(one.kind) === argumentOf(kind)).map(({ request }) => request);
let lastId = 0;

/** The server's program: beside this one, as source or built. */
const fromSource = import.meta.url.endsWith('.ts');
const serverFile = fileURLToPath(new URL(`./attach-server.${fromSource ? 'ts' : 'js'}`, import.meta.url));

/** With nothing under way the server keeps no event loop alive. */
const rest = (child: ChildProcess): void => {
  child.unref();
  child.channel?.unref();
};

const keepAlive = (child: ChildProcess): void => {
  child.ref();
  child.channel?.ref();
};

const startServer = (kind: ServerKind): Server => {
  const child = fork(serverFile, [argumentOf(kind)], {
    cwd: '/',
    execArgv: fromSource ? ['--conditions=lxd-ts-source'] : [],
    // Not ended by a Ctrl-C that was meant for the driver's process.
    detached: true,
    env: { PATH: process.env.PATH, UV_THREADPOOL_SIZE: THREADS },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const pending = new Map<number, Pending>();
  const fail = (error: Error) => {
    if (servers.get(argumentOf(kind))?.child === child) servers.delete(argumentOf(kind));
    for (const one of pending.values()) one.fail(error);
    pending.clear();
    if (standingFor(kind).length > 0) serverOf(kind);
  };
  child.on('error', (error) => fail(internal(`The attach server failed: ${error.message}`, { cause: error })));
  child.on('exit', (code, signal) => fail(internal(`The attach server ended (${signal ?? `exit status ${code}`})`)));
  child.on('message', (reply: Numbered<ServerReply>) => {
    if (!pending.get(reply.id)?.answer(reply)) return;
    pending.delete(reply.id);
    if (pending.size === 0) rest(child);
  });
  rest(child);
  for (const request of standingFor(kind)) child.send({ id: ++lastId, ...request });
  return { child, pending };
};

const serverOf = (kind: ServerKind): Server => {
  const server = servers.get(argumentOf(kind)) ?? startServer(kind);
  servers.set(argumentOf(kind), server);
  return server;
};

/** Starts the attach server ahead of its first use, which it would delay by the start of a Node process. */
export const warmAttachServer = (kind: ServerKind): void => {
  serverOf(kind);
};

const send = (
  kind: ServerKind,
  request: ServerRequest,
  waiting?: Pending,
): { id: number; isPending: () => boolean } => {
  const { child, pending } = serverOf(kind);
  const id = ++lastId;
  if (waiting) {
    pending.set(id, waiting);
    keepAlive(child);
  }
  child.send({ id, ...request });
  return { id, isPending: () => pending.has(id) };
};

/**
 * Starts a command in a container.
 *
 * @throws LxdError internal when the container cannot be entered
 */
export const attachCommand = async (
  kind: ServerKind,
  request: Omit<AttachRequest, 'type'>,
): Promise<AttachedCommand> => {
  const started = Promise.withResolvers<number>();
  const exit = Promise.withResolvers<number>();
  // Whoever waits for the exit hears of a failure; nobody has to.
  exit.promise.catch(() => undefined);
  const fail = (error: Error) => {
    started.reject(error);
    exit.reject(error);
  };
  const { id, isPending } = send(
    kind,
    { type: 'attach', ...request },
    {
      answer: (reply) => {
        if (reply.type === 'started') started.resolve(reply.pid);
        if (reply.type === 'exited') exit.resolve(reply.status);
        if (reply.type === 'failed') fail(internal(reply.message));
        return reply.type !== 'started';
      },
      fail,
    },
  );
  const pid = await started.promise;
  return {
    pid,
    signal: (number) => {
      if (isPending()) send(kind, { type: 'signal', command: id, signal: number });
    },
    exit: exit.promise,
  };
};

const done = (kind: ServerKind, request: PlainRequest): Promise<void> =>
  new Promise((resolve, reject) => {
    send(kind, request, {
      answer: (reply) => {
        if (reply.type === 'failed') reject(internal(reply.message));
        else resolve();
        return true;
      },
      fail: reject,
    });
  });

/** Has the server do something. @throws LxdError internal with what went wrong */
export const requestDone = (request: PlainRequest): Promise<void> => done(plain, request);

/** Has system calls served until they are forgotten; a new server goes on with it should this one die. */
export const intercept = async (kind: ServerKind, request: InterceptRequest): Promise<void> => {
  await done(kind, request);
  standing.set(request.socket, { kind, request });
};

/** Ends that. */
export const forget = async (socket: string): Promise<void> => {
  const one = standing.get(socket);
  if (!one) return;
  standing.delete(socket);
  await done(one.kind, { type: 'forget', socket });
};

/** Runs a program that may not use the 32-bit interfaces of the kernel, nor may what it starts. @throws LxdError internal */
export const runNativeOnly = (argv: RunRequest['argv']): Promise<void> =>
  done({ ...plain, nativeOnly: true }, { type: 'run', argv });
