/** UDP sides of a forwarder: each client of a listening socket gets a link of its own to the target. */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { isIPv6, type Socket } from 'node:net';
import { openListeningSocket } from '@lxd-ts/host';
import type { Place } from './endpoint.ts';
import { resolvePlace, type Side } from './sockets.ts';

type UdpPlace = Extract<Place, { protocol: 'tcp' | 'udp' }>;

/** A client that has been silent so long, in ms, is forgotten: UDP has no end of a connection. */
const idle = 120_000;

/** A client's way to the target. */
export interface Link {
  send(data: Buffer): void;
  close(): void;
}

/** Makes the link of a new client. @param answer - sends to the client; @param closed - to be called when the link has ended */
export type MakeLink = (answer: (data: Buffer) => void, closed: () => void) => Promise<Link>;

const bound = (fd: number, ipv6: boolean): Promise<UdpSocket> =>
  new Promise((resolve, reject) => {
    const socket = createSocket(ipv6 ? 'udp6' : 'udp4');
    socket.once('error', reject);
    socket.bind({ fd }, () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });

/** A socket on a side that exchanges datagrams with one target. */
export const udpLink = async (
  side: Side,
  place: UdpPlace,
  answer: (data: Buffer) => void,
  closed: () => void,
): Promise<Link> => {
  const { host, port } = resolvePlace(side, place);
  const ipv6 = isIPv6(host);
  const fd = openListeningSocket(
    { protocol: 'udp', host: ipv6 ? '::' : '0.0.0.0', port: 0 },
    side.initPid === undefined ? {} : { namespace: side.initPid },
  );
  const socket = await bound(fd, ipv6);
  const close = (): void => {
    socket.close();
    closed();
  };
  socket.on('message', answer);
  // A refused datagram (ICMP) is reported by the next call; the link ends and the client's next datagram makes a new one.
  socket.on('error', close);
  await new Promise<void>((resolve) => socket.connect(port, host, resolve));
  return { send: (data) => socket.send(data), close: () => socket.close() };
};

/** Chunks of a stream as datagrams, and back. */
export const streamLink = (stream: Socket, answer: (data: Buffer) => void, closed: () => void): Link => {
  stream.on('data', answer);
  stream.on('error', () => stream.destroy());
  stream.on('close', closed);
  return {
    send(data) {
      // As a network does: what a receiver is too slow for is lost.
      if (!stream.writableNeedDrain) stream.write(data);
    },
    close: () => stream.destroy(),
  };
};

/** Serves a bound UDP socket: one link per client. @returns ends it */
export const serveUdp = async (
  fd: number,
  place: UdpPlace,
  makeLink: MakeLink,
  fail: (error: unknown) => void,
): Promise<void> => {
  const socket = await bound(fd, isIPv6(place.host));
  const clients = new Map<string, { link: Promise<Link>; timer: NodeJS.Timeout }>();

  const open = (key: string, { port, address }: RemoteInfo) => {
    const forget = (): void => {
      clearTimeout(clients.get(key)?.timer);
      clients.delete(key);
    };
    const link = makeLink((data) => socket.send(data, port, address), forget);
    const timer = setTimeout(() => {
      forget();
      link.then((made) => made.close()).catch(fail);
    }, idle);
    const client = { link, timer };
    clients.set(key, client);
    link.catch((error: unknown) => {
      forget();
      fail(error);
    });
    return client;
  };

  socket.on('error', fail);
  socket.on('message', (data, from) => {
    const key = `${from.address} ${from.port}`;
    const client = clients.get(key) ?? open(key, from);
    client.timer.refresh();
    // Failures are handled where the link is made.
    client.link.then(
      (link) => link.send(data),
      () => undefined,
    );
  });
};
