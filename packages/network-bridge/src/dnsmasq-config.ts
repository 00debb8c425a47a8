/** The configuration of a network's dnsmasq(8), which serves DHCP, router advertisements and DNS on its bridge. */
import { join } from 'node:path';
import { type AddressRange, formatAddress, hostRangeOf, overlaps, type Subnet } from './addresses.ts';
import { activeFamilies, type BridgeSettings, type Dhcp, type FamilySettings } from './settings.ts';

/** The files of a network's service, all in the network's directory. */
export const serviceFiles = (directory: string) => ({
  config: join(directory, 'dnsmasq.conf'),
  pid: join(directory, 'dnsmasq.pid'),
  leases: join(directory, 'dnsmasq.leases'),
  hosts: join(directory, 'dnsmasq.hosts'),
});

/** The account the service runs under once its sockets are open. */
export const serviceUser = 'nobody';

/** Removes `holes` from a range. */
const without = (range: AddressRange, holes: readonly AddressRange[]): AddressRange[] =>
  holes.reduce<AddressRange[]>(
    (pieces, hole) =>
      pieces.flatMap((piece) => {
        if (!overlaps(piece, hole)) return [piece];
        const before = { first: piece.first, last: { ...hole.first, value: hole.first.value - 1n } };
        const after = { first: { ...hole.last, value: hole.last.value + 1n }, last: piece.last };
        return [before, after].filter(({ first, last }) => first.value <= last.value);
      }),
    [range],
  );

/** dnsmasq assigns IPv6 addresses within one /64 at most. */
const assignable = (address: Subnet): Subnet =>
  address.family === 'ipv6' && address.prefix < 64 ? { ...address, prefix: 64 } : address;

/** The ranges that DHCP assigns from. The bridge's own address and what is kept for other routers are left out. */
export const assignedRanges = (family: FamilySettings, dhcp: Dhcp): AddressRange[] => {
  const own: AddressRange = { first: family.address, last: family.address };
  const ranges = dhcp.ranges.length > 0 ? dhcp.ranges : [hostRangeOf(assignable(family.address))];
  return ranges.flatMap((range) => without(range, [...family.reserved, own]));
};

const rangeLines = (family: FamilySettings, dhcp: Dhcp): string[] =>
  assignedRanges(family, dhcp).map(({ first, last }) => {
    const length = family.address.family === 'ipv6' ? `${assignable(family.address).prefix},` : '';
    return `dhcp-range=${formatAddress(first)},${formatAddress(last)},${length}${dhcp.expiry}`;
  });

const dhcp4Lines = (settings: BridgeSettings, family: FamilySettings): string[] => {
  if (!family.dhcp) return [];
  const { gateway } = family.dhcp;
  return [
    ...(gateway ? [`dhcp-option-force=3,${formatAddress(gateway)}`] : []),
    ...(settings.mtu === 1500 ? [] : [`dhcp-option-force=26,${settings.mtu}`]),
    ...(settings.dns.search.length > 0 ? [`dhcp-option-force=119,${settings.dns.search.join(',')}`] : []),
    ...rangeLines(family, family.dhcp),
  ];
};

/**
 * Router advertisements always, since nothing else tells instances their gateway. SLAAC needs a /64 (RFC 4862), so a
 * longer prefix has it only by DHCPv6.
 */
const dhcp6Lines = (settings: BridgeSettings, family: FamilySettings): string[] => {
  const { dhcp, address } = family;
  const search =
    settings.dns.search.length > 0 ? [`dhcp-option-force=option6:domain-search,${settings.dns.search.join(',')}`] : [];
  const constructed = (mode: string): string[] =>
    address.prefix <= 64 ? [`dhcp-range=::,constructor:${settings.name},${mode}`] : [];
  if (!dhcp) return ['enable-ra', ...constructed('ra-only')];
  if (dhcp.stateful) return ['enable-ra', ...search, ...rangeLines(family, dhcp)];
  return ['enable-ra', ...search, ...constructed('ra-stateless,ra-names')];
};

const dnsLines = ({ name, dns }: BridgeSettings): string[] => {
  if (dns.mode === 'none') return ['dhcp-ignore-names'];
  return [
    `domain=${dns.domain}`,
    `interface-name=_gateway.${dns.domain},${name}`,
    `server=/${dns.domain}/`,
    // Only the names of reservations count; what a client without one calls itself does not.
    ...(dns.mode === 'managed' ? ['dhcp-ignore-names=tag:!known'] : []),
  ];
};

/** Whether the network needs the service at all. */
export const needsService = (settings: BridgeSettings): boolean => activeFamilies(settings).length > 0;

/**
 * The whole configuration file.
 *
 * @param directory - the network's directory
 */
export const dnsmasqConfig = (settings: BridgeSettings, directory: string): string => {
  const files = serviceFiles(directory);
  const { ipv4, ipv6 } = settings;
  const config = [
    // Sockets bound to this bridge alone leave the ports free for other networks and other DNS servers of the host.
    'bind-interfaces',
    `interface=${settings.name}`,
    'except-interface=lo',
    ...activeFamilies(settings).map(({ address }) => `listen-address=${formatAddress(address)}`),
    `user=${serviceUser}`,
    `pid-file=${files.pid}`,
    'strict-order',
    'quiet-dhcp',
    'quiet-dhcp6',
    'quiet-ra',
    ...(ipv4?.dhcp || ipv6?.dhcp
      ? [
          'no-ping',
          'dhcp-rapid-commit',
          'dhcp-no-override',
          'dhcp-authoritative',
          `dhcp-leasefile=${files.leases}`,
          `dhcp-hostsfile=${files.hosts}`,
        ]
      : []),
    ...(ipv4 ? dhcp4Lines(settings, ipv4) : []),
    ...(ipv6 ? dhcp6Lines(settings, ipv6) : []),
    ...dnsLines(settings),
    settings.raw,
  ];
  return `${config.filter((line) => line !== '').join('\n')}\n`;
};
