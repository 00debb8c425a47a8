import { networkPost, networkPut, networksPost, networkUrl, patchOf } from '@lxd-ts/api';
import { notFound } from '@lxd-ts/driver-kit';
import { created, done, sync } from '../http/reply.ts';
import { type ApiRequest, json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import { type HostInterface, hostInterfaces, interfaceState } from './interfaces.ts';
import { editableNetwork, type NetworkService } from './service.ts';
import type { StoredNetwork } from './store.ts';

type UsedBy = (project: string, name: string) => Promise<readonly string[]>;

const statusWords = { pending: 'Pending', created: 'Created', errored: 'Errored' } as const;

export const networkRoutes = (router: Router, networks: NetworkService, usedBy: UsedBy): void => {
  const render = async ({ name, project, config, description, type, state }: StoredNetwork) => ({
    config,
    description,
    name,
    type,
    used_by: await usedBy(project, name),
    managed: true,
    status: statusWords[state],
    locations: ['none'],
  });

  /** Interfaces of the host that are no network of ours; they belong to the default project. */
  const unmanaged = async (project: string): Promise<HostInterface[]> => {
    if (project !== 'default') return [];
    const ours = new Set((await networks.list(project)).map((network) => network.name));
    return hostInterfaces().filter((one) => !ours.has(one.name));
  };

  const renderInterface = async ({ name, type }: HostInterface) => ({
    config: {},
    description: '',
    name,
    type,
    used_by: await usedBy('default', name),
    managed: false,
    status: '',
    locations: null,
  });

  const find = async (request: ApiRequest): Promise<StoredNetwork | HostInterface> => {
    const name = param(request, 'name');
    const managed = await networks.find(request.project, name);
    const found = managed ?? (await unmanaged(request.project)).find((one) => one.name === name);
    if (!found) throw notFound('Network not found');
    return found;
  };

  router.on('GET', '/1.0/networks', async (request) => {
    const [all, others] = await Promise.all([networks.list(request.project), unmanaged(request.project)]);
    if (recursionOf(request) > 0) return sync(await Promise.all([...all.map(render), ...others.map(renderInterface)]));
    return sync([
      ...all.map(({ name, project }) => networkUrl(name, { project })),
      ...others.map(({ name }) => networkUrl(name)),
    ]);
  });

  router.on('GET', '/1.0/networks/:name/state', async (request) => {
    const network = await find(request);
    if (!('project' in network)) return sync(interfaceState(network.name));
    const state = await networks.open(network.project, network.name).state();
    const { bridge, counters } = state;
    return sync({
      addresses: state.addresses,
      counters: {
        bytes_received: counters.bytesReceived,
        bytes_sent: counters.bytesSent,
        packets_received: counters.packetsReceived,
        packets_sent: counters.packetsSent,
      },
      hwaddr: state.hwaddr,
      mtu: state.mtu,
      state: state.state,
      type: state.type,
      bond: null,
      bridge: bridge
        ? {
            id: bridge.id,
            stp: bridge.stp,
            forward_delay: bridge.forwardDelay,
            vlan_default: bridge.vlanDefault,
            vlan_filtering: bridge.vlanFiltering,
            upper_devices: bridge.upperDevices,
          }
        : null,
      vlan: null,
      ovn: null,
    });
  });

  router.on('GET', '/1.0/networks/:name/leases', async (request) => {
    const network = await networks.get(request.project, param(request, 'name'));
    const leases = await networks.open(network.project, network.name).leases();
    return sync(leases.map((lease) => ({ ...lease, location: 'none' })));
  });

  router.on('POST', '/1.0/networks', async (request) => {
    const { name, type, description, config } = await json(request, networksPost);
    await networks.create({ name, type, description, config, project: request.project });
    return created(networkUrl(name, { project: request.project }));
  });

  router.on('GET', '/1.0/networks/:name', async (request) => {
    const network = await find(request);
    if (!('project' in network)) return sync(await renderInterface(network));
    return sync(await render(network), editableNetwork(network));
  });

  router.on('PUT', '/1.0/networks/:name', async (request) => {
    await networks.update(request.project, param(request, 'name'), await json(request, networkPut), request.ifMatch);
    return done();
  });

  router.on('PATCH', '/1.0/networks/:name', async (request) => {
    const network = await networks.get(request.project, param(request, 'name'));
    const change = await json(request, patchOf(networkPut));
    await networks.update(
      request.project,
      network.name,
      { description: change.description ?? network.description, config: { ...network.config, ...change.config } },
      request.ifMatch,
    );
    return done();
  });

  router.on('POST', '/1.0/networks/:name', async (request) => {
    const { name } = await json(request, networkPost);
    await networks.rename(request.project, param(request, 'name'), name);
    return created(networkUrl(name, { project: request.project }));
  });

  router.on('DELETE', '/1.0/networks/:name', async (request) => {
    await networks.delete(request.project, param(request, 'name'));
    return done();
  });
};
