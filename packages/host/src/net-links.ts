import { inNetNamespace, type NetNamespace } from './net-namespace.ts';
import { type Attributes, dump, parseAttributes } from './netlink.ts';

/** Counters since the link was made. */
export interface LinkCounters {
  rxBytes: number;
  txBytes: number;
  rxPackets: number;
  txPackets: number;
  rxErrors: number;
  txErrors: number;
  rxDropped: number;
  txDropped: number;
}

export interface Link {
  index: number;
  name: string;
  /** What kind of virtual link: `veth`, `bridge`, `macvlan`, `tun`, …; undefined for hardware and loopback. */
  kind: string | undefined;
  /** ARPHRD_… type number (1 Ethernet, 772 loopback). */
  type: number;
  /** Administratively up (IFF_UP). */
  up: boolean;
  /** Operational state: `up`, `down`, `unknown`, `lowerlayerdown`, `dormant`, … */
  state: string;
  loopback: boolean;
  broadcast: boolean;
  pointToPoint: boolean;
  mtu: number;
  txQueueLength: number;
  /** Hardware address, `00:16:3e:…`; empty for links without. */
  hwaddr: string;
  /** Index of the link this is on top of, or of a veth's other end; that may be in another namespace. */
  parentIndex: number | undefined;
  /** Given when the parent is in another network namespace. */
  parentNamespaceId: number | undefined;
  /** Index of the bridge or bond this belongs to. */
  masterIndex: number | undefined;
  /** The VLAN id of a link of kind `vlan`. */
  vlan: number | undefined;
  alias: string | undefined;
  counters: LinkCounters;
}

const RTM_GETLINK = 18;
const IFINFOMSG = 16;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_TXQLEN = 13;
const IFLA_OPERSTATE = 16;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_STATS64 = 23;
const IFLA_LINK_NETNSID = 37;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_VLAN_ID = 1;
const IFLA_EXT_MASK = 29;
const RTEXT_FILTER_SKIP_STATS = 1 << 3;
const IFF_UP = 0x1;
const IFF_BROADCAST = 0x2;
const IFF_LOOPBACK = 0x8;
const IFF_POINTOPOINT = 0x10;
/** RFC 2863 states in the order of linux/if.h. */
const states = ['unknown', 'notpresent', 'down', 'lowerlayerdown', 'testing', 'dormant', 'up'];

function text(value: Buffer | undefined): string | undefined {
  return value?.toString('utf8', 0, value.length - 1);
}

/** Writes a hardware address as text. */
export function formatHwaddr(bytes: Uint8Array | undefined): string {
  return [...(bytes ?? [])].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** struct rtnl_link_stats64. */
function counters(stats: Buffer | undefined): LinkCounters {
  const at = (index: number) => (stats ? Number(stats.readBigUInt64LE(index * 8)) : 0);
  return {
    rxPackets: at(0),
    txPackets: at(1),
    rxBytes: at(2),
    txBytes: at(3),
    rxErrors: at(4),
    txErrors: at(5),
    rxDropped: at(6),
    txDropped: at(7),
  };
}

function linkInfo(attributes: Attributes): { kind: string | undefined; vlan: number | undefined } {
  const info = attributes.get(IFLA_LINKINFO);
  const nested = info && parseAttributes(info);
  const kind = text(nested?.get(IFLA_INFO_KIND));
  const data = kind === 'vlan' ? nested?.get(IFLA_INFO_DATA) : undefined;
  return { kind, vlan: data && parseAttributes(data).get(IFLA_VLAN_ID)?.readUInt16LE() };
}

function parseLink(payload: Buffer): Link {
  const flags = payload.readUInt32LE(8);
  const attributes = parseAttributes(payload.subarray(IFINFOMSG));
  return {
    index: payload.readInt32LE(4),
    name: text(attributes.get(IFLA_IFNAME)) ?? '',
    ...linkInfo(attributes),
    type: payload.readUInt16LE(2),
    up: (flags & IFF_UP) !== 0,
    state: states[attributes.get(IFLA_OPERSTATE)?.readUInt8() ?? 0] ?? 'unknown',
    loopback: (flags & IFF_LOOPBACK) !== 0,
    broadcast: (flags & IFF_BROADCAST) !== 0,
    pointToPoint: (flags & IFF_POINTOPOINT) !== 0,
    mtu: attributes.get(IFLA_MTU)?.readUInt32LE() ?? 0,
    txQueueLength: attributes.get(IFLA_TXQLEN)?.readUInt32LE() ?? 0,
    hwaddr: formatHwaddr(attributes.get(IFLA_ADDRESS)),
    parentIndex: attributes.get(IFLA_LINK)?.readInt32LE(),
    parentNamespaceId: attributes.get(IFLA_LINK_NETNSID)?.readInt32LE(),
    masterIndex: attributes.get(IFLA_MASTER)?.readInt32LE(),
    alias: text(attributes.get(IFLA_IFALIAS)),
    counters: counters(attributes.get(IFLA_STATS64)),
  };
}

/**
 * struct ifinfomsg of zeros: all links; then IFLA_EXT_MASK, which leaves out IPv6's own counters. Nobody reads those here, and
 * adding them up takes the kernel longer than all the rest. The counters of the links come all the same.
 */
const allLinks = Buffer.alloc(IFINFOMSG + 8);
allLinks.writeUInt16LE(8, IFINFOMSG);
allLinks.writeUInt16LE(IFLA_EXT_MASK, IFINFOMSG + 2);
allLinks.writeUInt32LE(RTEXT_FILTER_SKIP_STATS, IFINFOMSG + 4);

function links(): Link[] {
  return dump(RTM_GETLINK, allLinks, parseLink);
}

/** All links of this, or of another network namespace. Takes some ten microseconds for a container's. */
export function listLinks(namespace?: NetNamespace): Link[] {
  return namespace === undefined ? links() : inNetNamespace(namespace, links);
}
