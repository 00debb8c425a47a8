/** The keys of buckets: credentials that S3 clients come with. */
import { checkName, storageBucketKeyUrl } from '@lxd-ts/api';
import {
  type BucketCredentials,
  type BucketRole,
  badRequest,
  bucketRoles,
  checkCredentials,
  generateCredentials,
} from '@lxd-ts/driver-kit';
import type { Locks } from '../core/locks.ts';
import type { Events } from '../events/bus.ts';
import { checkIfMatch } from '../http/etag.ts';
import type { Pools } from '../storage/pools.ts';
import type { BucketRecords } from './record.ts';
import { type BucketName, bucketLock } from './service.ts';
import type { BucketStore, StoredBucket, StoredKey } from './store.ts';

/** What a request says of a key. Empty credentials are made up, an empty role is `read-only`. */
export interface KeyContent extends BucketCredentials {
  readonly description: string;
  readonly role: string;
}

export interface BucketKeys {
  list(bucket: BucketName): Promise<readonly StoredKey[]>;
  /** @throws LxdError not-found */
  get(bucket: BucketName, name: string): Promise<StoredKey>;
  create(bucket: BucketName, name: string, content: KeyContent): Promise<StoredKey>;
  update(bucket: BucketName, name: string, content: KeyContent, ifMatch: string | undefined): Promise<void>;
  delete(bucket: BucketName, name: string): Promise<void>;
}

interface Parts {
  readonly pools: Pools;
  readonly stores: { readonly buckets: BucketStore };
  readonly records: BucketRecords;
  readonly locks: Locks;
  readonly events: Events;
}

/** The user-editable part, of which the ETag is made. */
export const editableKey = ({ description, role, accessKey, secretKey }: KeyContent) => ({
  description,
  role,
  'access-key': accessKey,
  'secret-key': secretKey,
});

const roleOf = (word: string): BucketRole => {
  if (word === '') return 'read-only';
  const role = bucketRoles.find((known) => known === word);
  if (!role) throw badRequest(`Invalid value for "role": "${word}" must be one of ${bucketRoles.join(', ')}`);
  return role;
};

export const keyUrl = ({ pool, project, name }: BucketName, key: string): string =>
  storageBucketKeyUrl(pool, name, key, { project });

export const createBucketKeys = ({ pools, stores: { buckets: store }, records, locks, events }: Parts): BucketKeys => {
  const bucketOf = ({ pool, project, name }: BucketName): Promise<StoredBucket> => store.get(pool, project, name);

  const complete = ({ description, role, accessKey, secretKey }: KeyContent) => {
    const random = generateCredentials();
    const credentials = { accessKey: accessKey || random.accessKey, secretKey: secretKey || random.secretKey };
    checkCredentials(credentials);
    return { description, role: roleOf(role), ...credentials };
  };

  return {
    async list(bucket) {
      return store.keys((await bucketOf(bucket)).id);
    },

    async get(bucket, name) {
      return store.key((await bucketOf(bucket)).id, name);
    },

    async create(bucket, name, content) {
      checkName('bucketKey', name);
      const made = { name, ...complete(content) };
      using _lock = await locks.hold(bucketLock(bucket), 'create a key of');
      const owner = await bucketOf(bucket);
      const { storage } = await pools.open(bucket.pool);
      const key = await store.insertKey(owner.id, made);
      try {
        await storage.buckets?.setKey(owner, key);
      } catch (error) {
        await store.deleteKey(key.id);
        throw error;
      }
      await records.write(bucket);
      events.lifecycle('storage-bucket-key-created', keyUrl(bucket, name), bucket.project);
      return key;
    },

    async update(bucket, name, content, ifMatch) {
      using _lock = await locks.hold(bucketLock(bucket), 'update a key of');
      const owner = await bucketOf(bucket);
      const before = await store.key(owner.id, name);
      checkIfMatch(ifMatch, editableKey(before));
      const after = { ...before, ...complete(content) };
      const { storage } = await pools.open(bucket.pool);
      await store.updateKey(before.id, after);
      try {
        await storage.buckets?.setKey(owner, after, before);
      } catch (error) {
        await store.updateKey(before.id, before);
        throw error;
      }
      await records.write(bucket);
      events.lifecycle('storage-bucket-key-updated', keyUrl(bucket, name), bucket.project);
    },

    async delete(bucket, name) {
      using _lock = await locks.hold(bucketLock(bucket), 'delete a key of');
      const owner = await bucketOf(bucket);
      const key = await store.key(owner.id, name);
      const { storage } = await pools.open(bucket.pool);
      await storage.buckets?.deleteKey(owner, key);
      await store.deleteKey(key.id);
      await records.write(bucket);
      events.lifecycle('storage-bucket-key-deleted', keyUrl(bucket, name), bucket.project);
    },
  };
};
