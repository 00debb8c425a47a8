import { once } from 'node:events';
import { connect } from 'node:net';

const headEnd = Buffer.from('\r\n\r\n');

/** The length of a whole HTTP/1.1 answer at the beginning of `data`; undefined while it is incomplete. */
const answerLength = (data: Buffer): number | undefined => {
  const end = data.indexOf(headEnd);
  if (end < 0) return undefined;
  const head = data.toString('latin1', 0, end);
  if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(head);
  const length = head.match(/\r\ncontent-length: (\d+)/i)?.[1];
  if (length !== undefined) {
    const whole = end + headEnd.length + Number(length);
    return data.length >= whole ? whole : undefined;
  }
  const last = data.indexOf('\r\n0\r\n\r\n', end);
  return last < 0 ? undefined : last + 7;
};

/**
 * Sends the same GET again and again over one connection to a Unix socket, with next to no work of its own, so that the
 * server's speed is measured and not a client's. Hands back how many answers came within the time.
 */
export const repeatGet = async (socketPath: string, path: string, milliseconds: number): Promise<number> => {
  const socket = connect(socketPath);
  await once(socket, 'connect');
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: lxd\r\n\r\n`);
  const deadline = performance.now() + milliseconds;
  let count = 0;
  let pending: Buffer = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.on('data', (data: Buffer) => {
      pending = pending.length === 0 ? data : Buffer.concat([pending, data]);
      const length = answerLength(pending);
      if (length === undefined) return;
      pending = pending.subarray(length);
      count++;
      if (performance.now() < deadline) socket.write(request);
      else {
        socket.destroy();
        resolve(count);
      }
    });
    socket.write(request);
  });
};
