import { createServer as createPlainServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { createS3Handler, type S3Options } from './handler.ts';

export interface ListenOptions extends S3Options {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** PEM texts; without them it is plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' };
}

/** A server that listens. Disposing it lets requests end for a second, then ends them. */
export interface S3Server extends AsyncDisposable {
  readonly host: string;
  /** The one really bound. */
  readonly port: number;
}

/** A connection that nothing happens on, in the middle of a request too, is closed after this. */
const idle = 5 * 60 * 1000;

/**
 * Serves S3.
 *
 * @throws errno-coded EADDRINUSE, EADDRNOTAVAIL, EACCES
 */
export const listenS3 = async ({ host, port, tls, ...options }: ListenOptions): Promise<S3Server> => {
  const limits = { requestTimeout: 0, headersTimeout: 30_000, keepAliveTimeout: 60_000 };
  const server: Server = tls ? createTlsServer({ ...tls, ...limits }) : createPlainServer(limits);
  const handle = createS3Handler(options);
  const sockets = new Set<Socket>();
  server.on('request', (incoming, outgoing) => void handle(incoming, outgoing));
  server.on('checkContinue', (incoming, outgoing) => void handle(incoming, outgoing, true));
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.setTimeout(idle);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address();
  return {
    host,
    port: typeof bound === 'object' && bound ? bound.port : port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, 1000);
      await closed;
      clearTimeout(timer);
    },
  };
};
