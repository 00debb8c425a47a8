import { patchOf, storagePoolPut, storagePoolsPost, storagePoolUrl } from '@lxd-ts/api';
import type { Events } from '../events/bus.ts';
import { checkIfMatch } from '../http/etag.ts';
import { created, done, sync } from '../http/reply.ts';
import { json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { Pool, PoolStore } from './pool-store.ts';
import type { Pools } from './pools.ts';

interface Parts {
  readonly pools: Pools;
  readonly poolStore: PoolStore;
  readonly events: Events;
  /** URLs of what uses a pool. */
  readonly usedBy: (pool: string) => Promise<readonly string[]>;
}

const statusWords = { pending: 'Pending', created: 'Created', errored: 'Errored' } as const;

const editable = ({ description, config }: Pool) => ({ description, config });

export const storageRoutes = (router: Router, { pools, poolStore, events, usedBy }: Parts): void => {
  const render = async (pool: Pool) => ({
    config: pool.config,
    description: pool.description,
    name: pool.name,
    driver: pool.driver,
    used_by: await usedBy(pool.name),
    status: statusWords[pool.state],
    locations: ['none'],
  });

  router.on('GET', '/1.0/storage-pools', async (request) => {
    const all = await poolStore.list();
    return sync(
      recursionOf(request) > 0 ? await Promise.all(all.map(render)) : all.map(({ name }) => storagePoolUrl(name)),
    );
  });

  router.on(
    'POST',
    '/1.0/storage-pools',
    async (request) => {
      const { name, driver, description, config } = await json(request, storagePoolsPost);
      await pools.create({ name, driver, description, config });
      events.lifecycle('storage-pool-created', storagePoolUrl(name));
      return created(storagePoolUrl(name));
    },
    'admin',
  );

  router.on('GET', '/1.0/storage-pools/:name', async (request) => {
    const pool = await poolStore.get(param(request, 'name'));
    return sync(await render(pool), editable(pool));
  });

  router.on(
    'PUT',
    '/1.0/storage-pools/:name',
    async (request) => {
      const pool = await poolStore.get(param(request, 'name'));
      checkIfMatch(request.ifMatch, editable(pool));
      await pools.update(pool.name, await json(request, storagePoolPut));
      events.lifecycle('storage-pool-updated', storagePoolUrl(pool.name));
      return done();
    },
    'admin',
  );

  router.on(
    'PATCH',
    '/1.0/storage-pools/:name',
    async (request) => {
      const pool = await poolStore.get(param(request, 'name'));
      checkIfMatch(request.ifMatch, editable(pool));
      const change = await json(request, patchOf(storagePoolPut));
      await pools.update(pool.name, {
        description: change.description ?? pool.description,
        config: { ...pool.config, ...change.config },
      });
      events.lifecycle('storage-pool-updated', storagePoolUrl(pool.name));
      return done();
    },
    'admin',
  );

  router.on(
    'DELETE',
    '/1.0/storage-pools/:name',
    async (request) => {
      const name = param(request, 'name');
      await pools.delete(name);
      events.lifecycle('storage-pool-deleted', storagePoolUrl(name));
      return done();
    },
    'admin',
  );

  router.on('GET', '/1.0/storage-pools/:name/resources', async (request) => {
    const { storage } = await pools.open(param(request, 'name'));
    return sync(await storage.resources());
  });
};
