/** What both kinds of NIC share: their limits, their filter, and what they leave behind. */
import type { Config, Device, NicAttachment } from '@lxd-ts/driver-kit';
import { applyIp, applyNft, CommandError, deleteLink, deleteNftTable, type IpCommand } from '@lxd-ts/host';
import { allDone } from '../all-done.ts';
import { type Filter, filterRules, isFilter } from './filter.ts';
import { linksOf, type NicIdentity } from './identity.ts';
import { type Limits, shapeIngress } from './limits.ts';
import type { Veth } from './veth.ts';

/** Puts limits and filter of a NIC in force. @param before - those in force now; unset at the start */
export const applyTraffic = async (
  identity: NicIdentity,
  link: string,
  limits: Limits,
  filter: Filter,
  before?: { limits: Limits; filtered: boolean },
): Promise<void> => {
  await allDone(
    shapeIngress(link, limits.ingress, before?.limits.ingress),
    // Without rules before and after there is no table to replace.
    isFilter(filter) || before?.filtered ? applyNft(filterRules(identity.table, link, filter)) : Promise.resolve(),
  );
};

/**
 * Removes what a NIC has on the host.
 *
 * @param filtered - whether it had a filter
 * @param first - commands to carry out with it
 */
export const removeNic = async (
  identity: NicIdentity,
  filtered: boolean,
  first: readonly IpCommand[] = [],
): Promise<void> => {
  const removeLinks = async (): Promise<void> => {
    try {
      await applyIp([...first, ...linksOf(identity).flatMap(({ name }) => deleteLink(name))]);
    } catch (error) {
      // With the instance's namespace the kernel takes the pair away, perhaps just now.
      if (!(error instanceof CommandError) || linksOf(identity).length > 0) throw error;
    }
  };
  await allDone(removeLinks(), filtered ? applyNft(deleteNftTable('netdev', identity.table)) : Promise.resolve());
};

export const attachmentOf = (device: Device, { peer, hwaddr, mtu }: Veth): NicAttachment => ({
  kind: 'nic',
  device: device.name,
  link: peer,
  name: device.config.name ?? '',
  hwaddr,
  ...(mtu === undefined ? {} : { mtu }),
});

/** What to remember of a pair. A configured address needs no remembering. */
export const volatileOf = (device: Device, { host, hwaddr }: Veth): Config => ({
  host_name: host,
  ...(device.config.hwaddr ? {} : { hwaddr }),
});

/** A number in the configuration; undefined when unset. */
export const numberIn = (config: Config, key: string): number | undefined =>
  config[key] ? Number(config[key]) : undefined;
