/** Static assignments: which addresses and names belong to which NIC. */
import { join } from 'node:path';
import { conflict, type Reservation } from '@lxd-ts/driver-kit';
import { readOptional, replaceFile } from '@lxd-ts/host';
import { z } from 'zod';
import { formatAddress, parseAddress } from './addresses.ts';
import type { Dns } from './settings.ts';

const stored = z.array(
  z.object({
    instance: z.string(),
    project: z.string(),
    device: z.string(),
    hwaddr: z.string(),
    ipv4: z.string().exactOptional(),
    ipv6: z.string().exactOptional(),
  }),
);

const file = (directory: string): string => join(directory, 'reservations.json');

/** What was last kept; none when nothing was. */
export const readReservations = async (directory: string): Promise<Reservation[]> => {
  const text = await readOptional(file(directory));
  return text === undefined ? [] : stored.parse(JSON.parse(text));
};

const normal = (reservation: Reservation): Reservation => ({
  ...reservation,
  hwaddr: reservation.hwaddr.toLowerCase(),
  ...(reservation.ipv4 ? { ipv4: formatAddress(parseAddress(reservation.ipv4, 'ipv4')) } : {}),
  ...(reservation.ipv6 ? { ipv6: formatAddress(parseAddress(reservation.ipv6, 'ipv6')) } : {}),
});

/**
 * Keeps a set of reservations in the network's directory.
 *
 * @returns it, with addresses in their usual spelling
 * @throws LxdError conflict when two NICs are to have one address, bad-request for what is no address
 */
export const keepReservations = async (
  directory: string,
  reservations: readonly Reservation[],
): Promise<Reservation[]> => {
  const kept = reservations.map(normal);
  const holders = new Map<string, Reservation>();
  for (const reservation of kept) {
    for (const address of [reservation.ipv4, reservation.ipv6]) {
      if (address === undefined) continue;
      const other = holders.get(address);
      if (other) throw conflict(`The address ${address} is already reserved for instance "${other.instance}"`);
      holders.set(address, reservation);
    }
  }
  await replaceFile(file(directory), JSON.stringify(kept));
  return kept;
};

/**
 * The reservations as dnsmasq reads them (dnsmasq(8), --dhcp-hostsfile): the MAC address identifies the client, so that
 * a copied instance is another one whatever client id its image remembers. Only with `managed` names does the instance's
 * name bind the client.
 */
export const hostsFile = (reservations: readonly Reservation[], dns: Dns): string =>
  reservations
    .map(({ hwaddr, ipv4, ipv6, instance }) => {
      const name = dns.mode === 'managed' ? instance : undefined;
      const parts = [hwaddr, ipv4, ipv6 && `[${ipv6}]`, name];
      return `${parts.filter((part) => part !== undefined).join(',')}\n`;
    })
    .join('');
