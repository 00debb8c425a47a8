import { createReadStream } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { badRequest, forbidden, isTrue, isTrueOrUnset, LxdError, notFound } from '@lxd-ts/driver-kit';
import { peerCredentials } from '@lxd-ts/host';
import type { Logger } from 'pino';
import { z } from 'zod';
import { readBody } from '../http/request.ts';
import { describeError } from '../http/router.ts';
import { acceptWebSocket } from '../http/websocket.ts';
import type { Instance } from '../instances/instance.ts';
import type { Run } from '../instances/running.ts';
import { instanceOfProcess } from './caller.ts';
import { type GuestEvents, guestEventTypes, isGuestKey } from './events.ts';

/** What the guest API needs to know of the daemon. */
export interface DevlxdParts {
  readonly log: Logger;
  /** `<LXD_DIR>/devlxd`: the directory that containers see as `/dev/lxd`. */
  readonly directory: string;
  readonly events: GuestEvents;
  /** Running instances. */
  readonly runs: () => Iterable<Run>;
  readonly get: (project: string, name: string) => Promise<Instance>;
  /** The guest said that it is ready, or not any more. */
  readonly setReady: (run: Run, instance: Instance, ready: boolean) => void;
  /** The file of an image a guest may fetch: public or cached. @throws LxdError not-found */
  readonly imageFile: (instance: Instance, fingerprint: string) => Promise<string>;
}

const patch = z.object({ state: z.enum(['Started', 'Ready'], { error: 'must be "Started" or "Ready"' }) });

interface Caller {
  readonly instance: Instance;
  readonly run: Run;
}

const sendJson = (response: ServerResponse, value: unknown): void => {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(value)}\n`);
};

const sendText = (response: ServerResponse, value: string): void => {
  response.writeHead(200, { 'Content-Type': 'application/octet-stream' }).end(value);
};

/** The cloud-init meta-data of an instance (spec 09 §8). */
const metaData = ({ name, expanded: { config } }: Instance): string =>
  `#cloud-config\ninstance-id: ${config['volatile.cloud-init.instance-id'] ?? name}\nlocal-hostname: ${name}\n${config['user.meta-data'] ?? ''}`;

/**
 * Serves the guest API on one Unix socket that all containers see as `/dev/lxd/sock`. Who calls is told by the kernel; a
 * caller sees its own instance and nothing else. Replies have no envelope.
 */
export const listenDevlxd = async (parts: DevlxdParts): Promise<AsyncDisposable> => {
  const { log, directory, events } = parts;

  const callerOf = async ({ socket }: IncomingMessage): Promise<Caller> => {
    const peer = peerCredentials(socket);
    const runs = new Map([...parts.runs()].map((run) => [run.running.pid, run]));
    const init = peer && instanceOfProcess(peer.pid, new Set(runs.keys()));
    const run = init === undefined ? undefined : runs.get(init);
    if (!run) throw new LxdError('forbidden', 'You are not in an instance of this server');
    const instance = await parts.get(run.project, run.name);
    if (!isTrueOrUnset(instance.expanded.config['security.devlxd'])) throw forbidden('not authorized');
    return { instance, run };
  };

  const get = async ({ instance, run }: Caller, path: string, response: ServerResponse): Promise<void> => {
    const { config, devices } = instance.expanded;
    if (path === '/') return sendJson(response, ['/1.0']);
    if (path === '/1.0') {
      return sendJson(response, {
        api_version: '1.0',
        location: 'none',
        instance_type: instance.type,
        state: run.ready ? 'Ready' : 'Started',
      });
    }
    if (path === '/1.0/config')
      return sendJson(
        response,
        Object.keys(config)
          .filter(isGuestKey)
          .sort()
          .map((key) => `/1.0/config/${key}`),
      );
    if (path.startsWith('/1.0/config/')) {
      const key = decodeURIComponent(path.slice('/1.0/config/'.length));
      if (!isGuestKey(key)) throw forbidden('not authorized');
      const value = config[key];
      if (value === undefined) throw notFound('not found');
      return sendText(response, value);
    }
    if (path === '/1.0/devices') return sendJson(response, devices);
    if (path === '/1.0/meta-data') return sendText(response, metaData(instance));
    const image = /^\/1\.0\/images\/([0-9a-f]+)\/export$/.exec(path)?.[1];
    if (image) {
      if (!isTrue(config['security.devlxd.images'])) throw forbidden('not authorized');
      const file = await parts.imageFile(instance, image);
      response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
      return pipeline(createReadStream(file), response);
    }
    throw notFound('not found');
  };

  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const caller = await callerOf(incoming);
      const { pathname } = new URL(incoming.url ?? '/', 'http://lxd');
      const path = pathname.length > 1 ? pathname.replace(/\/$/, '') : pathname;
      if (incoming.method === 'GET') return await get(caller, path, response);
      if (incoming.method === 'PATCH' && path === '/1.0') {
        const body = patch.safeParse(parseJson(await readBody(incoming)));
        if (!body.success) throw badRequest(`Field "state" ${body.error.issues[0]?.message ?? 'is wrong'}`);
        parts.setReady(caller.run, caller.instance, body.data.state === 'Ready');
        return sendText(response, '');
      }
      throw notFound('not found');
    } catch (error) {
      const { status, message } = describeError(error);
      if (status >= 500) log.error({ err: error }, 'A guest request failed');
      if (response.headersSent) response.destroy();
      else response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${message}\n`);
    }
  };

  const socketPath = join(directory, 'sock');
  await rm(socketPath, { force: true });
  const server = createServer((incoming, response) => void handle(incoming, response));
  server.on('upgrade', async (incoming, socket, head) => {
    try {
      const { instance } = await callerOf(incoming);
      const url = new URL(incoming.url ?? '/', 'http://lxd');
      if (url.pathname !== '/1.0/events') throw notFound('not found');
      const wanted = new Set((url.searchParams.get('type') ?? guestEventTypes.join(',')).split(','));
      const webSocket = await acceptWebSocket(incoming, socket, head);
      const stop = events.subscribe(instance, (event) => {
        if (wanted.has(event.type)) webSocket.send(JSON.stringify(event));
      });
      webSocket.on('close', stop);
    } catch (error) {
      const { status, message } = describeError(error);
      socket.end(
        `HTTP/1.1 ${status} Error\r\nContent-Length: ${Buffer.byteLength(message)}\r\nConnection: close\r\n\r\n${message}`,
      );
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, () => resolve());
  });
  // The roots of unprivileged containers are ordinary users here; which instance calls is checked per connection.
  await chmod(socketPath, 0o666);
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest('The request body is not valid JSON');
  }
};
