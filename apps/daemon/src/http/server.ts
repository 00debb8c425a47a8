import { chmod, chown, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { conflict } from '@lxd-ts/driver-kit';
import type { Router } from './router.ts';

/** A listening socket. Disposing it stops listening and closes idle connections at once, busy ones when they are done. */
export interface Listener extends AsyncDisposable {
  /** `unix:/path` or `host:port` with the port really bound. */
  readonly address: string;
}

const serve = (server: Server, router: Router): Set<Socket> => {
  const sockets = new Set<Socket>();
  server.on('request', getRequestListener(router.app.fetch, { overrideGlobalObjects: false }));
  server.on('upgrade', (incoming, socket, head) => void router.upgrade(incoming, socket, head));
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  // Uploads and waits last as long as they last; what hangs before its headers are complete does not.
  server.requestTimeout = 0;
  server.headersTimeout = 30_000;
  server.keepAliveTimeout = 60_000;
  return sockets;
};

const close = async (server: Server, sockets: Set<Socket>): Promise<void> => {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.destroy();
  }, 1_000);
  await closed;
  clearTimeout(timer);
};

const listening = (server: Server, target: { path: string } | { host: string; port: number }): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(target, () => {
      server.off('error', reject);
      resolve();
    });
  });

/**
 * Listens on a Unix socket, replacing one that a dead daemon left.
 *
 * @param gid - the group that may use it besides root
 */
export const listenUnix = async (router: Router, path: string, gid: number | undefined): Promise<Listener> => {
  await rm(path, { force: true });
  const server = createServer();
  const sockets = serve(server, router);
  await listening(server, { path });
  await chmod(path, 0o660);
  if (gid !== undefined) await chown(path, 0, gid);
  return {
    address: `unix:${path}`,
    [Symbol.asyncDispose]: () => close(server, sockets),
  };
};

/**
 * Listens on TCP with TLS. Client certificates are asked for and judged by whoever identifies the caller.
 *
 * @throws LxdError conflict when the address is taken or not ours
 */
export const listenTls = async (router: Router, host: string, port: number, tls: ServerOptions): Promise<Listener> => {
  const server = createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: false });
  const sockets = serve(server, router);
  try {
    await listening(server, { host, port });
  } catch (error) {
    throw conflict(`Cannot listen on ${host}:${port}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
  const bound = server.address();
  const boundPort = typeof bound === 'object' && bound ? bound.port : port;
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${boundPort}`,
    [Symbol.asyncDispose]: () => close(server, sockets),
  };
};
