import ipaddr from 'ipaddr.js';
import { errnoNamed } from './errno.ts';

/** Where to listen or connect. A Unix path that begins with `@` is an abstract one, which belongs to a network namespace. */
export type SocketAddress =
  | { protocol: 'tcp' | 'udp'; host: string; port: number }
  | { protocol: 'unix'; path: string };

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
const SUN_PATH = 108;

/** The address family and the bytes of the struct sockaddr (ip(7), ipv6(7), unix(7)). */
export function encodeSocketAddress(address: SocketAddress): { family: number; bytes: Buffer } {
  return address.protocol === 'unix' ? encodeUnix(address.path) : encodeInet(address.host, address.port);
}

function encodeUnix(path: string): { family: number; bytes: Buffer } {
  const abstract = path.startsWith('@');
  const name = Buffer.from(abstract ? `\0${path.slice(1)}` : `${path}\0`);
  if (name.length > SUN_PATH) throw errnoNamed('ENAMETOOLONG', 'connect', path);
  const bytes = Buffer.alloc(2 + name.length);
  bytes.writeUInt16LE(AF_UNIX, 0);
  name.copy(bytes, 2);
  return { family: AF_UNIX, bytes };
}

function encodeInet(host: string, port: number): { family: number; bytes: Buffer } {
  const ip = ipaddr.parse(host);
  const octets = ip.toByteArray();
  const family = ip.kind() === 'ipv4' ? AF_INET : AF_INET6;
  const bytes = Buffer.alloc(family === AF_INET ? 16 : 28);
  bytes.writeUInt16LE(family, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(octets, family === AF_INET ? 4 : 8);
  return { family, bytes };
}
