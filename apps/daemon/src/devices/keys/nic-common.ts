/** Keys that several NIC types share (spec 03 §24, §25). */
import { type ConfigKey, each, isHwaddr, isInterfaceName, isIpv4Subnet, isIpv6Subnet } from '@lxd-ts/driver-kit';
import { isBitRate } from '../../config/checks.ts';
import { largestId } from './ids.ts';

export const nictype = (type: string): ConfigKey => ({
  key: 'nictype',
  type: 'string',
  values: [type],
  condition: 'without network',
  description: `The NIC type ${type}; follows from the network where one is given`,
});

export const network: ConfigKey = {
  key: 'network',
  type: 'string',
  condition: 'without nictype',
  description: 'Managed network to join',
};

export const parent: ConfigKey = {
  key: 'parent',
  type: 'string',
  condition: 'without network',
  description: 'Host interface to build on',
};

export const hwaddr: ConfigKey = {
  key: 'hwaddr',
  type: 'string',
  description: 'MAC address of the NIC; random when unset',
  check: isHwaddr,
};

export const hostName: ConfigKey = {
  key: 'host_name',
  type: 'string',
  description: 'Host-side interface name; random when unset',
  check: isInterfaceName,
};

export const name: ConfigKey = {
  key: 'name',
  type: 'string',
  description: 'Interface name seen in the instance; chosen by the kernel when unset',
  check: isInterfaceName,
};

export const mtu: ConfigKey = {
  key: 'mtu',
  type: 'integer',
  min: 1280,
  max: 16_384,
  description: 'Interface MTU; that of the parent or the kernel when unset',
};

export const gvrp: ConfigKey = {
  key: 'gvrp',
  type: 'bool',
  default: 'false',
  description: 'Announce the VLAN through GVRP',
};

export const vlan: ConfigKey = {
  key: 'vlan',
  type: 'integer',
  min: 0,
  max: 4094,
  description: 'VLAN ID to attach to',
};

export const txQueueLength: ConfigKey = {
  key: 'queue.tx.length',
  type: 'integer',
  min: 0,
  max: largestId,
  description: 'Transmit queue length of the NIC',
};

export const macFiltering: ConfigKey = {
  key: 'security.mac_filtering',
  type: 'bool',
  default: 'false',
  description: 'Block MAC spoofing',
};

const limit = (key: string, description: string): ConfigKey => ({
  key,
  type: 'string',
  live: true,
  description,
  check: isBitRate,
});

export const limits: readonly ConfigKey[] = [
  limit('limits.egress', 'Outbound rate in bit/s, units allowed'),
  limit('limits.ingress', 'Inbound rate in bit/s, units allowed'),
  limit('limits.max', 'Sets both limits.ingress and limits.egress'),
];

export const maas: readonly ConfigKey[] = [
  { key: 'maas.subnet.ipv4', type: 'string', description: 'MAAS IPv4 subnet in which the instance is registered' },
  { key: 'maas.subnet.ipv6', type: 'string', description: 'MAAS IPv6 subnet in which the instance is registered' },
];

/** Keys of the two address families, which differ in their subnets alone. */
const bothFamilies = (key: string, description: (family: string) => string): readonly ConfigKey[] => [
  { key: `ipv4.${key}`, type: 'list', description: description('IPv4'), check: each(isIpv4Subnet) },
  { key: `ipv6.${key}`, type: 'list', description: description('IPv6'), check: each(isIpv6Subnet) },
];

export const routes = bothFamilies('routes', (family) => `${family} routes that the host points at the NIC`);

export const externalRoutes = bothFamilies(
  'routes.external',
  (family) => `${family} routes that the host points at the NIC and announces upstream`,
);

export const hostTables: readonly ConfigKey[] = ['ipv4', 'ipv6'].map((family) => ({
  key: `${family}.host_table`,
  type: 'integer',
  min: 0,
  max: largestId,
  description: 'Further policy routing table that receives the routes, besides main',
}));
