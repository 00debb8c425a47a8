import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { applyIp, setLink } from './ip.ts';
import { connectSocket, openListeningSocket } from './net-socket.ts';
import type { SocketAddress } from './socket-address.ts';

const name = `hostsock${process.pid}`;
const namespace = `/run/netns/${name}`;
const servers: Server[] = [];

beforeEach(async () => {
  execFileSync('ip', ['netns', 'add', name]);
  await applyIp(setLink('lo', { up: true }), namespace);
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  execFileSync('ip', ['netns', 'delete', name]);
});

async function serve(address: SocketAddress, where?: string): Promise<Server> {
  const fd = openListeningSocket(address, where === undefined ? {} : { namespace: where });
  const server = createServer((socket: Socket) => socket.end('hello')).listen({ fd });
  servers.push(server);
  await once(server, 'listening');
  return server;
}

test.each<[string, SocketAddress]>([
  ['TCP over IPv4', { protocol: 'tcp', host: '127.0.0.1', port: 18080 }],
  ['TCP over IPv6', { protocol: 'tcp', host: '::1', port: 18080 }],
  ['an abstract Unix socket', { protocol: 'unix', path: `@${name}` }],
])('%s is served and reached inside another namespace, and not from outside', async (_, address) => {
  await serve(address, namespace);
  const socket = await connectSocket(address, { namespace });
  expect(await text(socket)).toBe('hello');
  await expect(connectSocket(address)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('the same address can be served in both namespaces', async () => {
  const address: SocketAddress = { protocol: 'tcp', host: '127.0.0.1', port: 18081 };
  await serve(address, namespace);
  await serve(address);
  expect(() => openListeningSocket(address)).toThrow('EADDRINUSE');
  expect(await text(await connectSocket(address))).toBe('hello');
});

test('an address that no link has can be bound beforehand', () => {
  const address: SocketAddress = { protocol: 'tcp', host: '10.255.1.2', port: 18082 };
  expect(() => openListeningSocket(address, { namespace })).toThrow('EADDRNOTAVAIL');
  const server = createServer().listen({ fd: openListeningSocket(address, { namespace, freebind: true }) });
  servers.push(server);
});

test('UDP sockets of another namespace work with dgram', async () => {
  const address: SocketAddress = { protocol: 'udp', host: '127.0.0.1', port: 18083 };
  const receiver = createSocket('udp4').bind({ fd: openListeningSocket(address, { namespace }) });
  const any: SocketAddress = { protocol: 'udp', host: '127.0.0.1', port: 0 };
  const sender = createSocket('udp4').bind({ fd: openListeningSocket(any, { namespace }) });
  const received = once(receiver, 'message');
  sender.send('ping', 18083, '127.0.0.1');
  const [message] = await received;
  expect(`${message}`).toBe('ping');
  sender.close();
  receiver.close();
});

test('a connection attempt can be given up', async () => {
  await applyIp(
    [
      ['link', 'add', 'name', 'br0', 'type', 'bridge'],
      ['link', 'set', 'dev', 'br0', 'up'],
      ['addr', 'add', '10.99.0.1/24', 'dev', 'br0'],
    ],
    namespace,
  );
  const address: SocketAddress = { protocol: 'tcp', host: '10.99.0.2', port: 80 };
  await expect(connectSocket(address, { namespace, signal: AbortSignal.timeout(50) })).rejects.toThrow('timeout');
});
