/** Which addresses a bridged NIC has, or may have when its traffic is filtered. */
import { createHash } from 'node:crypto';
import { badRequest, type Config, conflict, isTrue, type Lease } from '@lxd-ts/driver-kit';
import {
  type Address,
  type AddressRange,
  autoconfigured,
  type Family,
  formatAddress,
  formatSubnet,
  inSubnet,
  listItems,
  networkOf,
  parseAddress,
  readAddress,
} from '../addresses.ts';
import { assignedRanges } from '../dnsmasq-config.ts';
import type { BridgeSettings, Dhcp, FamilySettings } from '../settings.ts';

/** The fixed address of the configuration; undefined when there is none, or it is `none`. */
export const fixedAddress = (config: Config, family: Family): Address | undefined => {
  const text = config[`${family}.address`];
  return text && text !== 'none' ? parseAddress(text, family) : undefined;
};

/**
 * Checks fixed addresses against the network that is to serve them.
 *
 * @throws LxdError bad-request
 */
export const checkFixedAddresses = (config: Config, network: BridgeSettings): void => {
  for (const family of ['ipv4', 'ipv6'] as const) {
    const address = fixedAddress(config, family);
    if (!address) continue;
    const key = `${family}.address`;
    const own = network[family];
    if (!own?.dhcp?.stateful) {
      const needed = family === 'ipv4' ? 'ipv4.dhcp' : 'ipv6.dhcp.stateful';
      throw badRequest(`"${key}" cannot be assigned: network "${network.name}" needs an ${key} and ${needed}`);
    }
    if (!inSubnet(own.address, address)) {
      const subnet = formatSubnet(networkOf(own.address));
      throw badRequest(
        `"${key}": ${formatAddress(address)} is not within the subnet ${subnet} of network "${network.name}"`,
      );
    }
    if (address.value === own.address.value) {
      throw badRequest(`"${key}": ${formatAddress(address)} is the address of network "${network.name}" itself`);
    }
  }
};

/** How many addresses a search looks at; a range with more than that in use is full enough. */
const attempts = 65_536n;

/**
 * The addresses of the ranges, from a place on that depends on the NIC alone, so that one that chooses again chooses alike.
 */
function* candidates(ranges: readonly AddressRange[], hwaddr: string): Generator<Address> {
  const sizes = ranges.map(({ first, last }) => last.value - first.value + 1n);
  const total = sizes.reduce((sum, size) => sum + size, 0n);
  if (total === 0n) return;
  const start = BigInt(`0x${createHash('sha256').update(hwaddr).digest('hex').slice(0, 16)}`);
  for (let step = 0n; step < total && step < attempts; step++) {
    let at = (start + step) % total;
    for (const [index, range] of ranges.entries()) {
      const size = sizes[index] ?? 0n;
      if (at < size) {
        yield { ...range.first, value: range.first.value + at };
        break;
      }
      at -= size;
    }
  }
}

/** What the choice of an address depends on. */
export interface Choice {
  readonly hwaddr: string;
  readonly leases: readonly Lease[];
  /** The addresses of the NIC's last run, comma-separated (`volatile.<nic>.last_state.ip_addresses`). */
  readonly last: string | undefined;
}

/**
 * The address for a NIC that has no fixed one but must be known by its address: the one it leases now, the one it had last,
 * or a free one.
 *
 * @throws LxdError conflict when the ranges are used up
 */
const chosenAddress = (settings: FamilySettings, dhcp: Dhcp, choice: Choice): Address => {
  const { family } = settings.address;
  const ofFamily = choice.leases.flatMap(({ hwaddr, address }) => {
    const read = readAddress(address);
    return read?.family === family ? [{ hwaddr, value: read.value }] : [];
  });
  const own = ofFamily
    .filter(({ hwaddr }) => hwaddr === choice.hwaddr)
    .map(({ value }): Address => ({ family, value }))
    .find((address) => inSubnet(settings.address, address));
  if (own) return own;
  const taken = new Set(ofFamily.map(({ value }) => value));
  const last = listItems(choice.last).flatMap((item) => readAddress(item) ?? []);
  const free = (address: Address): boolean => !taken.has(address.value);
  const kept = last.find(
    (address) => address.family === family && inSubnet(settings.address, address) && free(address),
  );
  if (kept) return kept;
  for (const address of candidates(assignedRanges(settings, dhcp), choice.hwaddr)) if (free(address)) return address;
  throw conflict(`No address is free in ${formatSubnet(networkOf(settings.address))}`);
};

/** The addresses to filter by; a family that is absent is not filtered, one without addresses is blocked. */
export interface Allowed {
  readonly ipv4?: readonly Address[];
  readonly ipv6?: readonly Address[];
}

const allowedOf = (family: Family, config: Config, network: BridgeSettings | undefined, choice: Choice): Address[] => {
  if (config[`${family}.address`] === 'none') return [];
  const fixed = fixedAddress(config, family);
  if (fixed) return [fixed];
  const settings = network?.[family];
  if (!settings) return [];
  if (settings.dhcp?.stateful) return [chosenAddress(settings, settings.dhcp, choice)];
  return family === 'ipv6' && settings.address.prefix <= 64
    ? [autoconfigured({ ...settings.address, prefix: 64 }, choice.hwaddr)]
    : [];
};

/**
 * Determines what a NIC with IP filtering may use. Where no address can be had, the family is blocked (spec 03.237).
 *
 * @param network - unset for a bridge that is not managed
 * @throws LxdError conflict when a network has no address left
 */
export const allowedAddresses = (config: Config, network: BridgeSettings | undefined, choice: Choice): Allowed => ({
  ...(isTrue(config['security.ipv4_filtering']) ? { ipv4: allowedOf('ipv4', config, network, choice) } : {}),
  ...(isTrue(config['security.ipv6_filtering']) ? { ipv6: allowedOf('ipv6', config, network, choice) } : {}),
});
