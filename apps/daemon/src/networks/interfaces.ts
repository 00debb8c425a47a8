import { notFound } from '@lxd-ts/driver-kit';
import { type Link, type LinkCounters, listAddresses, listLinks } from '@lxd-ts/host';

/** A network interface of the host that the daemon does not manage. */
export interface HostInterface {
  readonly name: string;
  readonly type: 'loopback' | 'bridge' | 'vlan' | 'bond' | 'physical' | 'unknown';
}

/** ARPHRD_ETHER (linux/if_arp.h). */
const ethernet = 1;

const typeOf = (link: Link): HostInterface['type'] => {
  if (link.loopback) return 'loopback';
  if (link.kind === 'bridge' || link.kind === 'vlan' || link.kind === 'bond') return link.kind;
  return link.kind === undefined && link.type === ethernet ? 'physical' : 'unknown';
};

/** The host's interfaces but for the host ends of instances' pairs, of which there can be thousands. Reads the kernel's table. */
export const hostInterfaces = (): HostInterface[] =>
  listLinks()
    .filter((link) => link.kind !== 'veth' && link.kind !== 'tun')
    .map((link) => ({ name: link.name, type: typeOf(link) }));

const renderCounters = (counters: LinkCounters) => ({
  bytes_received: counters.rxBytes,
  bytes_sent: counters.txBytes,
  packets_received: counters.rxPackets,
  packets_sent: counters.txPackets,
});

/** The live state of any interface, as `GET /1.0/networks/<name>/state` gives it. @throws LxdError not-found */
export const interfaceState = (name: string) => {
  const links = listLinks();
  const link = links.find((one) => one.name === name);
  if (!link) throw notFound(`Network interface "${name}" not found`);
  const parent = links.find((one) => one.index === link.parentIndex);
  return {
    addresses: listAddresses()
      .filter((address) => address.linkIndex === link.index)
      .map(({ family, address, prefixLength, scope }) => ({
        family,
        address,
        netmask: String(prefixLength),
        scope: scope === 'global' || scope === 'link' ? scope : 'local',
      })),
    counters: renderCounters(link.counters),
    hwaddr: link.hwaddr,
    mtu: link.mtu,
    state: link.up ? 'up' : 'down',
    type: link.loopback ? 'loopback' : link.pointToPoint ? 'point-to-point' : link.broadcast ? 'broadcast' : 'unknown',
    bond: null,
    bridge: null,
    vlan: link.vlan === undefined ? null : { lower_device: parent?.name ?? '', vid: link.vlan },
    ovn: null,
  };
};
