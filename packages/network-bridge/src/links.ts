/** The bridge interface: brought to its configured state from whatever state it is in, changing only what differs. */
import { badRequest, conflict } from '@lxd-ts/driver-kit';
import {
  addAddress,
  addBridge,
  applyIp,
  deleteAddress,
  deleteLink,
  type Address as HostAddress,
  type IpCommand,
  type Link,
  linkExists,
  listAddresses,
  listLinks,
  listRoutes,
  readLinkValue,
  route,
  setLink,
} from '@lxd-ts/host';
import { formatSubnet } from './addresses.ts';
import { activeFamilies, type BridgeSettings, type FamilySettings } from './settings.ts';
import { setForwarding, setLinkParameters } from './sysctls.ts';
import { tunnelCommands } from './tunnels.ts';

/** RTPROT_STATIC of rtnetlink(7): routes that are ours on our own interface. */
const staticProtocol = 4;

/** The bridge of that name, or undefined. @throws LxdError conflict when the name belongs to something else */
export const findBridge = (name: string): Link | undefined => {
  const link = listLinks().find((each) => each.name === name);
  if (link && link.kind !== 'bridge') throw conflict(`The interface "${name}" of this host is not a bridge`);
  return link;
};

const addressCommands = (link: Link, families: readonly FamilySettings[]): IpCommand[] => {
  // A link-local IPv6 address is the kernel's; every other one on this interface is ours.
  const ours = (address: HostAddress): boolean => address.linkIndex === link.index && address.scope !== 'link';
  const present = new Set(
    listAddresses()
      .filter(ours)
      .map(({ address, prefixLength }) => `${address}/${prefixLength}`),
  );
  const wanted = new Set(families.map(({ address }) => formatSubnet(address)));
  const stale = [...present.difference(wanted)];
  const missing = [...wanted.difference(present)];
  // An IPv6 address has one prefix length only.
  const sameAddress = (one: string) => (other: string) =>
    one.includes(':') && one.split('/')[0] === other.split('/')[0];
  return [
    // New ones first, otherwise: with the last IPv4 address of a link go its routes.
    ...missing.flatMap((text) => [
      ...stale.filter(sameAddress(text)).flatMap((old) => deleteAddress(link.name, old)),
      // Nobody else can have the gateway's address; waiting for the check would keep services from binding to it.
      ...addAddress(link.name, text, { noDad: text.includes(':') }),
    ]),
    ...stale.filter((old) => !missing.some(sameAddress(old))).flatMap((old) => deleteAddress(link.name, old)),
  ];
};

/** @param all - also those that exist: they go away with the link's last address or when it is down */
const routeCommands = (link: Link, families: readonly FamilySettings[], all: boolean): IpCommand[] => {
  const wanted = new Set(families.flatMap(({ routes }) => routes.map(formatSubnet)));
  const present = listRoutes().filter(
    ({ linkIndex, protocol }) => linkIndex === link.index && protocol === staticProtocol,
  );
  const stale = present.filter(({ destination }) => !wanted.has(destination));
  const missing = wanted.difference(new Set(all ? [] : present.map(({ destination }) => destination)));
  return [
    ...stale.flatMap(({ destination, metric }) =>
      route('del', link.name, destination, { protocol: 'static', ...(metric === 0 ? {} : { metric }) }),
    ),
    ...[...missing].flatMap((destination) => route('replace', link.name, destination, { protocol: 'static' })),
  ];
};

/**
 * Joins interfaces of the host. One that is absent is left out: it may come back, and the network is of use without it.
 *
 * @throws LxdError bad-request for one that has addresses of its own
 */
const externalCommands = (bridge: Link, names: readonly string[]): IpCommand[] => {
  const links = listLinks();
  const addresses = listAddresses();
  return names.flatMap((name) => {
    const link = links.find((each) => each.name === name);
    if (!link) {
      process.emitWarning(`Network ${bridge.name}: the external interface ${name} does not exist`);
      return [];
    }
    if (link.masterIndex === bridge.index) return [];
    if (link.masterIndex !== undefined) {
      throw badRequest(`The external interface "${name}" already belongs to another bridge or bond`);
    }
    if (addresses.some(({ linkIndex, scope }) => linkIndex === link.index && scope === 'global')) {
      throw badRequest(`The external interface "${name}" has addresses; only unconfigured interfaces can be joined`);
    }
    return setLink(name, { master: bridge.name, up: true });
  });
};

const releaseCommands = (bridge: Link, names: readonly string[]): IpCommand[] =>
  listLinks()
    .filter(({ name, masterIndex }) => masterIndex === bridge.index && names.includes(name))
    .flatMap(({ name }) => setLink(name, { master: null }));

const bridgeCommands = (link: Link, mtu: number, hwaddr: string): IpCommand[] => [
  // Absent in kernels without VLAN filtering. With it on, ports are in VLAN 1 untagged, as if there were none.
  ...(readLinkValue(link.name, 'bridge/vlan_filtering') === '0'
    ? [['link', 'set', 'dev', link.name, 'type', 'bridge', 'vlan_filtering', '1']]
    : []),
  ...setLink(link.name, {
    ...(link.mtu === mtu ? {} : { mtu }),
    ...(link.hwaddr === hwaddr ? {} : { address: hwaddr }),
    ...(link.up ? {} : { up: true }),
  }),
];

/**
 * Brings the interface to the state of `settings`.
 *
 * @param hwaddr - its address
 * @param released - external interfaces that no longer belong to it
 * @throws LxdError conflict when the name belongs to another kind of interface, bad-request for unusable external ones
 */
export const applyLinks = async (
  settings: BridgeSettings,
  hwaddr: string,
  released: readonly string[] = [],
): Promise<void> => {
  const { name, mtu, externalInterfaces } = settings;
  if (!findBridge(name)) await applyIp(addBridge(name, { mtu, address: hwaddr }));
  const link = findBridge(name);
  if (!link) throw conflict(`The bridge "${name}" was removed while it was being set up`);
  setLinkParameters(settings);
  setForwarding(settings);
  const families = activeFamilies(settings);
  const addresses = addressCommands(link, families);
  await applyIp([
    ...releaseCommands(link, released),
    // Ports first: the MTU of a bridge follows theirs until it is set.
    ...tunnelCommands(link, settings),
    ...externalCommands(link, externalInterfaces),
    ...bridgeCommands(link, mtu, hwaddr),
    ...addresses,
    ...routeCommands(link, families, addresses.length > 0 || !link.up),
  ]);
};

/** Removes the interface with its tunnels. External interfaces are free again; instances keep their ends of the pairs. */
export const removeLinks = async (settings: BridgeSettings): Promise<void> => {
  const links = [...settings.tunnels.map(({ link }) => link), settings.name].filter(linkExists);
  await applyIp(links.flatMap(deleteLink));
};
