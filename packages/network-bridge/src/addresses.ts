/** Addresses, subnets and ranges as numbers, so that they can be compared and counted. */
import { isIP } from 'node:net';
import { badRequest, listItems as splitList } from '@lxd-ts/driver-kit';
import ipaddr from 'ipaddr.js';

export type Family = 'ipv4' | 'ipv6';

export const families: readonly Family[] = ['ipv4', 'ipv6'];
export const addressBits: Readonly<Record<Family, number>> = { ipv4: 32, ipv6: 128 };
const label: Readonly<Record<Family, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' };

export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

/** An address with the length of its network's prefix, as in `10.1.2.3/24`. */
export interface Subnet extends Address {
  readonly prefix: number;
}

/** Inclusive. */
export interface AddressRange {
  readonly first: Address;
  readonly last: Address;
}

/** Reads a plain address: dotted quad or RFC 4291 text, without zone. Undefined when it is none. */
export const readAddress = (text: string): Address | undefined => {
  const version = isIP(text);
  if (version === 0 || text.includes('%')) return undefined;
  const value = ipaddr
    .parse(text)
    .toByteArray()
    .reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { family: version === 4 ? 'ipv4' : 'ipv6', value };
};

/** @throws LxdError bad-request, a fragment for a configuration check */
export const parseAddress = (text: string, family?: Family): Address => {
  const address = readAddress(text);
  if (!address || (family && address.family !== family)) {
    throw badRequest(`must be an ${family ? label[family] : 'IP'} address`);
  }
  return address;
};

/** The address as text; IPv6 as RFC 5952 has it. */
export const formatAddress = ({ family, value }: Address): string => {
  const length = addressBits[family] / 8;
  const bytes = Array.from({ length }, (_, at) => Number((value >> BigInt(8 * (length - 1 - at))) & 0xffn));
  return ipaddr.fromByteArray(bytes).toString();
};

export const formatSubnet = (subnet: Subnet): string => `${formatAddress(subnet)}/${subnet.prefix}`;

/**
 * Reads `ADDRESS/PREFIX`; the address may be one inside the network.
 *
 * @throws LxdError bad-request, a fragment for a configuration check
 */
export const parseSubnet = (text: string, family?: Family): Subnet => {
  const [, host = '', length = ''] = /^([^/]*)\/([0-9]{1,3})$/.exec(text) ?? [];
  const address = readAddress(host);
  const prefix = Number(length);
  if (!address || (family && address.family !== family) || prefix > addressBits[address.family]) {
    const example = family === 'ipv6' ? 'fd42::1/64' : '10.0.0.1/24';
    throw badRequest(`must be an ${family ? label[family] : 'IP'} address with prefix length such as ${example}`);
  }
  return { ...address, prefix };
};

const hostMask = ({ family, prefix }: Subnet): bigint => (1n << BigInt(addressBits[family] - prefix)) - 1n;

/** First address of the subnet: the network itself. */
export const networkOf = (subnet: Subnet): Subnet => ({ ...subnet, value: subnet.value & ~hostMask(subnet) });

/** All addresses of the subnet, network and broadcast address included. */
export const rangeOf = (subnet: Subnet): AddressRange => {
  const first = networkOf(subnet);
  return {
    first: { family: subnet.family, value: first.value },
    last: { family: subnet.family, value: first.value | hostMask(subnet) },
  };
};

/** The addresses hosts may have: without network and broadcast address (IPv4) or the router's anycast address (IPv6). */
export const hostRangeOf = (subnet: Subnet): AddressRange => {
  const { first, last } = rangeOf(subnet);
  const spare = addressBits[subnet.family] - subnet.prefix;
  if (spare <= 1) return { first, last };
  return {
    first: { ...first, value: first.value + 1n },
    last: { ...last, value: subnet.family === 'ipv4' ? last.value - 1n : last.value },
  };
};

export const inRange = ({ first, last }: AddressRange, address: Address): boolean =>
  address.family === first.family && address.value >= first.value && address.value <= last.value;

export const inSubnet = (subnet: Subnet, address: Address): boolean => inRange(rangeOf(subnet), address);

export const overlaps = (a: AddressRange, b: AddressRange): boolean =>
  a.first.family === b.first.family && a.first.value <= b.last.value && b.first.value <= a.last.value;

/** @throws LxdError bad-request, a fragment for a configuration check */
export const parseRange = (text: string, family: Family): AddressRange => {
  const [first, last, ...rest] = text.split('-').map((end) => readAddress(end.trim()));
  if (first?.family !== family || last?.family !== family || rest.length > 0 || first.value > last.value) {
    throw badRequest(`must be a range FIRST-LAST of ${label[family]} addresses`);
  }
  return { first, last };
};

/** The items of a comma-separated list that may be unset. */
export const listItems = (value: string | undefined): string[] => (value ? splitList(value) : []);

const macBytes = (hwaddr: string): bigint[] => hwaddr.split(':').map((byte) => BigInt(`0x${byte}`));

/**
 * The address a host gives itself by stateless autoconfiguration (RFC 4291 appendix A: modified EUI-64).
 *
 * @param subnet - a /64
 */
export const autoconfigured = (subnet: Subnet, hwaddr: string): Address => {
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = macBytes(hwaddr);
  const identifier = [a ^ 2n, b, c, 0xffn, 0xfen, d, e, f].reduce((sum, byte) => (sum << 8n) | byte, 0n);
  return { family: 'ipv6', value: networkOf(subnet).value | identifier };
};
