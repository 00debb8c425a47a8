/** NICs of type `bridged`: a pair of links between the instance and a bridge of the host, managed or not. */
import {
  badRequest,
  type Config,
  type Device,
  type DeviceContext,
  type DeviceDriver,
  defineDeviceDriver,
  isKind,
  isTrue,
  UndoStack,
} from '@lxd-ts/driver-kit';
import { applyIp, applyNft, type Link, listLinks } from '@lxd-ts/host';
import { formatAddress } from '../addresses.ts';
import { allDone } from '../all-done.ts';
import { type BridgeSettings, readSettings } from '../settings.ts';
import { type Allowed, allowedAddresses, checkFixedAddresses, fixedAddress } from './addresses.ts';
import { bridgedConfig } from './config.ts';
import { type Filter, filterRules, hostSubnet, isFilter } from './filter.ts';
import { addRoutes, removeRoutes, routesOf, withoutRoutes } from './host-routes.ts';
import { linksOf, nicIdentity } from './identity.ts';
import { applyLimits, readLimits } from './limits.ts';
import { attachmentOf, numberIn, removeNic, volatileOf } from './nic.ts';
import { filtersAddresses, validateBridged } from './validate.ts';
import { addPair, hwaddrOf, planVeth } from './veth.ts';
import { applyVlans } from './vlan.ts';

type ManagedNetwork = ReturnType<DeviceContext['network']>;

/** The managed network a NIC joins, also when it only names its bridge; undefined for other bridges. */
const managedNetwork = (config: Config, context: DeviceContext): ManagedNetwork | undefined => {
  if (config.network) return context.network(config.network);
  try {
    const network = context.network(config.parent ?? '');
    return network.type === 'bridge' ? network : undefined;
  } catch (error) {
    if (isKind(error, 'not-found')) return undefined;
    throw error;
  }
};

interface Parent {
  readonly name: string;
  /** Its interface; undefined when it does not exist. */
  readonly link: Link | undefined;
  readonly managed: { readonly network: ManagedNetwork; readonly settings: BridgeSettings } | undefined;
}

const parentOf = (config: Config, context: DeviceContext): Parent => {
  const network = managedNetwork(config, context);
  const name = network?.preset.parent ?? config.parent ?? '';
  return {
    name,
    link: listLinks().find((link) => link.name === name),
    managed: network && { network, settings: readSettings(name, network.config) },
  };
};

const requireBridge = ({ name, link }: Parent): Link => {
  if (!link) throw badRequest(`The parent "${name}" does not exist on this host`);
  if (link.kind !== 'bridge') throw badRequest(`The parent "${name}" is not a bridge`);
  return link;
};

/**
 * Determines the addresses a NIC may use, and tells the network about the NIC.
 *
 * @throws LxdError bad-request or conflict for an address it cannot have
 */
const reserve = async (
  device: Device,
  context: DeviceContext,
  { name, managed }: Parent,
  hwaddr: string,
): Promise<Allowed> => {
  const { config } = device;
  const last = context.volatile['last_state.ip_addresses'];
  if (!managed) return allowedAddresses(config, undefined, { hwaddr, leases: [], last });
  const { network, settings } = managed;
  checkFixedAddresses(config, settings);
  let allowed: Allowed = {};
  await context.reserve(name, async () => {
    const leases = filtersAddresses(config) ? await network.leases() : [];
    allowed = allowedAddresses(config, settings, { hwaddr, leases, last });
    const ipv4 = fixedAddress(config, 'ipv4') ?? allowed.ipv4?.[0];
    const ipv6 = fixedAddress(config, 'ipv6') ?? (settings.ipv6?.dhcp?.stateful ? allowed.ipv6?.[0] : undefined);
    return {
      instance: context.instance.name,
      project: context.instance.project,
      device: device.name,
      hwaddr,
      ...(ipv4 ? { ipv4: formatAddress(ipv4) } : {}),
      ...(ipv6 ? { ipv6: formatAddress(ipv6) } : {}),
    };
  });
  return allowed;
};

const filterOf = (config: Config, hwaddr: string, allowed: Allowed): Filter => {
  const routes = routesOf(config);
  const sources = (family: 'ipv4' | 'ipv6') => {
    const addresses = allowed[family];
    // What is routed to the instance may also come from it, unless the family is blocked.
    return addresses?.length
      ? [...addresses.map(hostSubnet), ...routes.filter((route) => route.family === family)]
      : addresses && [];
  };
  return {
    hwaddr: isTrue(config['security.mac_filtering']) || filtersAddresses(config) ? hwaddr : undefined,
    ipv4: sources('ipv4'),
    ipv6: sources('ipv6'),
  };
};

/** Whether a configuration makes a filter, whatever it lets through. */
const isFiltered = (config: Config): boolean => isFilter(filterOf(config, '', {}));

/** The parent, or undefined when its network is gone. */
const findParent = (config: Config, context: DeviceContext): Parent | undefined => {
  try {
    return parentOf(config, context);
  } catch (error) {
    if (isKind(error, 'not-found')) return undefined;
    throw error;
  }
};

const stop = async (device: Device, context: DeviceContext): Promise<void> => {
  const { config } = device;
  const routes = () => removeRoutes(findParent(config, context)?.link, routesOf(config));
  await removeNic(nicIdentity(context, device.name), isFiltered(config), routes);
};

export const bridgedNic: DeviceDriver = defineDeviceDriver({
  type: 'nic',
  variant: 'bridged',
  instanceTypes: ['container'],
  hotplug: ['container'],
  config: bridgedConfig,

  validate: ({ config }) => validateBridged(config),

  async start(device, context) {
    const { config } = device;
    const identity = nicIdentity(context, device.name);
    const parent = parentOf(config, context);
    const bridge = requireBridge(parent);
    const mtu = Number(parent.managed?.network.preset.mtu ?? numberIn(config, 'mtu') ?? bridge.mtu);
    const veth = planVeth(device, context, identity, mtu);
    const txQueueLength = numberIn(config, 'queue.tx.length');
    await using undo = new UndoStack((what, error) => context.warn(`${what}: ${error}`));
    undo.add(`remove NIC ${device.name}`, () => stop(device, context));
    const [allowed] = await allDone(
      reserve(device, context, parent, veth.hwaddr),
      applyIp([
        ...addPair(veth, identity, {
          master: bridge.name,
          isolated: isTrue(config['security.port_isolation']),
          ...(txQueueLength === undefined ? {} : { txQueueLength }),
        }),
        ...addRoutes(bridge.name, routesOf(config)),
      ]),
    );
    await applyVlans(bridge.name, veth.host, config);
    const filter = filterOf(config, veth.hwaddr, allowed);
    await allDone(
      applyLimits(identity, veth.host, readLimits(config)),
      isFilter(filter) ? applyNft(filterRules(identity.table, veth.host, filter)) : Promise.resolve(),
    );
    undo.commit();
    const addresses = [...(allowed.ipv4 ?? []), ...(allowed.ipv6 ?? [])].map(formatAddress);
    return {
      attachments: [attachmentOf(device, veth)],
      volatile: {
        ...volatileOf(device, veth),
        ...(addresses.length > 0 ? { 'last_state.ip_addresses': addresses.join(',') } : {}),
      },
    };
  },

  async update(device, before, context) {
    const { config } = device;
    const identity = nicIdentity(context, device.name);
    const [link] = linksOf(identity);
    if (!link) throw badRequest(`The NIC "${device.name}" has no interface on the host: the instance is not running`);
    const parent = parentOf(config, context);
    const bridge = requireBridge(parent);
    const hwaddr = hwaddrOf(device, context);
    const allowed = await reserve(device, context, parent, hwaddr);
    await applyIp([
      ...removeRoutes(bridge, withoutRoutes(routesOf(before), routesOf(config))),
      ...addRoutes(bridge.name, routesOf(config)),
    ]);
    const filter = filterOf(config, hwaddr, allowed);
    await allDone(
      applyLimits(identity, link.name, readLimits(config), readLimits(before)),
      // Without rules before and after there is no table to replace.
      isFilter(filter) || isFiltered(before)
        ? applyNft(filterRules(identity.table, link.name, filter))
        : Promise.resolve(),
    );
  },

  async stop(device, context) {
    await stop(device, context);
    return { volatile: { host_name: '' } };
  },
});
