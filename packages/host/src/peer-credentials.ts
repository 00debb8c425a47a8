import type { Socket } from 'node:net';
import { SOL_SOCKET } from './socket-address.ts';
import { getsockopt } from './syscalls.ts';

const SO_PEERCRED = 17;

/** Who connected to a Unix socket, as of that moment (unix(7), SO_PEERCRED). */
export interface PeerCredentials {
  pid: number;
  uid: number;
  gid: number;
}

/**
 * The descriptor behind a socket. Node keeps it in an undocumented place, hence the careful look.
 * @returns undefined for a socket that is closed
 */
export function socketFd(socket: Socket): number | undefined {
  const handle: unknown = '_handle' in socket ? socket._handle : undefined;
  if (typeof handle !== 'object' || handle === null || !('fd' in handle)) return undefined;
  return typeof handle.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined;
}

/**
 * Reads the credentials of the process at the other end of a Unix socket.
 * @param socket a connected socket, or its descriptor
 * @returns undefined when the socket is closed
 * @throws ENOPROTOOPT or similar for other kinds of sockets
 */
export function peerCredentials(socket: Socket | number): PeerCredentials | undefined {
  const fd = typeof socket === 'number' ? socket : socketFd(socket);
  if (fd === undefined) return undefined;
  // struct ucred: pid, uid, gid, 32 bits each.
  const credentials = Buffer.alloc(12);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(credentials.length);
  getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length);
  return { pid: credentials.readInt32LE(0), uid: credentials.readUInt32LE(4), gid: credentials.readUInt32LE(8) };
}
