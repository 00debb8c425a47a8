/** Tunnels that join the bridge to those of other hosts. */
import { badRequest } from '@lxd-ts/driver-kit';
import {
  addGretap,
  addVxlan,
  deleteLink,
  type IpCommand,
  type Link,
  listLinks,
  listRoutes,
  setLink,
} from '@lxd-ts/host';
import { formatAddress } from './addresses.ts';
import type { BridgeSettings, Tunnel } from './settings.ts';

/** What the alias of a tunnel of ours begins with; the rest tells how it was made, so that a changed one is seen. */
const mark = 'lxdts-tunnel:';

/** @throws LxdError bad-request when the host has no default route */
const defaultInterface = (family: Tunnel['group']['family']): string => {
  const wanted = family === 'ipv4' ? 'inet' : 'inet6';
  const index = listRoutes()
    .filter((route) => route.family === wanted && route.destination === 'default')
    .toSorted((a, b) => a.metric - b.metric)[0]?.linkIndex;
  const name = listLinks().find((link) => link.index === index)?.name;
  if (name === undefined) throw badRequest('Set tunnel.NAME.interface: this host has no default route to choose it by');
  return name;
};

const addTunnel = (tunnel: Tunnel, mtu: number): IpCommand[] => {
  const { link, id, port, ttl, group } = tunnel;
  const local = tunnel.local && formatAddress(tunnel.local);
  const remote = tunnel.remote && formatAddress(tunnel.remote);
  if (tunnel.protocol === 'gre') {
    if (local === undefined || remote === undefined) throw badRequest('A gre tunnel needs both ends: local and remote');
    return addGretap(link, { local, remote }, { mtu });
  }
  const from = local === undefined ? {} : { local };
  if (remote !== undefined) return addVxlan(link, { id, port, ttl, ...from, remote }, { mtu });
  const dev = tunnel.interface ?? defaultInterface(group.family);
  return addVxlan(link, { id, port, ttl, ...from, group: formatAddress(group), dev }, { mtu });
};

/** The commands that make tunnels anew where they are missing or different, and remove those no longer wanted. */
export const tunnelCommands = (bridge: Link, settings: BridgeSettings): IpCommand[] => {
  const links = listLinks();
  const made = settings.tunnels.map((tunnel) => {
    const add = addTunnel(tunnel, settings.mtu);
    return { add, link: tunnel.link, alias: `${mark}${add.flat().slice(4).join(',')}` };
  });
  const ours = links.filter(
    ({ name, masterIndex, alias }) =>
      alias?.startsWith(mark) === true &&
      (masterIndex === bridge.index || settings.tunnels.some(({ link }) => link === name)),
  );
  const kept = (name: string, alias: string | undefined): boolean =>
    made.some((each) => each.link === name && each.alias === alias);
  const present = (link: string, alias: string): boolean =>
    ours.some((each) => each.name === link && each.alias === alias);
  return [
    ...ours.filter(({ name, alias }) => !kept(name, alias)).flatMap(({ name }) => deleteLink(name)),
    ...made
      .filter(({ link, alias }) => !present(link, alias))
      .flatMap(({ add, link, alias }) => [...add, ...setLink(link, { alias, master: bridge.name, up: true })]),
  ];
};
