/** One LXD, ours or the real one, with a folder and namespaces of its own: started, killed, driven and removed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeScratch, type Scratch } from '@lxd-ts/tooling/scratch';
import { z } from 'zod';
import { makeNamespace, type Namespace } from './namespace.ts';
import { type CommandOptions, type Output, output, succeed } from './output.ts';
import { patience } from './patience.ts';
import { call, type RequestOptions } from './rest.ts';

/** Which programs to use. */
export interface Programs {
  readonly name: string;
  /** The daemon's program; `lxd`'s arguments follow. */
  readonly lxd: readonly string[];
  /** The client's program; `lxc`'s arguments follow. */
  readonly lxc: readonly string[];
}

export interface Lxd extends AsyncDisposable {
  readonly name: string;
  /** LXD_DIR. */
  readonly folder: string;
  readonly socket: string;
  readonly scratch: Scratch;
  readonly namespace: Namespace;
  /** The daemon's process id; 0 while it is down. */
  readonly pid: () => number;
  /** What the daemon wrote so far. */
  readonly log: () => string;
  /** Starts the daemon and waits until it serves requests; no more than `timeout` milliseconds (30 s). */
  readonly start: (timeout?: number) => Promise<void>;
  /** Stops the daemon; instances run on. */
  readonly stop: () => Promise<void>;
  /** Kills the daemon where it stands; instances run on. */
  readonly kill: () => Promise<void>;
  /** Runs `lxc` against it. `client` names another client program. */
  readonly lxc: (args: readonly string[], options?: CommandOptions & { client?: readonly string[] }) => Promise<Output>;
  /** Runs `lxd` with a subcommand against it; fails when that does. */
  readonly admin: (args: readonly string[], options?: CommandOptions) => Promise<string>;
  /** Sends a request to the API and hands back the answer's metadata, after the operation where it begins one. */
  readonly api: (method: string, path: string, body?: unknown, options?: RequestOptions) => Promise<unknown>;
  /** The environment that points a client at it. */
  readonly environment: NodeJS.ProcessEnv;
}

const instances = z.array(z.looseObject({ name: z.string(), project: z.string(), status: z.string() }));

/**
 * Starts an LXD. Disposing of it stops its instances and removes everything that it made.
 *
 * @param neighbour - an LXD whose network this one shall share, to be disposed of after it
 */
export const startLxd = async (programs: Programs, neighbour?: Lxd): Promise<Lxd> => {
  const scratch = makeScratch();
  const namespace = neighbour?.namespace ?? (await makeNamespace(scratch));
  const folder = join(scratch.folder, 'lxd');
  const config = join(scratch.folder, 'client');
  const logFile = join(scratch.folder, 'lxd.log');
  const socket = join(folder, 'unix.socket');
  mkdirSync(folder, { mode: 0o711 });
  mkdirSync(config);
  const environment: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOME: scratch.folder,
    LANG: 'C.UTF-8',
    LXD_DIR: folder,
    LXD_CONF: config,
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('LXD_TS_'))),
  };
  let child: ChildProcess | undefined;
  let closed: Promise<unknown> = Promise.resolve();

  const log = () => readFileSync(logFile, 'utf8');
  const api: Lxd['api'] = (method, path, body, options) => call(socket, method, path, body, options);

  const end = async (signal: NodeJS.Signals) => {
    child?.kill(signal);
    await closed;
    child = undefined;
  };

  const start = async (timeout = 30_000 * patience) => {
    const sink = openSync(logFile, 'a');
    const [program = '', ...args] = namespace.inside([...programs.lxd]);
    const started = spawn(program, args, { env: environment, stdio: ['ignore', sink, sink], detached: true });
    child = started;
    closed = once(started, 'close');
    const seconds = String(Math.ceil(timeout / 1000));
    const ready = output([...programs.lxd, 'waitready', `--timeout=${seconds}`], { env: environment, timeout });
    const first = await Promise.race([ready, closed.then(() => undefined)]);
    if (first?.code === 0 && started.exitCode === null) return;
    const what = first ? `is not ready after ${seconds} s` : 'ended at once';
    await end('SIGKILL');
    throw new Error(`${programs.name} ${what}:\n${log()}`);
  };

  const stopInstances = async () => {
    const all = instances.parse(await api('GET', '/1.0/instances?recursion=1&all-projects=true'));
    const running = all.filter((one) => one.status !== 'Stopped');
    await Promise.all(
      running.map((one) =>
        api('PUT', `/1.0/instances/${one.name}/state?project=${one.project}`, { action: 'stop', force: true }),
      ),
    );
  };

  const lxd: Lxd = {
    name: programs.name,
    folder,
    socket,
    scratch,
    namespace,
    environment,
    pid: () => child?.pid ?? 0,
    log,
    api,
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    lxc: (args, { client = programs.lxc, ...options } = {}) =>
      output(namespace.inside([...client, ...args]), { env: environment, ...options }),
    admin: (args, options) => succeed(namespace.inside([...programs.lxd, ...args]), { env: environment, ...options }),
    [Symbol.asyncDispose]: async () => {
      try {
        if (child) await stopInstances();
      } finally {
        await end('SIGTERM');
        if (!neighbour) await namespace[Symbol.asyncDispose]();
        await scratch[Symbol.asyncDispose]();
      }
    },
  };
  try {
    await start();
  } catch (error) {
    await lxd[Symbol.asyncDispose]();
    throw error;
  }
  return lxd;
};
