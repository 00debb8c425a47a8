/**
 * A network's rules: one nftables table of our own per network, replaced whole in one transaction, so that there is no
 * moment without rules and nothing of another table (a real LXD's `inet lxd`, the administrator's) is touched.
 * nft(8); hook priorities as there: `srcnat` is 100, `filter` is 0.
 */
import { deleteNftTable, type NftChain, nftString, replaceNftTable } from '@lxd-ts/host';
import { formatAddress, formatSubnet, networkOf } from './addresses.ts';
import { activeFamilies, type BridgeSettings, type FamilySettings, type Nat } from './settings.ts';

/** The table that holds the rules of a network. Names in nft(8) may hold whatever an interface name of ours may. */
export const tableOf = (network: string): string => `lxdts_net_${network}`;

type Hook = NonNullable<NftChain['hook']>;

/** A chain, unless it has nothing to say. */
const chain = (name: string, hook: Hook, rules: readonly string[]): NftChain[] =>
  rules.length === 0 ? [] : [{ name, hook, rules }];

/** `ip` or `ip6`, as expressions of nft(8) begin. */
const nftFamily = ({ address }: FamilySettings): 'ip' | 'ip6' => (address.family === 'ipv4' ? 'ip' : 'ip6');

const natRules = (families: readonly FamilySettings[], order: Nat['order']): string[] =>
  families.flatMap((family) => {
    if (family.nat?.order !== order) return [];
    const ip = nftFamily(family);
    const subnet = formatSubnet(networkOf(family.address));
    const { source } = family.nat;
    const verdict = source === undefined ? 'masquerade' : `snat ${ip} to ${formatAddress(source)}`;
    return [`${ip} saddr ${subnet} ${ip} daddr != ${subnet} ${verdict}`];
  });

/** Forwarding is permitted, or refused where routing is off. Traffic inside the bridge is no business of ours. */
const forwardRules = (bridge: string, family: FamilySettings): string[] => {
  const version = family.address.family;
  if (!family.routing) {
    const reject = `reject with ${version === 'ipv4' ? 'icmp' : 'icmpv6'} type admin-prohibited`;
    return [
      `meta nfproto ${version} iifname ${bridge} oifname != ${bridge} ${reject}`,
      `meta nfproto ${version} oifname ${bridge} iifname != ${bridge} ${reject}`,
    ];
  }
  if (!family.firewall) return [];
  return [`meta nfproto ${version} iifname ${bridge} accept`, `meta nfproto ${version} oifname ${bridge} accept`];
};

const icmpErrors = 'icmp type { destination-unreachable, time-exceeded, parameter-problem }';
const icmpv6Errors = 'destination-unreachable, packet-too-big, time-exceeded, parameter-problem';

/** What the host must take in from the bridge so that DHCP, DNS and router advertisements work. */
const inputRules = (bridge: string, { ipv4, ipv6 }: BridgeSettings): string[] => [
  ...(ipv4 || ipv6 ? [`iifname ${bridge} meta l4proto { tcp, udp } th dport 53 accept`] : []),
  ...(ipv4 ? [`iifname ${bridge} ${icmpErrors} accept`] : []),
  ...(ipv4?.dhcp ? [`iifname ${bridge} udp dport 67 accept`] : []),
  ...(ipv6
    ? [
        `iifname ${bridge} icmpv6 type { ${icmpv6Errors}, nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept`,
      ]
    : []),
  ...(ipv6?.dhcp ? [`iifname ${bridge} udp dport 547 accept`] : []),
];

const outputRules = (bridge: string, { ipv4, ipv6 }: BridgeSettings): string[] => [
  ...(ipv4 || ipv6 ? [`oifname ${bridge} meta l4proto { tcp, udp } th sport 53 accept`] : []),
  ...(ipv4 ? [`oifname ${bridge} ${icmpErrors} accept`] : []),
  ...(ipv4?.dhcp ? [`oifname ${bridge} udp sport 67 accept`] : []),
  ...(ipv6
    ? [
        `oifname ${bridge} icmpv6 type { ${icmpv6Errors}, echo-request, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept`,
      ]
    : []),
  ...(ipv6?.dhcp ? [`oifname ${bridge} udp sport 547 accept`] : []),
];

/** Text for `applyNft` that puts the network's rules in the place of earlier ones. */
export const firewallRules = (settings: BridgeSettings): string => {
  const families = activeFamilies(settings);
  const bridge = nftString(settings.name);
  const nat = (order: Nat['order'], priority: string): NftChain[] =>
    chain(`nat_${order}`, { type: 'nat', hook: 'postrouting', priority }, natRules(families, order));
  const filter = (hook: Hook['hook'], rules: readonly string[]): NftChain[] =>
    chain(hook, { type: 'filter', hook, priority: 'filter' }, rules);
  const chains = [
    ...nat('before', 'srcnat - 1'),
    ...nat('after', 'srcnat + 1'),
    ...filter(
      'forward',
      families.flatMap((family) => forwardRules(bridge, family)),
    ),
    ...filter('input', inputRules(bridge, settings)),
    ...filter('output', outputRules(bridge, settings)),
  ];
  const table = tableOf(settings.name);
  return chains.length === 0 ? deleteNftTable('inet', table) : replaceNftTable({ family: 'inet', name: table, chains });
};
