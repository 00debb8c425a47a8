/**
 * What an instance may send: a chain on the ingress of the host's end of its pair, before the bridge sees a frame
 * (nft(8), family netdev). One table per NIC, replaced whole in one transaction.
 */
import { deleteNftTable, replaceNftTable } from '@lxd-ts/host';
import {
  type Address,
  autoconfigured,
  formatAddress,
  formatSubnet,
  inSubnet,
  parseSubnet,
  type Subnet,
} from '../addresses.ts';

export interface Filter {
  /** The only source address of frames; unset: any. */
  readonly hwaddr: string | undefined;
  /** Sources the instance may use, none to block the family; unset: any. */
  readonly ipv4: readonly Subnet[] | undefined;
  readonly ipv6: readonly Subnet[] | undefined;
}

/** A single address as the subnet that holds nothing else. */
export const hostSubnet = (address: Address): Subnet => ({
  ...address,
  prefix: address.family === 'ipv4' ? 32 : 128,
});

/** Without those that lie in others, which nft refuses in a set. */
const widest = (subnets: readonly Subnet[]): Subnet[] =>
  subnets.filter(
    (subnet, at) =>
      !subnets.some(
        (other, otherAt) =>
          otherAt !== at &&
          inSubnet(other, subnet) &&
          (other.prefix < subnet.prefix || (other.prefix === subnet.prefix && otherAt < at)),
      ),
  );

const list = (subnets: readonly Subnet[]): string =>
  `{ ${widest(subnets)
    .map((subnet) => (subnet.prefix === hostSubnet(subnet).prefix ? formatAddress(subnet) : formatSubnet(subnet)))
    .join(', ')} }`;

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** Offsets into a neighbour advertisement, in bits: its target, and the link address in its first option (RFC 4861 4.4, 4.6.1). */
const advertisedTarget = 64;
const advertisedHwaddr = 208;

const macRules = (hwaddr: string): string[] => [
  `ether saddr != ${hwaddr} drop`,
  `arp saddr ether != ${hwaddr} drop`,
  `icmpv6 type nd-neighbor-advert @th,${advertisedHwaddr},48 != 0x${hwaddr.replaceAll(':', '')} drop`,
];

const ipv4Rules = (sources: readonly Subnet[]): string[] =>
  sources.length === 0
    ? ['ether type { ip, arp } drop']
    : [
        'ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp dport 67 accept',
        // A probe claims nothing yet (RFC 5227 2.1.1).
        `arp saddr ip { 0.0.0.0, ${list(sources).slice(2)} accept`,
        'ether type arp drop',
        `ip saddr ${list(sources)} accept`,
        'ether type ip drop',
      ];

/** Whether the target of an advertisement lies within a subnet. */
const targets = ({ value, prefix }: Subnet): string =>
  `icmpv6 type nd-neighbor-advert @th,${advertisedTarget},${prefix} ${hex(value >> BigInt(128 - prefix))}`;

const ipv6Rules = (given: readonly Subnet[], hwaddr: string): string[] => {
  if (given.length === 0) return ['ether type ip6 drop'];
  const sources = [...given, hostSubnet(autoconfigured(parseSubnet('fe80::/64'), hwaddr))];
  return [
    // Asking for an address or a router, with whatever link-local address the instance has chosen.
    'ip6 saddr fe80::/10 ip6 daddr ff02::1:2 udp dport 547 accept',
    'ip6 saddr fe80::/10 ip6 daddr ff02::2 icmpv6 type nd-router-solicit accept',
    'icmpv6 type nd-router-advert drop',
    `ip6 saddr != ${list(sources)} drop`,
    ...sources.map((source) => `${targets(source)} accept`),
    'icmpv6 type nd-neighbor-advert drop',
    'ether type ip6 accept',
  ];
};

const rules = ({ hwaddr, ipv4, ipv6 }: Filter): string[] => [
  ...(hwaddr === undefined ? [] : macRules(hwaddr)),
  // Frames in VLANs, also nested ones, would carry what the rules below cannot see.
  ...(ipv4 || ipv6 ? ['ether type != { arp, ip, ip6 } drop'] : []),
  ...(ipv4 ? ipv4Rules(ipv4) : []),
  ...(ipv6 ? ipv6Rules(ipv6, hwaddr ?? '') : []),
];

/** Whether there is anything to filter. */
export const isFilter = ({ hwaddr, ipv4, ipv6 }: Filter): boolean =>
  [hwaddr, ipv4, ipv6].some((part) => part !== undefined);

/**
 * Text for `applyNft` that puts a NIC's filter in the place of an earlier one; without rules it only removes that.
 *
 * @param link - the host's end of the pair
 */
export const filterRules = (table: string, link: string, filter: Filter): string => {
  if (!isFilter(filter)) return deleteNftTable('netdev', table);
  const hook = { type: 'filter', hook: 'ingress', device: link, priority: 'filter' } as const;
  return replaceNftTable({
    family: 'netdev',
    name: table,
    chains: [{ name: 'from_instance', hook, rules: rules(filter) }],
  });
};
