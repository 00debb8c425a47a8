/** The configuration keys of bridged and p2p NICs (docs/spec/config/devices.yaml, section nic). */
import { badRequest, type ConfigKey, each, isInterfaceName, orWords } from '@lxd-ts/driver-kit';
import { type Family, families } from '../addresses.ts';
import { isAddress, isNetwork, isUnicastHwaddr } from '../checks.ts';
import { parseBitRate } from './limits.ts';
import { parseVlans } from './vlan.ts';

const label: Readonly<Record<Family, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' };

const rate = (value: string): void => {
  parseBitRate(value);
};

const common: readonly ConfigKey[] = [
  { key: 'nictype', type: 'string', description: 'Type of the NIC; derived when network is set' },
  { key: 'name', type: 'string', description: 'Name of the interface in the instance', check: isInterfaceName },
  {
    key: 'host_name',
    type: 'string',
    description: 'Name of the interface on the host (default: random)',
    check: isInterfaceName,
  },
  { key: 'hwaddr', type: 'string', description: 'MAC address of the NIC (default: random)', check: isUnicastHwaddr },
  {
    key: 'mtu',
    type: 'integer',
    min: 68,
    max: 65535,
    description: 'MTU of the interface (default: that of the bridge; for p2p the default of the kernel)',
  },
  {
    key: 'queue.tx.length',
    type: 'integer',
    min: 0,
    max: 1_000_000,
    description: 'Transmit queue length of the NIC, in packets',
  },
  {
    key: 'limits.ingress',
    type: 'string',
    live: true,
    description: 'Limit of incoming traffic in bit/s, with units (100Mbit)',
    check: rate,
  },
  {
    key: 'limits.egress',
    type: 'string',
    live: true,
    description: 'Limit of outgoing traffic in bit/s, with units (100Mbit)',
    check: rate,
  },
  {
    key: 'limits.max',
    type: 'string',
    live: true,
    description: 'The same as setting both limits.ingress and limits.egress',
    check: rate,
  },
  ...families.map(
    (family): ConfigKey => ({
      key: `${family}.routes`,
      type: 'list',
      live: true,
      description: `Comma-separated ${label[family]} subnets that the host routes to the NIC`,
      check: each(isNetwork(family)),
    }),
  ),
  {
    key: 'boot.priority',
    type: 'integer',
    min: 0,
    max: 4_294_967_295,
    condition: 'virtual machines',
    description: 'Boot rank of the NIC; larger boots earlier',
  },
  { key: 'user.*', type: 'string', live: true, description: "Free-form data of the user's own" },
];

export const p2pConfig: readonly ConfigKey[] = common;

export const bridgedConfig: readonly ConfigKey[] = [
  ...common,
  { key: 'network', type: 'string', description: 'Managed network to join; excludes nictype' },
  {
    key: 'parent',
    type: 'string',
    condition: 'without network',
    description: 'Bridge of the host to join',
    check: isInterfaceName,
  },
  ...families.flatMap((family): ConfigKey[] => [
    {
      key: `${family}.address`,
      type: 'string',
      live: true,
      description: `${label[family]} address assigned by DHCP; none blocks ${label[family]} where it is filtered`,
      check: orWords(['none'], isAddress(family)),
    },
    {
      key: `${family}.routes.external`,
      type: 'list',
      live: true,
      description: `Comma-separated ${label[family]} subnets routed to the NIC and announced upstream by BGP`,
      check: each(isNetwork(family)),
    },
    {
      key: `security.${family}_filtering`,
      type: 'bool',
      default: 'false',
      live: true,
      description: `Keep the instance from using another's ${label[family]} address; turns on MAC filtering`,
    },
    {
      key: `maas.subnet.${family}`,
      type: 'string',
      condition: 'without network, with a MAAS server configured',
      description: `MAAS ${label[family]} subnet in which the instance is registered`,
    },
  ]),
  {
    key: 'security.mac_filtering',
    type: 'bool',
    default: 'false',
    live: true,
    description: "Keep the instance from using another's MAC address",
  },
  {
    key: 'security.port_isolation',
    type: 'bool',
    default: 'false',
    description: 'No traffic to other isolated NICs of the network',
  },
  {
    key: 'vlan',
    type: 'string',
    condition: 'a bridge with VLAN filtering',
    description: 'VLAN of untagged traffic; none for no VLAN at all',
    check: orWords(['none'], (value) => {
      if (!/^[0-9]+$/.test(value)) throw badRequest('must be one VLAN from 1 to 4094');
      parseVlans(value);
    }),
  },
  {
    key: 'vlan.tagged',
    type: 'list',
    condition: 'a bridge with VLAN filtering',
    description: 'Comma-separated VLANs or ranges of VLANs (10,20-29) joined with tagged traffic',
    check: each((value) => {
      parseVlans(value);
    }),
  },
];
