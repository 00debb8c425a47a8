import type { WebSocket } from 'ws';
import type { Endpoint } from './endpoint.ts';
import { ConnectionError } from './errors.ts';
import { tlsOptions } from './transport.ts';

export type { WebSocket } from 'ws';

/**
 * Opens a WebSocket on a path of the server and waits until it is open. The `ws` library is loaded at the first call.
 *
 * @param listen - attaches the handlers, before anything can arrive: the first frame may come along with the handshake
 * @throws ConnectionError if the server refuses
 */
export const openWebSocket = async (
  endpoint: Endpoint,
  path: string,
  listen: (socket: WebSocket) => void,
): Promise<WebSocket> => {
  const { WebSocket: Socket } = await import('ws');
  const url =
    endpoint.kind === 'unix'
      ? `ws+unix:${endpoint.socketPath}:${path}`
      : `${endpoint.url.replace(/^http/, 'ws')}${path}`;
  const bearer =
    endpoint.kind === 'https' && endpoint.accessToken ? { authorization: `Bearer ${endpoint.accessToken}` } : {};
  const socket = new Socket(url, {
    perMessageDeflate: false,
    ...(endpoint.kind === 'https' ? tlsOptions(endpoint) : {}),
    headers: { host: endpoint.kind === 'unix' ? 'lxd' : new URL(endpoint.url).host, ...bearer },
  });
  listen(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', (cause) =>
      reject(new ConnectionError(`Cannot open a stream: ${cause.message}`, '', { cause })),
    );
  });
  return socket;
};
