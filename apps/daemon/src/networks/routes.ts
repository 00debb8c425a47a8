import { networkPost, networkPut, networksPost, patchOf, resourceUrl } from '@lxd-ts/api';
import { created, done, sync } from '../http/reply.ts';
import { json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
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

  router.on('GET', '/1.0/networks', async (request) => {
    const all = await networks.list(request.project);
    return sync(
      recursionOf(request) > 0
        ? await Promise.all(all.map(render))
        : all.map(({ name, project }) => resourceUrl(['networks', name], { project })),
    );
  });

  router.on('POST', '/1.0/networks', async (request) => {
    const { name, type, description, config } = await json(request, networksPost);
    await networks.create({ name, type, description, config, project: request.project });
    return created(resourceUrl(['networks', name], { project: request.project }));
  });

  router.on('GET', '/1.0/networks/:name', async (request) => {
    const network = await networks.get(request.project, param(request, 'name'));
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
    return created(resourceUrl(['networks', name], { project: request.project }));
  });

  router.on('DELETE', '/1.0/networks/:name', async (request) => {
    await networks.delete(request.project, param(request, 'name'));
    return done();
  });
};
