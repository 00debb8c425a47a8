/** Routes of the host that lead to a NIC. */
import type { Config } from '@lxd-ts/driver-kit';
import { type IpCommand, type Link, listRoutes, route } from '@lxd-ts/host';
import { families, formatSubnet, listItems, networkOf, parseSubnet, type Subnet } from '../addresses.ts';

/** RTPROT_BOOT of rtnetlink(7): apart from the network's own, which are static. */
const protocol = { word: 'boot', number: 3 };

export const routesOf = (config: Config): Subnet[] =>
  families.flatMap((family) =>
    [...listItems(config[`${family}.routes`]), ...listItems(config[`${family}.routes.external`])].map((item) =>
      networkOf(parseSubnet(item, family)),
    ),
  );

/** The routes of `before` that `after` has not. */
export const withoutRoutes = (before: readonly Subnet[], after: readonly Subnet[]): Subnet[] => {
  const kept = new Set(after.map(formatSubnet));
  return before.filter((subnet) => !kept.has(formatSubnet(subnet)));
};

/** @param link - the bridge, or the host's end of a pair without one */
export const addRoutes = (link: string, routes: readonly Subnet[]): IpCommand[] =>
  routes.flatMap((subnet) => route('replace', link, formatSubnet(subnet), { protocol: protocol.word }));

/** Removes those of the given routes that exist on a link. */
export const removeRoutes = (link: Link | undefined, routes: readonly Subnet[]): IpCommand[] => {
  if (!link || routes.length === 0) return [];
  const unwanted = new Set(routes.map(formatSubnet));
  return listRoutes()
    .filter((each) => each.linkIndex === link.index && each.protocol === protocol.number)
    .filter(({ destination }) => unwanted.has(destination))
    .flatMap(({ destination }) => route('del', link.name, destination, { protocol: protocol.word }));
};
