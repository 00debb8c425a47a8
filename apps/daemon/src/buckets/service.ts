import { checkName, storageBucketUrl } from '@lxd-ts/api';
import {
  type Bucket,
  type BucketPool,
  badRequest,
  bucketVolume,
  type Config,
  changedKeys,
  findKey,
  generateCredentials,
  isKind,
  parseSize,
  UndoStack,
  validateConfig,
  withoutEmpty,
} from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import type { Locks } from '../core/locks.ts';
import type { Events } from '../events/bus.ts';
import { checkIfMatch } from '../http/etag.ts';
import type { PoolStore } from '../storage/pool-store.ts';
import type { OpenPool, Pools } from '../storage/pools.ts';
import type { BucketRecords } from './record.ts';
import type { ServedBuckets } from './served.ts';
import type { BucketStore, StoredBucket, StoredKey } from './store.ts';

/** Where a bucket is named. `project` is the one that holds the buckets of the project asked for. */
export interface BucketName {
  readonly pool: string;
  readonly project: string;
  readonly name: string;
}

export interface BucketContent {
  readonly description: string;
  readonly config: Config;
}

/** S3 buckets of pools. */
export interface BucketService {
  /** @throws LxdError not-found when there is no such pool */
  list(pool: string, project: string): Promise<readonly StoredBucket[]>;
  /** @throws LxdError not-found */
  get(name: BucketName): Promise<StoredBucket>;
  /** @returns the key that is made along with the bucket */
  create(name: BucketName, content: BucketContent): Promise<StoredKey>;
  /** @throws LxdError bad-request when it would shrink below use */
  update(name: BucketName, change: BucketContent, ifMatch: string | undefined): Promise<void>;
  /** Deletes the bucket with all that is in it, and its keys. */
  delete(name: BucketName): Promise<void>;
  /** Where S3 clients find it; empty while nobody listens, or its pool is away. */
  url(bucket: StoredBucket): Promise<string>;
  /** Removes buckets whose making or deletion a crash cut short. */
  recover(): Promise<void>;
}

interface Parts {
  readonly pools: Pools;
  readonly stores: { readonly buckets: BucketStore; readonly pools: PoolStore };
  readonly served: ServedBuckets;
  readonly records: BucketRecords;
  readonly locks: Locks;
  readonly events: Events;
  readonly log: Logger;
  /** Where local buckets are served, if they are. */
  readonly localUrl: () => string | undefined;
}

/** Requests that last longer are cut off when a bucket must be unmounted to be resized. */
const patience = 10_000;

/** The key of a bucket's lock, and its name in messages. */
export const bucketLock = ({ pool, name }: Pick<BucketName, 'pool' | 'name'>): string => `bucket "${pool}/${name}"`;

export const bucketUrl = ({ pool, project, name }: BucketName): string => storageBucketUrl(pool, name, { project });

/** The user-editable part, of which the ETag is made. */
export const editableBucket = ({ description, config }: BucketContent): BucketContent => ({ description, config });

const sizeOf = (config: Config): number | undefined => (config['size'] ? parseSize(config['size']) : undefined);

export const createBucketService = (parts: Parts): BucketService => {
  const { pools, served, records, locks, events, log } = parts;
  const store = parts.stores.buckets;

  const check = ({ driver, pool }: OpenPool, config: Config): void => {
    if (!driver.features.buckets)
      throw badRequest(`Storage pool "${pool.name}" (${driver.name}) does not support buckets`);
    const keys = driver.bucketConfig ?? [];
    if (config['size'] && !findKey(keys, 'size')) {
      throw badRequest(`Invalid value for "size": storage pools of driver "${driver.name}" cannot limit buckets`);
    }
    validateConfig(keys, config, 'storage bucket');
  };

  /** What a new bucket has that was not said. */
  const defaults = ({ driver, pool }: OpenPool): Config => {
    const size = pool.config['volume.size'];
    return size && driver.bucketConfig && findKey(driver.bucketConfig, 'size') ? { size } : {};
  };

  const get: BucketService['get'] = ({ pool, project, name }) => store.get(pool, project, name);

  /** Removes all of a bucket, whatever of it is there. */
  const remove = async ({ storage }: OpenPool, bucket: StoredBucket): Promise<void> => {
    if (storage.buckets) await storage.buckets.delete(bucket);
    else await served.alone(bucket, 0, () => storage.deleteVolume(bucketVolume(bucket)));
    await store.delete(bucket.id);
  };

  const resize = async ({ storage }: OpenPool, bucket: StoredBucket, size: number | undefined): Promise<void> => {
    if (storage.buckets) return storage.buckets.resize(bucket, size);
    const volume = bucketVolume(bucket);
    try {
      await storage.resizeVolume(volume, size);
    } catch (error) {
      if (!isKind(error, 'conflict')) throw error;
      await served.alone(bucket, patience, () => storage.resizeVolume(volume, size));
    }
  };

  const make = async (remote: BucketPool | undefined, { storage }: OpenPool, bucket: Bucket): Promise<void> => {
    if (remote) await remote.create(bucket);
    else await storage.createVolume(bucketVolume(bucket));
  };

  return {
    get,

    async list(pool, project) {
      // From rows alone: a pool that cannot be opened now has its buckets all the same.
      const known = await parts.stores.pools.get(pool);
      return (await store.list({ pool: known.name, project })).filter(({ state }) => state === 'ready');
    },

    async create(name, content) {
      checkName('bucket', name.name);
      using _lock = await locks.hold(bucketLock(name), 'create');
      const open = await pools.open(name.pool);
      const given = withoutEmpty(content.config);
      check(open, given);
      const config = { ...defaults(open), ...given };
      await using undo = new UndoStack((what, error) =>
        log.error({ err: error, bucket: name.name, pool: name.pool }, `Could not undo: ${what}`),
      );
      const remote = open.storage.buckets;
      const bucket = await store.insert({ ...name, description: content.description, config, local: !remote });
      undo.add('remove the bucket', () => remove(open, bucket));
      await make(remote, open, bucket);
      const key = await store.insertKey(bucket.id, {
        name: 'admin',
        description: 'Admin user',
        role: 'admin',
        ...generateCredentials(),
      });
      await remote?.setKey(bucket, key);
      await records.write(bucket);
      await store.setState(bucket.id, 'ready');
      undo.commit();
      events.lifecycle('storage-bucket-created', bucketUrl(name), name.project);
      return key;
    },

    async update(name, change, ifMatch) {
      using _lock = await locks.hold(bucketLock(name), 'update');
      const bucket = await get(name);
      checkIfMatch(ifMatch, editableBucket(bucket));
      const open = await pools.open(name.pool);
      const config = withoutEmpty(change.config);
      check(open, config);
      if (changedKeys(bucket.config, config).includes('size')) await resize(open, bucket, sizeOf(config));
      await store.update(bucket.id, { description: change.description, config });
      await records.write(name);
      events.lifecycle('storage-bucket-updated', bucketUrl(name), name.project);
    },

    async delete(name) {
      using _lock = await locks.hold(bucketLock(name), 'delete');
      const bucket = await get(name);
      const open = await pools.open(name.pool);
      // From here on it is gone for all others, and the next start removes what is left should this one end here.
      await store.setState(bucket.id, 'pending');
      await remove(open, bucket);
      events.lifecycle('storage-bucket-deleted', bucketUrl(name), name.project);
    },

    async url(bucket) {
      if (bucket.local) {
        const base = parts.localUrl();
        return base === undefined ? '' : `${base}/${bucket.name}`;
      }
      try {
        const { storage } = await pools.open(bucket.pool);
        return storage.buckets?.url(bucket) ?? '';
      } catch (error) {
        // Its bucket can be looked at all the same.
        if (isKind(error, 'unavailable')) return '';
        throw error;
      }
    },

    async recover() {
      for (const bucket of await store.list()) {
        if (bucket.state === 'ready') continue;
        log.warn(
          { bucket: bucket.name, pool: bucket.pool },
          'Removing a bucket that was not whole when the daemon died',
        );
        try {
          await remove(await pools.open(bucket.pool), bucket);
        } catch (error) {
          log.error({ err: error, bucket: bucket.name, pool: bucket.pool }, 'Could not remove a bucket');
        }
      }
    },
  };
};
