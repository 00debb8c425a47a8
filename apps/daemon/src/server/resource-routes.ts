import { notFound } from '@lxd-ts/driver-kit';
import { hostResources } from '@lxd-ts/host';
import { sync } from '../http/reply.ts';
import type { Router } from '../http/router.ts';
import { configurationKeys } from './metadata.ts';

/** What the server is made of and what it can be told: hardware, configuration keys, and the cluster it is not part of. */
export const resourceRoutes = (router: Router): void => {
  router.on('GET', '/1.0/resources', async () => sync(await hostResources()));
  router.on('GET', '/1.0/metadata/configuration', () => sync(configurationKeys()));

  router.on('GET', '/1.0/cluster', () => sync({ server_name: '', enabled: false, member_config: [] }));
  router.on('GET', '/1.0/cluster/members', () => {
    throw notFound('Server is not clustered');
  });
};
