/** What both kinds of NIC share: what they tell of themselves, and what they leave behind. */
import type { Config, Device, NicAttachment } from '@lxd-ts/driver-kit';
import { applyIp, applyNft, CommandError, deleteLink, deleteNftTable, type IpCommand } from '@lxd-ts/host';
import { allDone } from '../all-done.ts';
import { linksOf, type NicIdentity } from './identity.ts';
import { detourOf } from './limits.ts';
import type { Veth } from './veth.ts';

/**
 * Removes what a NIC has on the host.
 *
 * @param filtered - whether it had a filter
 * @param first - further things to remove, found anew when the kernel was faster with some of them
 */
export const removeNic = async (
  identity: NicIdentity,
  filtered: boolean,
  first: () => readonly IpCommand[] = () => [],
): Promise<void> => {
  const commands = (): IpCommand[] => {
    const links = [...linksOf(identity), detourOf(identity)].filter((link) => link !== undefined);
    return [...first(), ...links.flatMap(({ name }) => deleteLink(name))];
  };
  const removeLinks = async (): Promise<void> => {
    try {
      await applyIp(commands());
    } catch (error) {
      // With the instance's namespace the kernel takes the pair away, perhaps just now.
      if (!(error instanceof CommandError)) throw error;
      await applyIp(commands());
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
