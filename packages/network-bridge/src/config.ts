/** The configuration keys of bridge networks (docs/spec/config/network.yaml, section bridge). */
import { type ConfigKey, each, isInterfaceName, orWords } from '@lxd-ts/driver-kit';
import { type Family, families } from './addresses.ts';
import { isAddress, isDomain, isHostSubnet, isLeaseTime, isNetwork, isRange, isUnicastHwaddr } from './checks.ts';

const label: Readonly<Record<Family, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' };

const familyKeys = (family: Family): ConfigKey[] => {
  const name = label[family];
  const addressed = `${name} address set`;
  const dhcp = `${name} DHCP`;
  const key = (suffix: string, rest: Omit<ConfigKey, 'key'>): ConfigKey => ({ key: `${family}.${suffix}`, ...rest });
  return [
    key('address', {
      type: 'string',
      condition: 'standard mode',
      description: `${name} address of the bridge in CIDR notation, none to disable ${name}, auto for a random unused subnet`,
      check: orWords(['none', 'auto'], isHostSubnet(family)),
    }),
    key('dhcp', {
      type: 'bool',
      default: 'true',
      condition: addressed,
      description:
        family === 'ipv4' ? 'Assign addresses by DHCP' : 'Supply further network settings by DHCPv6 besides SLAAC',
    }),
    key('dhcp.expiry', {
      type: 'string',
      default: '1h',
      condition: dhcp,
      description: 'Lifetime of leases',
      check: isLeaseTime,
    }),
    key('dhcp.ranges', {
      type: 'list',
      condition: family === 'ipv4' ? dhcp : 'IPv6 stateful DHCP',
      description: 'Comma-separated FIRST-LAST ranges to assign from (default: the whole subnet)',
      check: each(isRange(family)),
    }),
    key('firewall', {
      type: 'bool',
      default: 'true',
      condition: addressed,
      description: `Install ${name} filter rules for the bridge`,
    }),
    key('nat', {
      type: 'bool',
      default: 'false',
      condition: addressed,
      description: `Translate the source of ${name} traffic that leaves the subnet (true at creation with an automatic address)`,
    }),
    key('nat.address', {
      type: 'string',
      condition: addressed,
      description: 'Fixed source address of translated traffic',
      check: isAddress(family),
    }),
    key('nat.order', {
      type: 'string',
      default: 'before',
      values: ['before', 'after'],
      condition: addressed,
      description: 'Whether NAT rules act before or after those that exist already',
    }),
    key('routes', {
      type: 'list',
      condition: addressed,
      description: `Comma-separated further ${name} subnets that are routed to the bridge`,
      check: each(isNetwork(family)),
    }),
    key('routing', {
      type: 'bool',
      default: 'true',
      condition: addressed,
      description: `Forward ${name} traffic into and out of the bridge`,
    }),
    key('ovn.ranges', {
      type: 'list',
      condition: 'used by OVN networks that name this network as uplink',
      description: 'Comma-separated FIRST-LAST ranges kept for the routers of child OVN networks; DHCP leaves them out',
      check: each(isRange(family)),
    }),
  ];
};

/** Stored for the parts of the server that announce and register networks; the driver itself does not read them. */
const storedKeys: readonly ConfigKey[] = [
  {
    key: 'bgp.peers.NAME.address',
    type: 'string',
    condition: 'BGP server enabled',
    description: 'Address of the peer router',
    check: isAddress(),
  },
  {
    key: 'bgp.peers.NAME.asn',
    type: 'integer',
    min: 1,
    max: 4294967294,
    condition: 'BGP server enabled',
    description: 'AS number of the peer',
  },
  { key: 'bgp.peers.NAME.password', type: 'string', condition: 'BGP server enabled', description: 'Session password' },
  {
    key: 'bgp.peers.NAME.holdtime',
    type: 'integer',
    default: '180',
    min: 9,
    max: 65535,
    condition: 'BGP server enabled',
    description: 'Session hold time in seconds',
  },
  ...families.flatMap((family): ConfigKey[] => [
    {
      key: `bgp.${family}.nexthop`,
      type: 'string',
      scope: 'local',
      condition: 'BGP server enabled',
      description: `Next hop announced with ${label[family]} prefixes (default: the local address of the session)`,
      check: isAddress(family),
    },
    {
      key: `maas.subnet.${family}`,
      type: 'string',
      condition: `${label[family]} address set and a MAAS server configured`,
      description: `MAAS ${label[family]} subnet in which instances are registered`,
    },
  ]),
  { key: 'user.*', type: 'string', description: "Free-form data of the user's own" },
];

const tunnelKeys: readonly ConfigKey[] = [
  {
    key: 'tunnel.NAME.protocol',
    type: 'string',
    values: ['vxlan', 'gre'],
    condition: 'standard mode',
    description: 'Encapsulation of the tunnel',
  },
  {
    key: 'tunnel.NAME.local',
    type: 'string',
    condition: 'gre or vxlan',
    description: 'Local end; not needed for multicast vxlan',
    check: isAddress(),
  },
  {
    key: 'tunnel.NAME.remote',
    type: 'string',
    condition: 'gre or vxlan',
    description: 'Remote end; not needed for multicast vxlan',
    check: isAddress(),
  },
  {
    key: 'tunnel.NAME.group',
    type: 'string',
    default: '239.0.0.1',
    condition: 'vxlan',
    description: 'Multicast group, used when neither local nor remote is set',
    check: isAddress(),
  },
  {
    key: 'tunnel.NAME.id',
    type: 'integer',
    default: '0',
    min: 0,
    max: 16777215,
    condition: 'vxlan',
    description: 'VXLAN network identifier',
  },
  {
    key: 'tunnel.NAME.port',
    type: 'integer',
    default: '0',
    min: 0,
    max: 65535,
    condition: 'vxlan',
    description: "UDP port; 0 is the kernel's own",
  },
  {
    key: 'tunnel.NAME.interface',
    type: 'string',
    condition: 'vxlan',
    description: 'Host interface that carries a multicast tunnel (default: that of the default route)',
    check: isInterfaceName,
  },
  {
    key: 'tunnel.NAME.ttl',
    type: 'integer',
    default: '1',
    min: 1,
    max: 255,
    condition: 'vxlan',
    description: 'Time to live of multicast packets',
  },
];

export const bridgeConfig: readonly ConfigKey[] = [
  {
    key: 'bridge.driver',
    type: 'string',
    default: 'native',
    values: ['native'],
    description: 'Implementation of the bridge',
  },
  {
    key: 'bridge.mode',
    type: 'string',
    default: 'standard',
    values: ['standard'],
    description: 'Mode of the bridge',
  },
  {
    key: 'bridge.external_interfaces',
    type: 'list',
    scope: 'local',
    description: 'Comma-separated unconfigured host interfaces to join to the bridge',
    check: each(isInterfaceName),
  },
  {
    key: 'bridge.hwaddr',
    type: 'string',
    description: 'MAC address of the bridge (default: one chosen at creation)',
    check: isUnicastHwaddr,
  },
  {
    key: 'bridge.mtu',
    type: 'integer',
    default: '1500',
    min: 1280,
    max: 16384,
    description: 'MTU of the bridge (default 1400 with tunnels)',
  },
  {
    key: 'dns.mode',
    type: 'string',
    default: 'managed',
    values: ['none', 'managed', 'dynamic'],
    description: 'Names served: none, those of instances by their NICs, or those that clients ask for',
  },
  {
    key: 'dns.domain',
    type: 'string',
    default: 'lxd',
    description: 'Domain told to clients and served by the resolver',
    check: isDomain,
  },
  {
    key: 'dns.search',
    type: 'list',
    description: 'Comma-separated search list told to clients (default: dns.domain)',
    check: each(isDomain),
  },
  ...familyKeys('ipv4'),
  {
    key: 'ipv4.dhcp.gateway',
    type: 'string',
    condition: 'IPv4 DHCP',
    description: 'Gateway told to clients (default: the address of the bridge)',
    check: isAddress('ipv4'),
  },
  ...familyKeys('ipv6'),
  {
    key: 'ipv6.dhcp.stateful',
    type: 'bool',
    default: 'false',
    condition: 'IPv6 DHCP',
    description: 'Assign addresses by DHCPv6 instead of SLAAC',
  },
  {
    key: 'raw.dnsmasq',
    type: 'blob',
    description: 'Text appended to the configuration of dnsmasq',
  },
  ...tunnelKeys,
  ...storedKeys,
];
