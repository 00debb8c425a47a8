import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { checkName } from '@lxd-ts/api';
import {
  badRequest,
  type Config,
  type ConfigKey,
  changedKeys,
  conflict,
  findKey,
  isKind,
  LxdError,
  messageOf,
  type PoolSpec,
  poolConfigKeys,
  removeEmptyDirectories,
  type StorageDriver,
  type StoragePool,
  snapshotDirectories,
  UndoStack,
  unavailable,
  validateConfig,
  withoutEmpty,
} from '@lxd-ts/driver-kit';
import { isMountPoint, unmountAll } from '@lxd-ts/host';
import type { Logger } from 'pino';
import type { Directories } from '../core/directories.ts';
import type { Locks } from '../core/locks.ts';
import type { Drivers } from '../drivers/registry.ts';
import type { NewPool, Pool, PoolStore } from './pool-store.ts';

/** A pool that is mounted, with what the service needs to know of it. */
export interface OpenPool {
  readonly pool: Pool;
  readonly driver: StorageDriver;
  readonly storage: StoragePool;
}

export interface Pools {
  /** Mounts all pools at daemon start. One that cannot be mounted is logged and tried again when it is used. */
  openAll(): Promise<void>;
  /** The open pool. @throws LxdError not-found, unavailable */
  open(name: string): Promise<OpenPool>;
  create(pool: { name: string; driver: string; description: string; config: Config }): Promise<void>;
  update(name: string, change: { description: string; config: Config }): Promise<void>;
  /** @throws LxdError conflict when something uses it */
  delete(name: string): Promise<void>;
  /** Unmounts all pools, as far as nothing in them is in use. Failures are logged. */
  closeAll(): Promise<void>;
  /**
   * Mounts a pool that has no record, to be looked at. Nothing in it changes; disposing of it leaves things as they were.
   *
   * @throws LxdError bad-request, unavailable
   */
  inspect(pool: Omit<NewPool, 'description'>): Promise<{ readonly storage: StoragePool } & AsyncDisposable>;
  /** Records a pool that is there already, and opens it. @throws LxdError conflict when the name is taken */
  adopt(pool: NewPool): Promise<OpenPool>;
}

interface Parts {
  readonly store: PoolStore;
  readonly drivers: Drivers;
  readonly directories: Directories;
  readonly locks: Locks;
  readonly log: Logger;
  /** URLs of what uses a pool: volumes, instances, profiles. */
  readonly usedBy: (pool: string) => Promise<readonly string[]>;
  /** Removes the volumes that images have in a pool: they are a cache and do not keep it. */
  readonly removeImages: (pool: string) => Promise<void>;
}

const userKeys: ConfigKey = { key: 'user.*', type: 'string', description: 'Free-form keys' };

/** The keys of a pool: the driver's, `volume.*` defaults for those of its volumes, and free ones. */
export const poolKeys = (driver: StorageDriver): readonly ConfigKey[] => [...poolConfigKeys(driver), userKeys];

/** The part of a pool's configuration that the server keeps, and the part that is the user's: what users send of the former does nothing. */
const partsOf = (driver: StorageDriver, config: Config): { readonly kept: Config; readonly given: Config } => {
  const isKept = ([key]: [string, string]): boolean => findKey(poolKeys(driver), key)?.internal === true;
  const entries = Object.entries(withoutEmpty(config));
  return {
    kept: Object.fromEntries(entries.filter(isKept)),
    given: Object.fromEntries(entries.filter((entry) => !isKept(entry))),
  };
};

export const createPools = (parts: Parts): Pools => {
  const { store, drivers, directories, locks, log } = parts;
  const opened = new Map<string, Promise<OpenPool>>();

  const specOf = (pool: Pick<Pool, 'name' | 'config'>): PoolSpec => ({
    name: pool.name,
    config: pool.config,
    path: join(directories.pools, pool.name),
    disks: directories.disks,
  });

  const openPool = async (pool: Pool): Promise<OpenPool> => {
    const driver = drivers.storage(pool.driver);
    return { pool, driver, storage: await driver.open(specOf(pool)) };
  };

  const open = async (name: string): Promise<OpenPool> => {
    const known = opened.get(name);
    if (known) return known;
    const pool = await store.get(name);
    if (pool.state !== 'created') throw unavailable(`Storage pool "${name}" is not created yet`);
    const meanwhile = opened.get(name);
    if (meanwhile) return meanwhile;
    const opening = openPool(pool);
    opened.set(name, opening);
    try {
      return await opening;
    } catch (error) {
      opened.delete(name);
      throw error;
    }
  };

  const lockOf = (name: string): string => `storage pool "${name}"`;

  return {
    async openAll() {
      for (const pool of await store.list()) {
        if (pool.state !== 'created') {
          // A creation that a crash cut short: nothing in it was ever acknowledged.
          log.warn({ pool: pool.name }, 'Removing a storage pool that was being created when the daemon died');
          try {
            await (await openPool(pool)).storage.delete();
          } catch (error) {
            log.warn({ err: error, pool: pool.name }, 'Could not remove what was made of the storage pool');
          }
          await store.delete(pool);
          continue;
        }
        try {
          const { storage } = await open(pool.name);
          // Nobody reads snapshots yet: what is mounted is what a daemon that was killed had mounted.
          for (const name of snapshotDirectories) await unmountAll(join(storage.path, name), { lazy: true });
        } catch (error) {
          log.error({ err: error, pool: pool.name }, 'Could not open the storage pool');
        }
      }
    },

    open,

    async create({ name, driver: driverName, description, config }) {
      checkName('pool', name);
      const driver = drivers.storage(driverName);
      const { given } = partsOf(driver, config);
      validateConfig(poolKeys(driver), given, 'storage pool');
      using _lock = await locks.hold(lockOf(name), 'create');
      await using undo = new UndoStack((what, error) =>
        log.warn({ err: error, pool: name }, `Could not undo: ${what}`),
      );
      const pool = await store.insert({ name, driver: driverName, description, config: given });
      undo.add('remove the row', () => store.delete(pool));
      const effective = await driver.create(specOf(pool));
      undo.add('remove the pool', async () => (await driver.open(specOf({ name, config: effective }))).delete());
      await store.update(pool, { description, config: effective });
      await store.markCreated(pool);
      undo.commit();
      await open(name);
    },

    async update(name, change) {
      using _lock = await locks.hold(lockOf(name), 'update');
      const { pool, driver, storage } = await open(name);
      const config = { ...partsOf(driver, change.config).given, ...partsOf(driver, pool.config).kept };
      validateConfig(poolKeys(driver), config, 'storage pool');
      const changed = changedKeys(pool.config, config);
      if (changed.includes('source')) throw badRequest('The source of a storage pool cannot be changed');
      await storage.update(config, changed);
      await store.update(pool, { description: change.description, config });
      opened.set(
        name,
        Promise.resolve({ pool: { ...pool, description: change.description, config }, driver, storage }),
      );
    },

    async delete(name) {
      using _lock = await locks.hold(lockOf(name), 'delete');
      const pool = await store.get(name);
      const users = await parts.usedBy(name);
      if (users.length > 0) throw conflict(`The storage pool is currently in use by: ${users.join(', ')}`);
      const { storage } = await open(name);
      await parts.removeImages(name);
      await storage.delete();
      opened.delete(name);
      await store.delete(pool);
    },

    async closeAll() {
      const closing = [...opened].map(async ([name, opening]) => {
        try {
          await (await opening).storage[Symbol.asyncDispose]();
        } catch (error) {
          log.error({ err: error, pool: name }, 'Could not close the storage pool');
        }
      });
      opened.clear();
      await Promise.all(closing);
    },

    async inspect({ name, driver: driverName, config }) {
      const driver = drivers.storage(driverName);
      try {
        validateConfig(poolKeys(driver), config, 'storage pool');
      } catch (error) {
        throw badRequest(`Failed config validation for unknown pool "${name}": ${messageOf(error)}`, { cause: error });
      }
      const spec = specOf({ name, config });
      // An earlier run of the server may have left it mounted, with instances running from it.
      const mounted = await isMountPoint(spec.path);
      const made = await mkdir(spec.path, { recursive: true, mode: 0o711 });
      const leave = async (): Promise<void> => {
        // With the places at which volumes were mounted.
        if (made !== undefined) await removeEmptyDirectories(spec.path);
      };
      try {
        const storage = await driver.open({ ...spec, inspect: true });
        return {
          storage,
          async [Symbol.asyncDispose]() {
            if (mounted) return;
            await storage[Symbol.asyncDispose]();
            await leave();
          },
        };
      } catch (error) {
        await leave();
        throw isKind(error)
          ? new LxdError(error.kind, `Failed mounting pool "${name}": ${error.message}`, { cause: error })
          : badRequest(`Failed mounting pool "${name}": ${messageOf(error)}`, { cause: error });
      }
    },

    async adopt(pool) {
      using _lock = await locks.hold(lockOf(pool.name), 'recover');
      await using undo = new UndoStack((what, error) =>
        log.warn({ err: error, pool: pool.name }, `Could not undo: ${what}`),
      );
      const row = await store.adopt(pool);
      undo.add('remove the row', () => store.delete(row));
      const adopted = await open(pool.name);
      undo.commit();
      return adopted;
    },
  };
};
