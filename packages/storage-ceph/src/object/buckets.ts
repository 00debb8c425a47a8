/** Buckets of a `cephobject` pool. Each belongs to a user of its own in the gateway, who has the keys and nothing else. */
import {
  type Bucket,
  type BucketKey,
  type BucketPool,
  badRequest,
  conflict,
  generateCredentials,
  parseSize,
  UndoStack,
} from '@lxd-ts/driver-kit';
import { endedWith } from '../cluster.ts';
import type { Gateway, GatewayKey } from './gateway.ts';
import { type Endpoint, makeBucket } from './s3.ts';

/** S3 (AWS, "Bucket naming rules"), which the gateway keeps to. */
const isBucketName = (name: string): boolean => /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name);

const keyOf = ({ accessKey, secretKey, role }: BucketKey): GatewayKey => ({ accessKey, secretKey, role });

/**
 * @param changed - told when something may have taken or freed space
 */
export const bucketPool = (gateway: Gateway, endpoint: Endpoint, prefix: string, changed: () => void): BucketPool => {
  /** The bucket's name in the gateway, and the id of its user. */
  const nameOf = ({ name }: Bucket): string => `${prefix}${name}`;

  const setQuota = (name: string, size: string | undefined): Promise<void> =>
    gateway.setQuota(name, name, size ? parseSize(size) : undefined);

  return {
    url: (bucket) => `${endpoint.url.href.replace(/\/$/, '')}/${nameOf(bucket)}`,

    has: async (bucket) =>
      (await gateway.user(nameOf(bucket))) !== undefined || (await gateway.bucket(nameOf(bucket))) !== undefined,

    async create(bucket, work) {
      const name = nameOf(bucket);
      if (!isBucketName(name)) {
        throw badRequest(
          `Invalid name "${name}": with its prefix it must be 3-63 lower-case letters, digits, dots and hyphens`,
        );
      }
      work?.signal?.throwIfAborted();
      const credentials = generateCredentials();
      await using undo = new UndoStack();
      let ours = true;
      undo.add(`remove the user ${name}`, async () => {
        if (ours) await gateway.removeUser(name);
      });
      try {
        await gateway.createUser(name, `LXD bucket ${name}`, credentials);
      } catch (error) {
        ours = !endedWith(error, 'EEXIST');
        throw ours ? error : conflict(`There is a bucket "${name}" already`, { cause: error });
      }
      await makeBucket(endpoint, name, credentials);
      if (bucket.config.size) await setQuota(name, bucket.config.size);
      // It was for the bucket to be made with: nobody is given it.
      await gateway.removeKey(name, { ...credentials, role: 'admin' });
      undo.commit();
      changed();
    },

    async resize(bucket, size) {
      const name = nameOf(bucket);
      const held = (await gateway.bucket(name))?.size ?? 0;
      if (size !== undefined && held > size) {
        throw badRequest(`Bucket "${bucket.name}" cannot be limited to ${size} bytes: it holds ${held}`);
      }
      await gateway.setQuota(name, name, size);
    },

    async delete(bucket) {
      const name = nameOf(bucket);
      // A bucket of this name that is not LXD's stays.
      await gateway.removeUser(name);
      changed();
    },

    async setKey(bucket, key, before) {
      const name = nameOf(bucket);
      const wanted = keyOf(key);
      const holder = await gateway.userWithKey(key.accessKey);
      const there = holder?.keys.find(({ accessKey }) => accessKey === key.accessKey);
      const same = holder?.id === name && there?.secretKey === key.secretKey && there.role === key.role;
      const isBefore = holder?.id === name && before?.accessKey === key.accessKey;
      if (there && !same && !isBefore) throw conflict(`The access key "${key.accessKey}" is in use`);
      if (!same) {
        // A key cannot change its role: it is made anew.
        await using undo = new UndoStack();
        if (there) {
          undo.add(`put back ${key.accessKey}`, () => gateway.addKey(name, there));
          await gateway.removeKey(name, there);
        }
        await gateway.addKey(name, wanted);
        undo.commit();
      }
      if (before && before.accessKey !== key.accessKey) await gateway.removeKey(name, keyOf(before));
    },

    deleteKey: (bucket, key) => gateway.removeKey(nameOf(bucket), keyOf(key)),
  };
};
