/**
 * The conformance suite of pools whose S3 is served elsewhere: checks with a real service that a driver does what
 * `storage/buckets.ts` says.
 *
 * @example
 * import { bucketConformance } from '@lxd-ts/driver-kit/testing';
 * bucketConformance({ driver: cephobject, config: async () => ({ 'cephobject.radosgw.endpoint': url }), connect });
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Config } from '../config.ts';
import {
  type Bucket,
  type BucketCredentials,
  type BucketKey,
  type BucketPool,
  generateCredentials,
} from '../storage/buckets.ts';
import type { StorageDriver, StoragePool } from '../storage/contract.ts';
import { type TestContext, testContext } from './context.ts';
import { expectKind, MiB } from './storage/helpers.ts';
import { specIn } from './storage/suite.ts';

/** An S3 client with one bucket. Each call rejects when the service refuses it. */
export interface BucketClient {
  put(key: string, data: Uint8Array): Promise<unknown>;
  get(key: string): Promise<Uint8Array>;
  /** The keys of the objects. */
  list(): Promise<readonly string[]>;
}

export interface BucketConformanceOptions {
  readonly driver: StorageDriver;
  /** The configuration for the new pool. */
  readonly config: (context: TestContext) => Promise<Config>;
  /** Makes a client. @param url - as the pool tells it */
  readonly connect: (url: string, credentials: BucketCredentials) => BucketClient;
  /** Why this cannot be tried on this host; absent: it can. */
  readonly skip?: string | undefined;
}

let count = 0;

const newBucket = (parts: Partial<Bucket> = {}): Bucket => ({
  project: 'default',
  name: `conformance-${process.pid}-${count++}`,
  config: {},
  ...parts,
});

const newKey = (parts: Partial<BucketKey> = {}): BucketKey => ({
  name: 'admin',
  role: 'admin',
  ...generateCredentials(),
  ...parts,
});

const data = Buffer.from('data');

/** Declares the tests; see the head of this file. */
export const bucketConformance = ({ driver, config, connect, skip }: BucketConformanceOptions): void => {
  const title = `buckets of storage driver ${driver.name}${skip === undefined ? '' : ` (${skip})`}`;
  describe.skipIf(skip !== undefined)(title, () => {
    let context: TestContext | undefined;
    let pool: StoragePool | undefined;
    const buckets = (): BucketPool => {
      if (!pool?.buckets) throw new Error('The pool could not be made, or has no buckets');
      return pool.buckets;
    };
    beforeAll(async () => {
      context = await testContext(`lxd-ts-${driver.name}`);
      const asked = specIn(context.directory, 'pool', await config(context));
      pool = await driver.open({ ...asked, config: await driver.create(asked) });
    });
    afterAll(async () => {
      await pool?.delete();
      await context?.[Symbol.asyncDispose]();
    });
    const client = (bucket: Bucket, key: BucketCredentials): BucketClient => connect(buckets().url(bucket), key);

    /** Makes a bucket with a key, and deletes it afterwards. */
    const withBucket = async (bucket: Bucket, use: (key: BucketKey) => Promise<void>): Promise<void> => {
      const key = newKey();
      await buckets().create(bucket);
      try {
        await buckets().setKey(bucket, key);
        await use(key);
      } finally {
        await buckets().delete(bucket);
      }
    };

    it('the driver says that it has buckets, as a feature and by the pool', () => {
      expect(driver.features).toMatchObject({ buckets: true, remote: true });
      expect(pool?.buckets).toBeDefined();
    });

    it('[05.151] a bucket is reached at its URL with a key, and is gone with its objects when it is deleted', async () => {
      const bucket = newBucket();
      expect(await buckets().has(bucket)).toBe(false);
      await withBucket(bucket, async (key) => {
        expect(await buckets().has(bucket)).toBe(true);
        await expectKind(buckets().create(bucket), 'conflict');
        await client(bucket, key).put('a/b', data);
        expect(Buffer.from(await client(bucket, key).get('a/b'))).toEqual(data);
        await expect(client(bucket, { ...key, secretKey: 'another secret' }).list()).rejects.toThrow();
      });
      expect(await buckets().has(bucket)).toBe(false);
      // What is not there is deleted already.
      await buckets().delete(bucket);
      await buckets().deleteKey(bucket, newKey());
      await withBucket(bucket, async (key) => expect(await client(bucket, key).list()).toEqual([]));
    });

    it('[05.153 05.157] a read-only key lists and gets, and changes nothing', async () => {
      const bucket = newBucket();
      await withBucket(bucket, async (admin) => {
        await client(bucket, admin).put('a', data);
        const reader = newKey({ name: 'reader', role: 'read-only' });
        await buckets().setKey(bucket, reader);
        expect(await client(bucket, reader).list()).toEqual(['a']);
        expect(Buffer.from(await client(bucket, reader).get('a'))).toEqual(data);
        await expect(client(bucket, reader).put('b', data)).rejects.toThrow();
        expect(await client(bucket, admin).list()).toEqual(['a']);
      });
    });

    it('a key is replaced, in role and credentials, may be set again, and is void when deleted', async () => {
      const bucket = newBucket();
      await withBucket(bucket, async () => {
        const before = newKey({ name: 'k', role: 'read-only' });
        await buckets().setKey(bucket, before);
        await buckets().setKey(bucket, before);
        const promoted: BucketKey = { ...before, role: 'admin' };
        await buckets().setKey(bucket, promoted, before);
        await client(bucket, promoted).put('a', data);
        const after = newKey({ name: 'k' });
        await buckets().setKey(bucket, after, promoted);
        await client(bucket, after).put('b', data);
        await expect(client(bucket, before).list()).rejects.toThrow();
        await buckets().deleteKey(bucket, after);
        await buckets().deleteKey(bucket, after);
        await expect(client(bucket, after).list()).rejects.toThrow();
      });
    });

    it('a key opens its own bucket alone', async () => {
      const [one, two] = [newBucket(), newBucket()];
      await withBucket(one, (key) =>
        withBucket(two, async () => {
          await expect(client(two, key).list()).rejects.toThrow();
          await expect(client(two, key).put('a', data)).rejects.toThrow();
        }),
      );
    });

    it('[05.146 05.149] a bucket holds what its size lets in, and does not shrink below its use', async () => {
      const bucket = newBucket({ config: { size: '4MiB' } });
      await withBucket(bucket, async (key) => {
        const s3 = client(bucket, key);
        await s3.put('fits', Buffer.alloc(2 * MiB, 1));
        await expect(s3.put('more', Buffer.alloc(3 * MiB, 1))).rejects.toThrow();
        await expectKind(buckets().resize(bucket, MiB), 'bad-request');
        await buckets().resize(bucket, 8 * MiB);
        await s3.put('more', Buffer.alloc(3 * MiB, 1));
        await buckets().resize(bucket, undefined);
        await s3.put('much', Buffer.alloc(8 * MiB, 1));
      });
    });
  });
};
