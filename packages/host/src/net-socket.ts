/** Sockets that live in another network namespace, for Node's own net and dgram objects. */
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { errnoError, isErrno } from './errno.ts';
import { fdReady } from './fd-poll.ts';
import { inNetNamespace, type NetNamespace } from './net-namespace.ts';
import {
  AF_INET6,
  encodeSocketAddress,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  type SocketAddress,
} from './socket-address.ts';
import { bindCall, connectCall, getsockopt, listenCall, setsockopt, socketCall } from './syscalls.ts';

const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const IPPROTO_IP = 0;
const IP_FREEBIND = 15;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const BACKLOG = 511;

function setFlag(fd: number, level: number, name: number): void {
  const value = Buffer.alloc(4);
  value.writeInt32LE(1);
  setsockopt(fd, level, name, value, value.length);
}

function within<T extends number>(namespace: NetNamespace | undefined, action: () => T): number {
  return namespace === undefined ? action() : inNetNamespace<number>(namespace, action);
}

function newSocket(address: SocketAddress, use: (fd: number, sockaddr: Buffer, family: number) => void): number {
  const { family, bytes } = encodeSocketAddress(address);
  const type = address.protocol === 'udp' ? SOCK_DGRAM : SOCK_STREAM;
  const fd = socketCall(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  try {
    use(fd, bytes, family);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Opens a socket that is bound to an address, and listens for TCP and Unix sockets.
 * Hand the result to `server.listen({ fd })` of node:net, or for UDP to `socket.bind({ fd })` of node:dgram, which own it then.
 *
 * @param options.namespace the network namespace to be in; this thread's own by default
 * @param options.freebind also for an address that no link has yet
 * @returns the file descriptor
 * @throws errno-coded error: EADDRINUSE, EADDRNOTAVAIL, EACCES
 */
export function openListeningSocket(
  address: SocketAddress,
  options: { namespace?: NetNamespace; freebind?: boolean } = {},
): number {
  return within(options.namespace, () =>
    newSocket(address, (fd, sockaddr, family) => {
      if (address.protocol === 'tcp') setFlag(fd, SOL_SOCKET, SO_REUSEADDR);
      if (family === AF_INET6) setFlag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
      if (options.freebind) setFlag(fd, IPPROTO_IP, IP_FREEBIND);
      bindCall(fd, sockaddr, sockaddr.length);
      if (address.protocol !== 'udp') listenCall(fd, BACKLOG);
    }),
  );
}

/**
 * Connects to a TCP or Unix address in another network namespace, or in this one.
 * @throws errno-coded error: ECONNREFUSED, EHOSTUNREACH, ENOENT, …; the signal's reason
 */
export async function connectSocket(
  address: SocketAddress,
  options: { namespace?: NetNamespace; signal?: AbortSignal } = {},
): Promise<Socket> {
  let pending = false;
  const fd = within(options.namespace, () =>
    newSocket(address, (socket, sockaddr) => {
      try {
        connectCall(socket, sockaddr, sockaddr.length);
      } catch (error) {
        if (!isErrno(error, 'EINPROGRESS')) throw error;
        pending = true;
      }
    }),
  );
  try {
    if (pending) {
      await fdReady(fd, 'writable', options.signal);
      throwSocketError(fd, address);
    }
    return new Socket({ fd, readable: true, writable: true });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function throwSocketError(fd: number, address: SocketAddress): void {
  const value = Buffer.alloc(4);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(value.length);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, value, length);
  const errno = value.readInt32LE();
  if (errno === 0) return;
  throw errnoError(errno, 'connect', address.protocol === 'unix' ? address.path : `${address.host}:${address.port}`);
}
