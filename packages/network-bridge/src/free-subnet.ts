/** The search for a subnet that nobody uses, for `ipv4.address=auto` and `ipv6.address=auto`. */
import { randomBytes, randomInt } from 'node:crypto';
import { conflict } from '@lxd-ts/driver-kit';
import { listAddresses, listRoutes } from '@lxd-ts/host';
import {
  type AddressRange,
  type Family,
  formatSubnet,
  overlaps,
  parseSubnet,
  rangeOf,
  type Subnet,
} from './addresses.ts';

/**
 * The subnets this host has addresses in or routes to. Only local knowledge is asked: probing foreign addresses proves
 * nothing where a gateway answers for everybody, and the default route, which covers everything, does not count.
 */
const localSubnets = (): string[] => [
  ...listAddresses().map(({ address, prefixLength }) => `${address}/${prefixLength}`),
  ...listRoutes().flatMap(({ destination }) => (destination === 'default' ? [] : [destination])),
];

/** Private IPv4 networks of 256 addresses (RFC 1918), in random order, those of 10.0.0.0/8 first. */
function* ipv4Candidates(): Generator<string> {
  const blocks = [
    { count: 256 * 256, subnet: (at: number) => `10.${at >> 8}.${at & 255}` },
    { count: 16 * 256, subnet: (at: number) => `172.${16 + (at >> 8)}.${at & 255}` },
    { count: 256, subnet: (at: number) => `192.168.${at}` },
  ];
  for (const { count, subnet } of blocks) {
    const start = randomInt(count);
    // A step that has no factor in common with the count visits each once.
    const step = 2 * randomInt(count / 2) + 1;
    for (let at = 0; at < count; at++) yield `${subnet((start + at * step) % count)}.1/24`;
  }
}

/** Networks below fd42::/16, with 48 random bits: unique local addresses (RFC 4193). */
function* ipv6Candidates(): Generator<string> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const hex = randomBytes(6).toString('hex');
    yield `fd42:${hex.slice(0, 4)}:${hex.slice(4, 8)}:${hex.slice(8)}::1/64`;
  }
}

const ranges = (subnets: readonly string[], family: Family): AddressRange[] =>
  subnets.map((subnet) => rangeOf(parseSubnet(subnet))).filter(({ first }) => first.family === family);

/**
 * A random free subnet, with the address its bridge is to have (its first).
 *
 * @param used - further subnets in CIDR notation that must be avoided
 * @returns `10.87.4.1/24`, `fd42:9d2e:71a:fe3::1/64`
 * @throws LxdError conflict when routes or networks cover all private space
 */
export const freeSubnet = (family: Family, used: readonly string[]): string => {
  const taken = ranges([...localSubnets(), ...used], family);
  const isFree = (subnet: Subnet): boolean => !taken.some((range) => overlaps(range, rangeOf(subnet)));
  for (const candidate of family === 'ipv4' ? ipv4Candidates() : ipv6Candidates()) {
    const subnet = parseSubnet(candidate);
    if (isFree(subnet)) return formatSubnet(subnet);
  }
  throw conflict(`No free private subnet is left on this host: set ${family}.address`);
};
