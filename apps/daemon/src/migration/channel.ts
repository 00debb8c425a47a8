import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { badRequest } from '@lxd-ts/driver-kit';
import type { WebSocket } from 'ws';

/** What comes over a channel: a piece of data, or the end of one of the streams that follow each other on it. */
export type Message = { readonly kind: 'data'; readonly data: Buffer } | { readonly kind: 'end' };

/** A WebSocket on which messages are waited for one by one. Binary messages are data, an empty text message ends a stream. */
export interface Channel {
  /** @throws LxdError bad-request when the other side is gone */
  next(): Promise<Message>;
  /** Resolves when it is on its way, so that a slow receiver holds the sender back. @throws Error when the other side is gone */
  send(data: Buffer): Promise<void>;
  /** Ends a stream. */
  end(): Promise<void>;
  /** Sends what is left and closes; resolves when the other side has closed too, or does not within 5 s. */
  close(): Promise<void>;
  /** Breaks the connection off. */
  destroy(): void;
}

/** So many messages may wait before the other side is held back. */
const highWater = 16;
const closeMs = 5_000;
/** More than any description takes. */
const maxGathered = 64 * 1024 * 1024;

/** Makes a channel of a socket, paused or not yet open, whose messages have not been listened to. */
export const openChannel = (socket: WebSocket): Channel => {
  const messages: Message[] = [];
  let arrived = Promise.withResolvers<void>();
  let closed = false;
  const wake = (): void => {
    arrived.resolve();
    arrived = Promise.withResolvers();
  };
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    messages.push(isBinary ? { kind: 'data', data } : { kind: 'end' });
    if (messages.length >= highWater) socket.pause();
    wake();
  });
  socket.on('close', () => {
    closed = true;
    wake();
  });
  // 'close' follows.
  socket.on('error', () => undefined);

  const send = (data: Buffer | string, binary: boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      socket.send(data, { binary }, (error) => {
        if (error) reject(badRequest('The connection to the other server is gone', { cause: error }));
        else resolve();
      });
    });

  return {
    async next() {
      for (;;) {
        const message = messages.shift();
        if (message) {
          if (messages.length < highWater && socket.isPaused) socket.resume();
          return message;
        }
        if (closed) throw badRequest('The connection to the other server is gone');
        if (socket.isPaused) socket.resume();
        await arrived.promise;
      }
    },
    send: (data) => send(data, true),
    end: () => send('', false),
    async close() {
      if (closed) return;
      const gone = once(socket, 'close');
      const timer = setTimeout(() => socket.terminate(), closeMs);
      socket.resume();
      socket.close();
      await gone;
      clearTimeout(timer);
    },
    destroy: () => socket.terminate(),
  };
};

/** Sends a stream. The caller ends it with `channel.end()` when it is known to be whole. */
export const sendStream = async (from: Readable, channel: Channel, count?: (bytes: number) => void): Promise<void> => {
  for await (const chunk of from) {
    const data: Buffer = chunk;
    await channel.send(data);
    count?.(data.length);
  }
};

/** Writes one stream into `to`, which is ended. What `to` does not want any more is read all the same. */
export const receiveStream = async (channel: Channel, to: Writable, count?: (bytes: number) => void): Promise<void> => {
  for (;;) {
    const message = await channel.next();
    if (message.kind === 'end') {
      to.end();
      return;
    }
    count?.(message.data.length);
    if (to.writable && !to.write(message.data)) await Promise.race([once(to, 'drain'), once(to, 'close')]);
  }
};

/** One stream as a whole. @throws LxdError bad-request when it is larger than any description */
export const receiveWhole = async (channel: Channel): Promise<Buffer> => {
  const parts: Buffer[] = [];
  let size = 0;
  for (;;) {
    const message = await channel.next();
    if (message.kind === 'end') return Buffer.concat(parts);
    size += message.data.length;
    if (size > maxGathered) throw badRequest('The other server sends a description that is too large');
    parts.push(message.data);
  }
};
