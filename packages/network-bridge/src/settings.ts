/** A bridge network's configuration, read once: defaults applied, addresses as numbers. The other modules work on this. */
import { type Config, isTrue, isTrueOrUnset } from '@lxd-ts/driver-kit';
import {
  type Address,
  type AddressRange,
  type Family,
  listItems,
  networkOf,
  parseAddress,
  parseRange,
  parseSubnet,
  type Subnet,
} from './addresses.ts';

export interface Nat {
  /** Unset: the address of the interface the traffic leaves by. */
  readonly source: Address | undefined;
  readonly order: 'before' | 'after';
}

export interface Dhcp {
  /** Empty: the whole subnet. */
  readonly ranges: readonly AddressRange[];
  readonly expiry: string;
  /** Unset: the bridge. */
  readonly gateway: Address | undefined;
  /** Assigns addresses: always with IPv4. */
  readonly stateful: boolean;
}

export interface FamilySettings {
  /** The bridge's own address with its subnet's prefix length. */
  readonly address: Subnet;
  /** Unset: no DHCP. */
  readonly dhcp: Dhcp | undefined;
  /** Unset: no translation. */
  readonly nat: Nat | undefined;
  readonly firewall: boolean;
  readonly routing: boolean;
  readonly routes: readonly Subnet[];
  /** Kept free for the routers of other networks. */
  readonly reserved: readonly AddressRange[];
}

export interface Tunnel {
  /** The interface: `NETWORK-NAME`. */
  readonly link: string;
  readonly protocol: 'vxlan' | 'gre';
  readonly local: Address | undefined;
  readonly remote: Address | undefined;
  readonly group: Address;
  readonly id: number;
  /** 0: the kernel's own. */
  readonly port: number;
  /** Unset: that of the default route. */
  readonly interface: string | undefined;
  readonly ttl: number;
}

export interface Dns {
  readonly mode: 'none' | 'managed' | 'dynamic';
  readonly domain: string;
  readonly search: readonly string[];
}

export interface BridgeSettings {
  readonly name: string;
  readonly mtu: number;
  /** Unset: the one chosen at creation. */
  readonly hwaddr: string | undefined;
  readonly externalInterfaces: readonly string[];
  /** Unset: none of that family. */
  readonly ipv4: FamilySettings | undefined;
  readonly ipv6: FamilySettings | undefined;
  readonly dns: Dns;
  readonly tunnels: readonly Tunnel[];
  /** Text for dnsmasq's configuration. */
  readonly raw: string;
}

const defaultMtu = 1500;
/** Leaves room for the headers of either encapsulation. */
const tunnelMtu = 1400;

const familySettings = (family: Family, config: Config): FamilySettings | undefined => {
  const value = (key: string): string | undefined => config[`${family}.${key}`] || undefined;
  const address = (key: string): Address | undefined => {
    const text = value(key);
    return text === undefined ? undefined : parseAddress(text, family);
  };
  const ranges = (key: string): AddressRange[] => listItems(value(key)).map((range) => parseRange(range, family));
  const own = value('address') ?? 'none';
  if (own === 'none') return undefined;
  return {
    address: parseSubnet(own, family),
    dhcp: isTrueOrUnset(value('dhcp'))
      ? {
          ranges: ranges('dhcp.ranges'),
          expiry: value('dhcp.expiry') ?? '1h',
          gateway: family === 'ipv4' ? address('dhcp.gateway') : undefined,
          stateful: family === 'ipv4' || isTrue(value('dhcp.stateful')),
        }
      : undefined,
    nat: isTrue(value('nat'))
      ? { source: address('nat.address'), order: value('nat.order') === 'after' ? 'after' : 'before' }
      : undefined,
    firewall: isTrueOrUnset(value('firewall')),
    routing: isTrueOrUnset(value('routing')),
    routes: listItems(value('routes')).map((route) => networkOf(parseSubnet(route, family))),
    reserved: ranges('ovn.ranges'),
  };
};

const tunnelSettings = (network: string, config: Config): Tunnel[] => {
  const names = Object.keys(config).flatMap((key) => /^tunnel\.([^.]+)\.protocol$/.exec(key)?.[1] ?? []);
  return names.sort().flatMap((name): Tunnel[] => {
    const value = (key: string): string | undefined => config[`tunnel.${name}.${key}`] || undefined;
    const address = (key: string): Address | undefined => {
      const text = value(key);
      return text === undefined ? undefined : parseAddress(text);
    };
    const protocol = value('protocol');
    if (protocol !== 'vxlan' && protocol !== 'gre') return [];
    return [
      {
        link: `${network}-${name}`,
        protocol,
        local: address('local'),
        remote: address('remote'),
        group: address('group') ?? parseAddress('239.0.0.1'),
        id: Number(value('id') ?? 0),
        port: Number(value('port') ?? 0),
        interface: value('interface'),
        ttl: Number(value('ttl') ?? 1),
      },
    ];
  });
};

const dnsSettings = (config: Config): Dns => {
  const mode = config['dns.mode'];
  return {
    mode: mode === 'none' || mode === 'dynamic' ? mode : 'managed',
    domain: config['dns.domain'] || 'lxd',
    search: listItems(config['dns.search']),
  };
};

/**
 * Reads a configuration whose single values have been checked.
 *
 * @throws LxdError bad-request when an address is still `auto`, or is malformed
 */
export const readSettings = (name: string, config: Config): BridgeSettings => {
  const tunnels = tunnelSettings(name, config);
  return {
    name,
    mtu: Number(config['bridge.mtu'] || (tunnels.length > 0 ? tunnelMtu : defaultMtu)),
    hwaddr: config['bridge.hwaddr']?.toLowerCase() || undefined,
    externalInterfaces: listItems(config['bridge.external_interfaces']),
    ipv4: familySettings('ipv4', config),
    ipv6: familySettings('ipv6', config),
    dns: dnsSettings(config),
    tunnels,
    raw: config['raw.dnsmasq'] ?? '',
  };
};

/** The families in use, IPv4 first. */
export const activeFamilies = (settings: BridgeSettings): FamilySettings[] =>
  [settings.ipv4, settings.ipv6].filter((family) => family !== undefined);
