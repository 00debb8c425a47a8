import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { badRequest } from '@lxd-ts/driver-kit';
import { type WebSocket, WebSocketServer } from 'ws';

const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 64 * 1024 * 1024 });

/** Completes the handshake of a WebSocket. @throws LxdError bad-request when the client asks for something else */
export const acceptWebSocket = (incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<WebSocket> => {
  if (incoming.headers.upgrade?.toLowerCase() !== 'websocket') throw badRequest('This address speaks WebSocket only');
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    server.handleUpgrade(incoming, socket, head, (webSocket) => {
      socket.off('error', reject);
      // An error always comes with 'close', which whoever uses the socket watches.
      webSocket.on('error', () => webSocket.terminate());
      resolve(webSocket);
    });
  });
};
