import {
  asc,
  type Database,
  eq,
  firstNodeId,
  insertRow,
  loadConfigs,
  preparedQuery,
  type Reader,
  replaceConfig,
  schema,
  type Transaction,
} from '@lxd-ts/database';
import { type Config, conflict, notFound } from '@lxd-ts/driver-kit';

const { storagePools, storagePoolsConfig, storagePoolsNodes, storagePoolsNodesConfig } = schema;

/** The row number of this member; a cluster gives others theirs. */
const member = firstNodeId;

/** Pool keys that each member has its own value of (spec 05.29). */
const memberKeys = new Set([
  'source',
  'size',
  'zfs.pool_name',
  'lvm.thinpool_name',
  'lvm.vg_name',
  'volatile.initial_source',
]);

/** A storage pool as it is stored. */
export interface Pool {
  readonly id: number;
  readonly name: string;
  readonly driver: string;
  readonly description: string;
  /** The cluster-wide keys and this member's own. */
  readonly config: Config;
  readonly state: 'pending' | 'created' | 'errored';
}

export type NewPool = Pick<Pool, 'name' | 'driver' | 'description' | 'config'>;

export interface PoolStore {
  list(): Promise<readonly Pool[]>;
  /** The driver names of all pools, each once. Kept in memory: every client asks for the server's description first. */
  drivers(): Promise<readonly string[]>;
  /** @throws LxdError not-found */
  get(name: string): Promise<Pool>;
  /** Adds a pool in state `pending`. @throws LxdError conflict */
  insert(pool: NewPool): Promise<Pool>;
  /** Adds a pool that is there already. @throws LxdError conflict */
  adopt(pool: NewPool): Promise<Pool>;
  update(pool: Pool, change: { description: string; config: Config }): Promise<void>;
  markCreated(pool: Pool): Promise<void>;
  delete(pool: Pool): Promise<void>;
}

const split = (config: Config): { own: Config; shared: Config } => ({
  own: Object.fromEntries(Object.entries(config).filter(([key]) => memberKeys.has(key))),
  shared: Object.fromEntries(Object.entries(config).filter(([key]) => !memberKeys.has(key))),
});

const selectPools = preparedQuery(['member'], (tx, values) =>
  tx
    .select({ pool: storagePools, node: storagePoolsNodes })
    .from(storagePools)
    .innerJoin(storagePoolsNodes, eq(storagePoolsNodes.storagePoolId, storagePools.id))
    .where(eq(storagePoolsNodes.nodeId, values.member))
    .orderBy(asc(storagePools.name)),
);

const selectDrivers = preparedQuery([], (tx) =>
  tx.selectDistinct({ driver: storagePools.driver }).from(storagePools).orderBy(asc(storagePools.driver)),
);

const listIn = async (tx: Reader): Promise<Pool[]> => {
  const rows = await selectPools(tx, { member });
  const shared = await loadConfigs(
    tx,
    storagePoolsConfig,
    rows.map((row) => row.pool.id),
  );
  const own = await loadConfigs(
    tx,
    storagePoolsNodesConfig,
    rows.map((row) => row.node.id),
  );
  return rows.map(({ pool, node }) => ({
    id: pool.id,
    name: pool.name,
    driver: pool.driver,
    description: pool.description,
    config: { ...shared.get(pool.id), ...own.get(node.id) },
    state: node.state,
  }));
};

const writeConfig = async (tx: Transaction, poolId: number, config: Config): Promise<void> => {
  const { own, shared } = split(config);
  await replaceConfig(tx, storagePoolsConfig, poolId, shared);
  const [node] = await tx
    .select({ id: storagePoolsNodes.id })
    .from(storagePoolsNodes)
    .where(eq(storagePoolsNodes.storagePoolId, poolId));
  if (node) await replaceConfig(tx, storagePoolsNodesConfig, node.id, own);
};

export const createPoolStore = (database: Database): PoolStore => {
  const find = async (tx: Reader, name: string): Promise<Pool> => {
    const pool = (await listIn(tx)).find((one) => one.name === name);
    if (!pool) throw notFound('Storage pool not found');
    return pool;
  };

  let driverNames: Promise<readonly string[]> | undefined;
  const readDrivers = async (): Promise<readonly string[]> =>
    (await database.read((tx) => selectDrivers(tx, {}))).map(({ driver }) => driver);
  /** Runs what adds or removes pools: what was read before it had ended may be out of date. */
  const changing = async <T>(change: (tx: Transaction) => Promise<T>): Promise<T> => {
    try {
      return await database.transaction(change);
    } finally {
      driverNames = undefined;
    }
  };

  const add = (pool: NewPool, state: 'pending' | 'created'): Promise<Pool> =>
    changing(async (tx) => {
      if ((await listIn(tx)).some((one) => one.name === pool.name))
        throw conflict(`Storage pool "${pool.name}" already exists`);
      const { name, driver, description, config } = pool;
      const row = { name, driver, description, state: state === 'created' ? 'ready' : 'pending' } as const;
      const id = await insertRow(tx, storagePools, row);
      await tx.insert(storagePoolsNodes).values({ storagePoolId: id, nodeId: member, state });
      await writeConfig(tx, id, config);
      return find(tx, name);
    });

  return {
    list: () => database.read(listIn),
    drivers: () => {
      driverNames ??= readDrivers().catch((error: unknown) => {
        driverNames = undefined;
        throw error;
      });
      return driverNames;
    },
    get: (name) => database.read((tx) => find(tx, name)),

    insert: (pool) => add(pool, 'pending'),
    adopt: (pool) => add(pool, 'created'),

    update: (pool, { description, config }) =>
      database.transaction(async (tx) => {
        await tx.update(storagePools).set({ description }).where(eq(storagePools.id, pool.id));
        await writeConfig(tx, pool.id, config);
      }),

    markCreated: (pool) =>
      database.transaction(async (tx) => {
        await tx.update(storagePools).set({ state: 'ready' }).where(eq(storagePools.id, pool.id));
        await tx
          .update(storagePoolsNodes)
          .set({ state: 'created' })
          .where(eq(storagePoolsNodes.storagePoolId, pool.id));
      }),

    delete: (pool) =>
      changing(async (tx) => {
        await tx.delete(storagePools).where(eq(storagePools.id, pool.id));
      }),
  };
};
