/** The pair of links that joins an instance to the host. */
import { conflict, type Device, type DeviceContext } from '@lxd-ts/driver-kit';
import { addVeth, deleteLink, freeLinkName, type IpCommand, linkExists, randomHwaddr, setLink } from '@lxd-ts/host';
import { linksOf, type NicIdentity } from './identity.ts';

export interface Veth {
  /** The host's end. */
  readonly host: string;
  /** The end for the instance. */
  readonly peer: string;
  readonly hwaddr: string;
  /** Unset: the kernel's default. */
  readonly mtu: number | undefined;
}

/** The NIC's address: configured, kept from earlier, or a new one. */
export const hwaddrOf = (device: Device, context: DeviceContext): string =>
  (device.config.hwaddr || context.volatile.hwaddr || randomHwaddr()).toLowerCase();

/** `lxd` and the address without its first two digits (spec 01.112), or a random name. */
const hostName = (device: Device, context: DeviceContext, hwaddr: string): string => {
  if (device.config.host_name) return device.config.host_name;
  if (context.server['instances.nic.host_name'] === 'mac') return `lxd${hwaddr.replaceAll(':', '').slice(2)}`;
  return freeLinkName('veth');
};

/** Chooses names and address of the pair. @throws LxdError conflict when another interface has its name */
export const planVeth = (
  device: Device,
  context: DeviceContext,
  identity: NicIdentity,
  mtu: number | undefined,
): Veth => {
  const hwaddr = hwaddrOf(device, context);
  const host = hostName(device, context, hwaddr);
  if (linkExists(host) && !linksOf(identity).some(({ name }) => name === host)) {
    throw conflict(`An interface called "${host}" exists on this host already`);
  }
  return { host, peer: freeLinkName('veth'), hwaddr, mtu };
};

/**
 * The commands that make the pair, in the place of one that a crash left.
 *
 * @param master - the bridge to join; unset: the host's end stands alone
 */
export const addPair = (
  veth: Veth,
  identity: NicIdentity,
  options: { master?: string; isolated?: boolean; txQueueLength?: number },
): IpCommand[] => {
  const { host, peer, hwaddr, mtu } = veth;
  const { master, isolated, txQueueLength } = options;
  const both = {
    ...(mtu === undefined ? {} : { mtu }),
    ...(txQueueLength === undefined ? {} : { txQueueLength }),
  };
  return [
    ...linksOf(identity).flatMap(({ name }) => deleteLink(name)),
    ...addVeth(host, { name: peer, address: hwaddr, ...both }, both),
    ...setLink(host, { alias: identity.alias }),
    ...(master === undefined
      ? []
      : [
          // A port has no addresses of its own.
          ['link', 'set', 'dev', host, 'addrgenmode', 'none'],
          ...setLink(host, { master }),
          ...(isolated ? [['link', 'set', 'dev', host, 'type', 'bridge_slave', 'isolated', 'on']] : []),
        ]),
    ...setLink(host, { up: true }),
  ];
};
