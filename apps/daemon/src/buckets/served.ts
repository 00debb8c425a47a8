/** The local buckets that are open: mounted when the first request comes, let go when the bucket is deleted or the daemon ends. */
import { bucketVolume } from '@lxd-ts/driver-kit';
import type { BucketFiles, BucketUse } from '@lxd-ts/s3';
import type { Logger } from 'pino';
import type { Pools } from '../storage/pools.ts';
import type { StoredBucket } from './store.ts';

export interface ServedBuckets extends AsyncDisposable {
  /** Makes the files of a bucket accessible for one request. Waits while somebody has the bucket alone. */
  use(bucket: StoredBucket): Promise<BucketUse>;
  /**
   * Runs what needs the bucket unmounted.
   *
   * @param patience - requests that last longer than these milliseconds are cut off
   */
  alone<T>(bucket: StoredBucket, patience: number, work: () => Promise<T>): Promise<T>;
}

interface Parts {
  readonly pools: Pools;
  readonly log: Logger;
}

/** A bucket that is open. */
interface Open {
  readonly files: Promise<BucketFiles & AsyncDisposable>;
  readonly cut: AbortController;
  uses: number;
  /** Called with the end of the last use. */
  idle: (() => void) | undefined;
}

export const createServedBuckets = ({ pools, log }: Parts): ServedBuckets => {
  const opened = new Map<number, Open>();
  /** Buckets that somebody has alone, and when that ends. */
  const taken = new Map<number, Promise<void>>();

  const mount = async (bucket: StoredBucket): Promise<BucketFiles & AsyncDisposable> => {
    await using stack = new AsyncDisposableStack();
    const { storage } = await pools.open(bucket.pool);
    const volume = stack.use(await storage.mountVolume(bucketVolume(bucket)));
    const { openBucketFiles } = await import('@lxd-ts/s3');
    const files = stack.use(
      await openBucketFiles(volume.path, {
        onError: (error) => log.error({ err: error, bucket: bucket.name }, 'Could not clear up a bucket'),
      }),
    );
    const kept = stack.move();
    return { ...files, [Symbol.asyncDispose]: () => kept.disposeAsync() };
  };

  const open = (bucket: StoredBucket): Open => {
    const known = opened.get(bucket.id);
    if (known) return known;
    const made: Open = { files: mount(bucket), cut: new AbortController(), uses: 0, idle: undefined };
    opened.set(bucket.id, made);
    made.files.catch(() => {
      // The next request tries again.
      if (opened.get(bucket.id) === made) opened.delete(bucket.id);
    });
    return made;
  };

  const close = async (id: number, patience: number): Promise<void> => {
    const known = opened.get(id);
    if (!known) return;
    if (known.uses > 0) {
      const timer = setTimeout(() => known.cut.abort(), patience);
      await new Promise<void>((resolve) => {
        known.idle = resolve;
      });
      clearTimeout(timer);
    }
    opened.delete(id);
    const [files] = await Promise.allSettled([known.files]);
    if (files?.status === 'fulfilled') await files.value[Symbol.asyncDispose]();
  };

  const alone: ServedBuckets['alone'] = async ({ id }, patience, work) => {
    for (let other = taken.get(id); other; other = taken.get(id)) await other;
    const { promise, resolve } = Promise.withResolvers<void>();
    taken.set(id, promise);
    try {
      await close(id, patience);
      return await work();
    } finally {
      taken.delete(id);
      resolve();
    }
  };

  return {
    alone,

    async use(bucket) {
      for (let other = taken.get(bucket.id); other; other = taken.get(bucket.id)) await other;
      const one = open(bucket);
      one.uses++;
      const end = async (): Promise<void> => {
        one.uses--;
        if (one.uses === 0) one.idle?.();
      };
      try {
        return { files: await one.files, signal: one.cut.signal, [Symbol.asyncDispose]: end };
      } catch (error) {
        await end();
        throw error;
      }
    },

    async [Symbol.asyncDispose]() {
      await Promise.all([...opened.keys()].map((id) => close(id, 0)));
    },
  };
};
