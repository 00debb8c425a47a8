import { createServer, type Socket } from 'node:net';

/**
 * Joins two streams: each waits for the other when it is slow, an end of one direction is passed on while the other goes on, and
 * what breaks one breaks both.
 */
export const join = (a: Socket, b: Socket): void => {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    // An end that was read must not end the other direction.
    from.allowHalfOpen = true;
    from.on('error', () => to.destroy());
    from.on('close', () => {
      if (!from.readableEnded) to.destroy();
    });
    from.pipe(to);
  }
};

/** Serves a listening descriptor. */
export const serveStreams = (fd: number, accept: (client: Socket) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, accept);
    server.once('error', reject);
    server.listen({ fd }, resolve);
  });
