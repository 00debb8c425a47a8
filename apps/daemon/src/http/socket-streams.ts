import type { Readable, Writable } from 'node:stream';
import type { WebSocket } from 'ws';

/** How much may wait in a socket before the source is paused. */
const highWater = 1024 * 1024;

/**
 * Sends a stream as binary frames, then an empty text frame, which tells clients that the stream has ended (as LXD does), and
 * closes the socket. Resolves when all is sent; a peer that goes away ends it early.
 */
export const pipeToSocket = async (from: Readable, socket: WebSocket): Promise<void> => {
  for await (const chunk of from) {
    if (socket.readyState !== socket.OPEN) {
      from.resume();
      return;
    }
    if (socket.bufferedAmount < highWater) socket.send(chunk, { binary: true });
    else await new Promise<void>((resolve) => socket.send(chunk, { binary: true }, () => resolve()));
  }
  if (socket.readyState !== socket.OPEN) return;
  await new Promise<void>((resolve) => socket.send('', { binary: false }, () => resolve()));
  socket.close();
};

/** Writes binary frames into a stream; an empty text frame, or the end of the socket, ends it. Resumes a paused socket. */
export const pipeFromSocket = (socket: WebSocket, to: Writable): void => {
  to.on('error', () => socket.resume());
  socket.on('message', (data, isBinary) => {
    if (!isBinary) {
      to.end();
      return;
    }
    if (to.writable && !to.write(data)) {
      socket.pause();
      to.once('drain', () => socket.resume());
    }
  });
  socket.on('close', () => to.end());
  socket.resume();
};
