import { reservationsOf } from '../networks/reservations.ts';
import { createNetworkService } from '../networks/service.ts';
import type { Base } from './base.ts';

export const createNetworks = (base: Base) => {
  const { stores, usedBy } = base;
  return createNetworkService({
    ...base,
    store: stores.networks,
    usedBy: (_project, name) => usedBy.network(name),
    reservations: async (network) => reservationsOf(await stores.instances.list(), network),
  });
};

export type Networks = ReturnType<typeof createNetworks>;
