/** Starts real daemons inside a test, each on a directory of its own. */
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Client, connect, OperationError } from '@lxd-ts/client';
import { makeScratch } from '@lxd-ts/tooling/scratch';
import { pino } from 'pino';
import { z } from 'zod';
import { directoriesOf } from '../core/directories.ts';
import { type Daemon, startDaemon } from '../daemon.ts';
import { createEvents, type Event } from '../events/bus.ts';

const ended = z.object({ status_code: z.number(), err: z.string(), metadata: z.unknown() });
const happened = z.object({
  action: z.string(),
  source: z.string(),
  context: z.record(z.string(), z.unknown()).optional(),
});

export interface TestDaemon extends AsyncDisposable {
  /** `LXD_DIR`. */
  readonly folder: string;
  /** A directory for the test's own files. */
  readonly scratch: string;
  readonly client: Client;
  /** Lifecycle events so far. */
  readonly lifecycle: () => readonly z.infer<typeof happened>[];
  /** Sends a request and waits for its operation. @returns the operation's metadata, or that of the answer */
  readonly run: (method: string, path: string, body?: object, headers?: Record<string, string>) => Promise<unknown>;
  /** Ends the daemon and starts it again on the same directory; `between` is called while it is down. */
  readonly restart: (between?: () => Promise<void>) => Promise<void>;
}

/** A TCP port of the loopback that nobody listens on now. */
export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

/** Starts a daemon with a `dir` pool named `default` that the default profile's root disk is on. */
export const startTestDaemon = async (): Promise<TestDaemon> => {
  const scratch = makeScratch();
  const folder = join(scratch.folder, 'lxd');
  const log = pino({ level: 'silent' });
  const events: Event[] = [];

  const start = (): Promise<Daemon> => {
    const bus = createEvents();
    bus.subscribe((event) => events.push(event), new Set(['lifecycle']));
    return startDaemon({ directories: directoriesOf(folder), log, events: bus, onShutdown: () => undefined });
  };

  let daemon: Daemon | undefined = await start();
  const client = connect({ kind: 'unix', socketPath: join(folder, 'unix.socket') });

  const run: TestDaemon['run'] = async (method, path, body, headers = {}) => {
    const envelope = await client.query(method, path, body, { headers });
    if (envelope.type !== 'async') return envelope.metadata;
    const { metadata } = await client.query('GET', `${envelope.operation}/wait`);
    const operation = ended.parse(metadata);
    if (operation.status_code !== 200) throw new OperationError(operation.err, operation.status_code);
    return operation.metadata;
  };

  const stop = async (): Promise<void> => {
    const running = daemon;
    daemon = undefined;
    await running?.stop();
  };

  await run('POST', '/1.0/storage-pools', { name: 'default', driver: 'dir' });
  await run('PUT', '/1.0/profiles/default', { devices: { root: { type: 'disk', path: '/', pool: 'default' } } });

  return {
    folder,
    scratch: scratch.folder,
    client,
    run,
    lifecycle: () => events.map(({ metadata }) => happened.parse(metadata)),
    async restart(between) {
      await stop();
      await between?.();
      daemon = await start();
    },
    async [Symbol.asyncDispose]() {
      client.close();
      try {
        const running = daemon;
        daemon = undefined;
        await running?.shutdown({ force: true });
      } finally {
        await scratch[Symbol.asyncDispose]();
      }
    },
  };
};
