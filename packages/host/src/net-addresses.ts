import ipaddr from 'ipaddr.js';
import { formatHwaddr } from './net-links.ts';
import { inNetNamespace, type NetNamespace } from './net-namespace.ts';
import { dump, parseAttributes } from './netlink.ts';
import { AF_INET, AF_INET6 } from './socket-address.ts';

export type AddressFamily = 'inet' | 'inet6';

export interface Address {
  linkIndex: number;
  family: AddressFamily;
  address: string;
  prefixLength: number;
  scope: 'global' | 'site' | 'link' | 'host' | 'nowhere';
  broadcast: string | undefined;
  /** IPv6: duplicate address detection is not finished, or has failed. */
  tentative: boolean;
}

export interface Route {
  family: AddressFamily;
  /** `default`, or an address with its prefix length. */
  destination: string;
  gateway: string | undefined;
  linkIndex: number | undefined;
  metric: number;
  source: string | undefined;
  table: number;
  /** Who made it (RTPROT_…): 2 kernel, 3 boot, 4 static, 9 router advertisement, 16 DHCP. */
  protocol: number;
}

export interface Neighbour {
  linkIndex: number;
  family: AddressFamily;
  address: string;
  hwaddr: string;
  /** Reachable now or until recently; not failed or incomplete. */
  valid: boolean;
}

const RTM_GETADDR = 22;
const RTM_GETROUTE = 26;
const RTM_GETNEIGH = 30;
const RTN_UNICAST = 1;
const IFA_F_DADFAILED = 0x08;
const IFA_F_TENTATIVE = 0x40;
const NUD_INCOMPLETE = 0x01;
const NUD_FAILED = 0x20;
const NUD_NOARP = 0x40;
const scopes: Record<number, Address['scope']> = { 0: 'global', 200: 'site', 253: 'link', 254: 'host' };

function family(number: number): AddressFamily | undefined {
  if (number === AF_INET) return 'inet';
  return number === AF_INET6 ? 'inet6' : undefined;
}

function format(bytes: Buffer): string {
  return ipaddr.fromByteArray([...bytes]).toString();
}

function optional(bytes: Buffer | undefined): string | undefined {
  return bytes && format(bytes);
}

/** struct ifaddrmsg: u8 family, u8 prefix length, u8 flags, u8 scope, u32 link. */
function parseAddress(payload: Buffer): Address[] {
  const attributes = parseAttributes(payload.subarray(8));
  const addressFamily = family(payload.readUInt8(0));
  // IFA_LOCAL is the own address of a point-to-point link, where IFA_ADDRESS is that of the other side.
  const bytes = attributes.get(2) ?? attributes.get(1);
  if (!addressFamily || !bytes) return [];
  const flags = attributes.get(8)?.readUInt32LE() ?? payload.readUInt8(2);
  return [
    {
      linkIndex: payload.readUInt32LE(4),
      family: addressFamily,
      address: format(bytes),
      prefixLength: payload.readUInt8(1),
      scope: scopes[payload.readUInt8(3)] ?? 'nowhere',
      broadcast: optional(attributes.get(4)),
      tentative: (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) !== 0,
    },
  ];
}

/** struct rtmsg: u8 family, destination and source length, tos, table, protocol, scope, type; u32 flags. */
function parseRoute(payload: Buffer): Route[] {
  const attributes = parseAttributes(payload.subarray(12));
  const addressFamily = family(payload.readUInt8(0));
  if (!addressFamily || payload.readUInt8(7) !== RTN_UNICAST) return [];
  const destination = attributes.get(1);
  return [
    {
      family: addressFamily,
      destination: destination ? `${format(destination)}/${payload.readUInt8(1)}` : 'default',
      gateway: optional(attributes.get(5)),
      linkIndex: attributes.get(4)?.readInt32LE(),
      metric: attributes.get(6)?.readUInt32LE() ?? 0,
      source: optional(attributes.get(7)),
      table: attributes.get(15)?.readUInt32LE() ?? payload.readUInt8(4),
      protocol: payload.readUInt8(5),
    },
  ];
}

/** struct ndmsg: u8 family, 3 bytes, i32 link, u16 state, u8 flags, u8 type. */
function parseNeighbour(payload: Buffer): Neighbour[] {
  const attributes = parseAttributes(payload.subarray(12));
  const addressFamily = family(payload.readUInt8(0));
  const bytes = attributes.get(1);
  const state = payload.readUInt16LE(8);
  if (!addressFamily || !bytes || (state & NUD_NOARP) !== 0) return [];
  return [
    {
      linkIndex: payload.readInt32LE(4),
      family: addressFamily,
      address: format(bytes),
      hwaddr: formatHwaddr(attributes.get(2)),
      valid: (state & (NUD_INCOMPLETE | NUD_FAILED)) === 0,
    },
  ];
}

function list<T>(namespace: NetNamespace | undefined, request: number, size: number, parse: (payload: Buffer) => T[]) {
  const ask = (): T[] => dump(request, Buffer.alloc(size), parse).flat();
  if (namespace === undefined) return ask();
  const result: { entries: T[] } = inNetNamespace(namespace, () => ({ entries: ask() }));
  return result.entries;
}

/** All addresses of this, or of another network namespace, also those of links that are down. */
export function listAddresses(namespace?: NetNamespace): Address[] {
  return list(namespace, RTM_GETADDR, 8, parseAddress);
}

/** The unicast routes of all tables of this, or of another network namespace. */
export function listRoutes(namespace?: NetNamespace): Route[] {
  return list(namespace, RTM_GETROUTE, 12, parseRoute);
}

/** The neighbours (ARP and NDP caches) of this, or of another network namespace. */
export function listNeighbours(namespace?: NetNamespace): Neighbour[] {
  return list(namespace, RTM_GETNEIGH, 12, parseNeighbour);
}
