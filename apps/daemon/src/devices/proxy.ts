import { isIPv6 } from 'node:net';
import {
  badRequest,
  type Config,
  type Device,
  type DeviceContext,
  defineDeviceDriver,
  isTrue,
} from '@lxd-ts/driver-kit';
import { toHostId } from '@lxd-ts/host';
import { proxyKeys } from './keys/proxy.ts';
import { type Endpoint, isWildcard, type Pair, pairsOf, parseEndpoint } from './proxy/endpoint.ts';
import type { Ids } from './proxy/job.ts';
import { applyNat, removeNat } from './proxy/nat.ts';
import { type ForwarderFiles, forwarderRuns, startForwarder, stopForwarder } from './proxy/process.ts';

interface Settings {
  readonly listen: Endpoint;
  readonly connect: Endpoint;
  readonly bind: 'host' | 'instance';
  readonly pairs: readonly Pair[];
}

/** @throws LxdError bad-request when the ports do not fit */
const settingsOf = ({ listen: from = '', connect: to = '', bind }: Config): Settings => {
  const [listen, connect] = [parseEndpoint(from), parseEndpoint(to)];
  const pairs = pairsOf(listen, connect);
  if (!pairs) throw badRequest('Mismatch between listen port(s) and connect port(s) count');
  return { listen, connect, bind: bind === 'instance' ? 'instance' : 'host', pairs };
};

const isNat = (config: Config): boolean => isTrue(config['nat']);

/** @throws LxdError bad-request for what NAT cannot do */
const natEnds = ({ listen, connect, bind }: Settings) => {
  if (bind !== 'host') throw badRequest('Only host-bound proxies can use NAT');
  if (listen.protocol === 'unix' || connect.protocol === 'unix' || listen.protocol !== connect.protocol)
    throw badRequest(`Proxying ${listen.protocol} <-> ${connect.protocol} is not supported when using NAT`);
  if (isWildcard(listen.host)) throw badRequest(`Cannot listen on wildcard address "${listen.host}" when in nat mode`);
  if (isIPv6(listen.host) !== isIPv6(connect.host))
    throw badRequest('Cannot mix IPv4 and IPv6 between listen and connect in nat mode');
  return { listen, connect };
};

const filesOf = (device: Device, { directory, logs }: DeviceContext): ForwarderFiles => ({
  directory,
  logs,
  device: device.name,
});

/** Ids on one side as the host's. @throws LxdError bad-request for those that the instance does not have */
const idsOn = (side: 'host' | 'instance', { instance: { idmap } }: DeviceContext, { uid, gid }: Ids): Ids => {
  if (side === 'host' || !idmap) return { uid, gid };
  const [hostUid, hostGid] = [toHostId(idmap, 'uid', uid), toHostId(idmap, 'gid', gid)];
  if (hostUid === undefined || hostGid === undefined) throw badRequest(`The instance has no ids ${uid}:${gid}`);
  return { uid: hostUid, gid: hostGid };
};

const startOn = (device: Device, context: DeviceContext, initPid: number): Promise<void> => {
  const { config } = device;
  const { pairs, bind } = settingsOf(config);
  const id = (key: string): number => Number(config[key] || 0);
  return startForwarder(filesOf(device, context), {
    pairs,
    bind,
    initPid,
    instanceRoot: idsOn('instance', context, { uid: 0, gid: 0 }),
    socket: {
      ...idsOn(bind, context, { uid: id('uid'), gid: id('gid') }),
      mode: Number.parseInt(config['mode'] || '0644', 8),
    },
    drop: idsOn(bind === 'host' ? 'instance' : 'host', context, { uid: id('security.uid'), gid: id('security.gid') }),
    proxyProtocol: isTrue(config['proxy_protocol']),
  });
};

const applyRules = async (device: Device, context: DeviceContext): Promise<void> => {
  const settings = settingsOf(device.config);
  const { listen, connect } = natEnds(settings);
  await applyNat(context, device.name, listen, connect, settings.pairs);
};

/** Forwards connections and datagrams between the host and the instance (spec 03 §32). */
export const proxy = defineDeviceDriver({
  type: 'proxy',
  instanceTypes: ['container', 'virtual-machine'],
  hotplug: ['container', 'virtual-machine'],
  config: proxyKeys,

  validate({ config }, type) {
    for (const key of ['listen', 'connect']) {
      if (!config[key]) throw badRequest(`A proxy needs "${key}": <type>:<addr>:<port>[-<port>][,<port>]`);
    }
    const settings = settingsOf(config);
    const { listen, connect } = settings;
    const nat = isNat(config);
    if (type === 'virtual-machine' && !nat) throw badRequest('Only NAT mode is supported for proxies on VM instances');
    const onPath = listen.protocol === 'unix' && !listen.path.startsWith('@');
    if (!onPath && (config['uid'] || config['gid'] || config['mode']))
      throw badRequest('Only proxy devices for non-abstract unix sockets can carry uid, gid, or mode properties');
    if (isTrue(config['proxy_protocol']) && (nat || connect.protocol !== 'tcp'))
      throw badRequest('The PROXY header can only be sent to tcp servers in non-nat mode');
    if (nat) natEnds(settings);
  },

  async start(device, context) {
    if (!isNat(device.config)) return { attachments: [], afterStart: (pid) => startOn(device, context, pid) };
    await applyRules(device, context);
    return { attachments: [] };
  },

  async recover(device, context) {
    const { pid } = context.instance;
    if (pid === undefined) return;
    if (isNat(device.config)) await applyRules(device, context);
    else if (!(await forwarderRuns(filesOf(device, context)))) await startOn(device, context, pid);
  },

  async stop(device, context) {
    if (isNat(device.config)) await removeNat(context, device.name);
    else await stopForwarder(filesOf(device, context));
    return undefined;
  },
});
