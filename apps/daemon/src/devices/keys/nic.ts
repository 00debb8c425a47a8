/** Keys of each NIC type (spec 03 §25). */
import {
  type ConfigKey,
  each,
  isIpv4Address,
  isIpv4Subnet,
  isIpv6Address,
  isIpv6Subnet,
  orWords,
} from '@lxd-ts/driver-kit';
import { bootPriority } from './ids.ts';
import {
  externalRoutes,
  gvrp,
  hostName,
  hostTables,
  hwaddr,
  limits,
  maas,
  macFiltering,
  mtu,
  name,
  network,
  nictype,
  parent,
  routes,
  txQueueLength,
  vlan,
} from './nic-common.ts';

const bool = (key: string, description: string, value = 'false'): ConfigKey => ({
  key,
  type: 'bool',
  default: value,
  description,
});

/** NICs that take over an interface of the host or share it. */
const onInterface = (type: string): readonly ConfigKey[] => [
  nictype(type),
  network,
  parent,
  bootPriority,
  gvrp,
  hwaddr,
  ...maas,
  mtu,
  name,
  vlan,
];

const sriov: readonly ConfigKey[] = [
  nictype('sriov'),
  network,
  parent,
  bootPriority,
  hwaddr,
  ...maas,
  mtu,
  name,
  macFiltering,
  vlan,
];

const defaultAction = (direction: string): readonly ConfigKey[] => [
  {
    key: `security.acls.default.${direction}.action`,
    type: 'string',
    default: 'reject',
    values: ['allow', 'reject', 'drop'],
    description: `What happens to ${direction} traffic that matches no rule`,
  },
  bool(`security.acls.default.${direction}.logged`, `Log ${direction} traffic that matches no rule`),
];

const ovn: readonly ConfigKey[] = [
  { ...nictype('ovn'), internal: true },
  { ...network, condition: 'required' },
  {
    key: 'acceleration',
    type: 'string',
    default: 'none',
    values: ['none', 'sriov', 'vdpa'],
    description: 'Hardware offload',
  },
  bootPriority,
  hostName,
  hwaddr,
  { key: 'ipv4.address', type: 'string', description: 'Static DHCPv4 address', check: isIpv4Address },
  { key: 'ipv6.address', type: 'string', description: 'Static DHCPv6 address', check: isIpv6Address },
  ...routes,
  ...externalRoutes,
  name,
  { key: 'nested', type: 'string', description: 'NIC of this instance that this one is tunnelled under, with vlan' },
  { key: 'security.acls', type: 'list', description: 'Network ACLs to apply' },
  ...defaultAction('egress'),
  ...defaultAction('ingress'),
  { ...vlan, description: 'VLAN ID of the tunnel under another NIC, with nested' },
];

const ipvlanFamily = (family: 'ipv4' | 'ipv6', bits: number): readonly ConfigKey[] => {
  const [isOwn, isOwnSubnet] = family === 'ipv4' ? [isIpv4Address, isIpv4Subnet] : [isIpv6Address, isIpv6Subnet];
  return [
    {
      key: `${family}.address`,
      type: 'list',
      description: `Static addresses; in l2 mode with the length of the prefix, /${bits} when left out`,
      check: each((value) => (value.includes('/') ? isOwnSubnet(value) : isOwn(value))),
    },
    {
      key: `${family}.gateway`,
      type: 'string',
      description: 'In l3s mode auto (the default) or none for a default route; in l2 mode the gateway address',
      check: orWords(['auto', 'none'], isOwn),
    },
  ];
};

const ipvlan: readonly ConfigKey[] = [
  nictype('ipvlan'),
  { ...parent, condition: 'required' },
  gvrp,
  hwaddr,
  ...ipvlanFamily('ipv4', 24),
  ...ipvlanFamily('ipv6', 64),
  ...hostTables,
  { key: 'mode', type: 'string', default: 'l3s', values: ['l3s', 'l2'], description: 'Mode of the ipvlan interface' },
  mtu,
  name,
  txQueueLength,
  vlan,
];

const routedFamily = (family: 'ipv4' | 'ipv6', hostAddress: string): readonly ConfigKey[] => {
  const isOwn = family === 'ipv4' ? isIpv4Address : isIpv6Address;
  return [
    { key: `${family}.address`, type: 'list', description: 'Static addresses', check: each(isOwn) },
    {
      key: `${family}.gateway`,
      type: 'string',
      default: 'auto',
      values: ['auto', 'none'],
      description: 'Whether to add a default route',
    },
    {
      key: `${family}.host_address`,
      type: 'string',
      default: hostAddress,
      description: 'Address on the host end',
      check: isOwn,
    },
    bool(`${family}.neighbor_probe`, "Probe the parent's network for conflicting addresses first", 'true'),
  ];
};

const routed: readonly ConfigKey[] = [
  nictype('routed'),
  parent,
  gvrp,
  hostName,
  hwaddr,
  ...routedFamily('ipv4', '169.254.0.1'),
  ...routedFamily('ipv6', 'fe80::1'),
  ...hostTables,
  ...routes,
  ...limits,
  mtu,
  name,
  txQueueLength,
  vlan,
];

/** Keys by `nictype`; those of bridged and p2p NICs stand with their drivers in the package of bridges. */
export const nicKeys = {
  macvlan: onInterface('macvlan'),
  physical: onInterface('physical'),
  sriov,
  ovn,
  ipvlan,
  routed,
} as const;
