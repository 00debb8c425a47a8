/** NICs of type `p2p`: a pair of links whose end on the host is attached to nothing. */
import {
  badRequest,
  type Device,
  type DeviceContext,
  type DeviceDriver,
  defineDeviceDriver,
  UndoStack,
} from '@lxd-ts/driver-kit';
import { applyIp } from '@lxd-ts/host';
import { p2pConfig } from './config.ts';
import { addRoutes, removeRoutes, routesOf, withoutRoutes } from './host-routes.ts';
import { linksOf, nicIdentity } from './identity.ts';
import { applyLimits, readLimits } from './limits.ts';
import { attachmentOf, numberIn, removeNic, volatileOf } from './nic.ts';
import { addPair, planVeth } from './veth.ts';

/** The routes go with their interface. */
const stop = (device: Device, context: DeviceContext): Promise<void> =>
  removeNic(nicIdentity(context, device.name), false);

export const p2pNic: DeviceDriver = defineDeviceDriver({
  type: 'nic',
  variant: 'p2p',
  instanceTypes: ['container'],
  hotplug: ['container'],
  config: p2pConfig,

  validate({ config }) {
    if (config.network) throw badRequest('A NIC of type p2p belongs to no network: unset "network"');
  },

  async start(device, context) {
    const { config } = device;
    const identity = nicIdentity(context, device.name);
    const veth = planVeth(device, context, identity, numberIn(config, 'mtu'));
    const txQueueLength = numberIn(config, 'queue.tx.length');
    await using undo = new UndoStack((what, error) => context.warn(`${what}: ${error}`));
    undo.add(`remove NIC ${device.name}`, () => stop(device, context));
    await applyIp([
      ...addPair(veth, identity, txQueueLength === undefined ? {} : { txQueueLength }),
      ...addRoutes(veth.host, routesOf(config)),
    ]);
    await applyLimits(identity, veth.host, readLimits(config));
    undo.commit();
    return { attachments: [attachmentOf(device, veth)], volatile: volatileOf(device, veth) };
  },

  async update(device, before, context) {
    const { config } = device;
    const identity = nicIdentity(context, device.name);
    const [link] = linksOf(identity);
    if (!link) throw badRequest(`The NIC "${device.name}" has no interface on the host: the instance is not running`);
    await applyIp([
      ...removeRoutes(link, withoutRoutes(routesOf(before), routesOf(config))),
      ...addRoutes(link.name, routesOf(config)),
    ]);
    await applyLimits(identity, link.name, readLimits(config), readLimits(before));
  },

  async stop(device, context) {
    await stop(device, context);
    return { volatile: { host_name: '' } };
  },
});
