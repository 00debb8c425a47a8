import { type NetworkState, notFound } from '@lxd-ts/driver-kit';
import { type Link, listAddresses, listLinks, readLinkValue } from '@lxd-ts/host';

const linkType = (link: Link): NetworkState['type'] => {
  if (link.loopback) return 'loopback';
  if (link.pointToPoint) return 'point-to-point';
  return link.broadcast ? 'broadcast' : 'unknown';
};

/**
 * The live state of an interface of this host, from the kernel's tables.
 *
 * @throws LxdError not-found
 */
export const linkState = (name: string): NetworkState => {
  const links = listLinks();
  const link = links.find((each) => each.name === name);
  if (!link) throw notFound(`The interface "${name}" does not exist: the network is not running`);
  const bridgeValue = (value: string): string | undefined => readLinkValue(name, `bridge/${value}`);
  return {
    addresses: listAddresses()
      .filter(({ linkIndex, scope }) => linkIndex === link.index && scope !== 'nowhere' && scope !== 'site')
      .map(({ family, address, prefixLength, scope }) => ({
        family,
        address,
        netmask: `${prefixLength}`,
        scope: scope === 'global' || scope === 'link' ? scope : 'local',
      })),
    counters: {
      bytesReceived: link.counters.rxBytes,
      bytesSent: link.counters.txBytes,
      packetsReceived: link.counters.rxPackets,
      packetsSent: link.counters.txPackets,
    },
    hwaddr: link.hwaddr,
    mtu: link.mtu,
    state: link.up ? 'up' : 'down',
    type: linkType(link),
    ...(link.kind === 'bridge'
      ? {
          bridge: {
            id: bridgeValue('bridge_id') ?? '',
            stp: bridgeValue('stp_state') === '1',
            forwardDelay: Number(bridgeValue('forward_delay') ?? 0),
            // Absent in kernels without VLAN filtering.
            vlanDefault: Number(bridgeValue('default_pvid') ?? 0),
            vlanFiltering: bridgeValue('vlan_filtering') === '1',
            upperDevices: links
              .filter(({ masterIndex }) => masterIndex === link.index)
              .map((port) => port.name)
              .sort(),
          },
        }
      : {}),
  };
};
