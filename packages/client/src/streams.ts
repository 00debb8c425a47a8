import type { Readable, Writable } from 'node:stream';
import type { WebSocket } from 'ws';

/**
 * Writes the binary frames of a socket to a stream until the server's end mark (an empty text frame) or its close.
 * When the stream is slower than the socket, the socket waits.
 *
 * @returns settles when the last byte is handed to the stream
 */
export const receiveInto = (socket: WebSocket, sink: Writable): Promise<void> =>
  new Promise((resolve) => {
    socket.on('message', (data, isBinary) => {
      if (!isBinary) {
        resolve();
        return;
      }
      // ws hands binary frames over as one Buffer (`binaryType` is left at its default).
      if (!sink.write(data as Buffer)) {
        socket.pause();
        sink.once('drain', () => socket.resume());
      }
    });
    socket.once('close', () => resolve());
    socket.on('error', () => resolve());
  });

/** How many bytes may wait in a socket before its source is held back. */
const highWaterMark = 1 << 20;

/**
 * Sends a stream as binary frames, then the end mark (an empty text frame). Stops early when the socket closes.
 *
 * @returns settles when all is sent, or nothing more can be
 */
export const sendFrom = (socket: WebSocket, source: Readable): Promise<void> =>
  new Promise((resolve, reject) => {
    const stop = (): void => {
      source.off('data', forward);
      source.pause();
      resolve();
    };
    const forward = (chunk: Buffer | string): void => {
      if (socket.readyState !== socket.OPEN) {
        stop();
        return;
      }
      socket.send(typeof chunk === 'string' ? Buffer.from(chunk) : chunk, () => {
        if (source.isPaused() && socket.bufferedAmount < highWaterMark) source.resume();
      });
      if (socket.bufferedAmount >= highWaterMark) source.pause();
    };
    source.on('data', forward);
    source.once('end', () => {
      if (socket.readyState === socket.OPEN) socket.send('');
      resolve();
    });
    source.once('error', reject);
    socket.once('close', stop);
  });
