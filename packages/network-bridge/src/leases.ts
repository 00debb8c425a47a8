/** Who has which address on a network, from the files of the DHCP server. */
import type { Lease, Reservation } from '@lxd-ts/driver-kit';
import { autoconfigured, formatAddress } from './addresses.ts';
import { activeFamilies, type BridgeSettings } from './settings.ts';

/**
 * The hardware address in a DHCP unique identifier of the kinds that hold one (RFC 8415 11.2 DUID-LLT, 11.4 DUID-LL,
 * Ethernet); undefined for other kinds.
 */
export const hwaddrOfDuid = (duid: string): string | undefined =>
  /^(?:00:01:00:01(?::[0-9a-f]{2}){4}|00:03:00:01):((?:[0-9a-f]{2}:){5}[0-9a-f]{2})$/i.exec(duid)?.[1]?.toLowerCase();

/**
 * Reads dnsmasq's lease file: `expiry hwaddr address name client-id` a line, and after a line `duid …` the DHCPv6 ones,
 * whose second field is an association id and whose last one is the client's DUID. Times are seconds since 1970, 0 is never.
 *
 * @param now - seconds since 1970; leases that ended before are left out
 */
export const parseLeases = (text: string, now: number): Lease[] =>
  text.split('\n').flatMap((line): Lease[] => {
    const [expiry, id, address, name, client, ...rest] = line.split(' ');
    if (!id || !address || !name || !client || rest.length > 0) return [];
    if (Number(expiry) !== 0 && Number(expiry) < now) return [];
    const hwaddr = address.includes(':') ? (hwaddrOfDuid(client) ?? '') : id.toLowerCase();
    return [{ hostname: name === '*' ? '' : name, hwaddr, address, type: 'dynamic' }];
  });

/** What the reservations alone tell: fixed addresses, and those that instances give themselves by SLAAC. */
const reservedLeases = ({ ipv6 }: BridgeSettings, reservations: readonly Reservation[]): Lease[] =>
  reservations.flatMap((reservation): Lease[] => {
    const { instance: hostname, hwaddr, ipv4, ipv6: fixed } = reservation;
    const lease = (address: string, type: Lease['type']): Lease => ({ hostname, hwaddr, address, type });
    const slaac = ipv6 && !ipv6.dhcp?.stateful && ipv6.address.prefix <= 64;
    return [
      ...(ipv4 ? [lease(ipv4, 'static')] : []),
      ...(fixed ? [lease(fixed, 'static')] : []),
      ...(slaac && !fixed
        ? [lease(formatAddress(autoconfigured({ ...ipv6.address, prefix: 64 }, hwaddr)), 'dynamic')]
        : []),
    ];
  });

/**
 * All leases of a network: its own addresses, reservations, then what the server has given out.
 *
 * @param text - the lease file; undefined when there is none
 */
export const networkLeases = (
  settings: BridgeSettings,
  reservations: readonly Reservation[],
  text: string | undefined,
): Lease[] => {
  const gateways = activeFamilies(settings).map(
    ({ address }): Lease => ({
      hostname: `${settings.name}.gw`,
      hwaddr: '',
      address: formatAddress(address),
      type: 'gateway',
    }),
  );
  const reserved = reservedLeases(settings, reservations);
  const known = new Set(reserved.map(({ hwaddr, address }) => `${hwaddr} ${address}`));
  const given = parseLeases(text ?? '', Date.now() / 1000).filter(
    ({ hwaddr, address }) => !known.has(`${hwaddr} ${address}`),
  );
  return [...gateways, ...reserved, ...given];
};

/** The lease file without the leases of a hardware address, or undefined when it has none. */
export const withoutLeases = (text: string, hwaddrs: ReadonlySet<string>): string | undefined => {
  const lines = text.split('\n');
  const kept = lines.filter((line) => !parseLeases(line, 0).some(({ hwaddr }) => hwaddrs.has(hwaddr)));
  return kept.length === lines.length ? undefined : kept.join('\n');
};
