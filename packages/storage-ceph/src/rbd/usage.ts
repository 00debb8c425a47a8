/**
 * What is known about the use of the pool and its volumes, for answers that must not start a program: of mounted file systems
 * the kernel tells; for the rest values are remembered, and refreshed when something has changed.
 */
import type { PoolResources, Work } from '@lxd-ts/driver-kit';
import { diskUsage } from '@lxd-ts/host';
import { z } from 'zod';
import { type Cluster, cephJson, osdPools, QUICK, within } from '../cluster.ts';
import type { Images } from './images.ts';

const freeShape = z.object({
  stats: z.object({ total_avail_bytes: z.number() }),
  pools: z.array(
    z.object({
      name: z.string(),
      stats: z.object({ stored: z.number(), max_avail: z.number() }),
    }),
  ),
});

/**
 * The space of an OSD pool, as users of it count: copies that the cluster keeps are not counted. Of a pool that the cluster has not
 * counted yet (for some seconds after it was made) all that is free. It takes its time, behind other work.
 */
export const poolSpace = async (cluster: Cluster, osdPool: string, work?: Work): Promise<PoolResources['space']> => {
  const { pools, stats } = await cephJson(cluster, ['ceph', 'df'], freeShape, { work, background: true });
  const own = pools.find(({ name }) => name === osdPool)?.stats;
  return own ? { used: own.stored, total: own.stored + own.max_avail } : { used: 0, total: stats.total_avail_bytes };
};

const objectsShape = z.object({
  pools: z.array(z.object({ name: z.string(), size_bytes: z.number() })),
  /** KiB, with all copies that the cluster keeps. */
  total_avail: z.number(),
});

/**
 * A first estimate of the space of an OSD pool, which counts all copies: it comes from a small program, where `ceph` takes ten times as long
 * to start. Undefined: there is no such pool.
 */
export const estimatedSpace = async (
  cluster: Cluster,
  osdPool: string,
): Promise<PoolResources['space'] | undefined> => {
  const { pools, total_avail } = await cephJson(cluster, ['rados', 'df'], objectsShape);
  const free = total_avail * 1024;
  const own = pools.find(({ name }) => name === osdPool);
  if (own) return { used: own.size_bytes, total: own.size_bytes + free };
  // A new pool is listed at once, and counted some seconds later.
  return (await osdPools(cluster)).includes(osdPool) ? { used: 0, total: free } : undefined;
};

/** How long changes are gathered before the pool's space is asked for again. */
const GATHER = 30_000;
/** Instances write without telling: how often it is asked for all the same. */
const AGAIN = 300_000;

export type Measurements = ReturnType<typeof measurementsOf>;

/**
 * @param du - whether `rbd du` may be used, which reads about every object of an image without the feature fast-diff
 */
export const measurementsOf = (images: Images, initial: PoolResources['space'], du: () => boolean) => {
  let space = initial;
  /** Used bytes by image, and by image@snapshot. */
  const used = new Map<string, number>();
  /** Bytes that images have room for. */
  const sizes = new Map<string, number>();
  const end = new AbortController();
  const signal: AbortSignal = end.signal;
  const running = new Set<Promise<unknown>>();
  let gathering: NodeJS.Timeout | undefined;
  const timers = new Set<NodeJS.Timeout>();
  const toMeasure = new Set<string>();
  let measuring: NodeJS.Timeout | undefined;

  /** What a name of an image or snapshot stands for. */
  const key = (image: string, snapshot?: string): string => (snapshot === undefined ? image : `${image}@${snapshot}`);

  /** Runs what nobody waits for. */
  const background = (what: string, work: () => Promise<unknown>): void => {
    if (end.signal.aborted) return;
    const task: Promise<unknown> = work()
      .catch((error: unknown) => {
        if (!end.signal.aborted) process.emitWarning(`${what} of Ceph pool "${images.osdPool}" failed: ${error}`);
      })
      .finally(() => running.delete(task));
    running.add(task);
  };

  let asking = false;
  const refreshSpace = (): void => {
    gathering = undefined;
    // One at a time, also where the answer takes longer than changes are gathered.
    if (asking) return;
    asking = true;
    background('Asking for the space', async () => {
      try {
        space = await poolSpace(images.cluster, images.osdPool, { signal: end.signal });
      } finally {
        asking = false;
      }
    });
  };
  const timer = setInterval(refreshSpace, AGAIN).unref();

  const measure = async (image: string | undefined): Promise<void> => {
    const [sizesThen, usedThen] = [new Map(sizes), new Map(used)];
    for (const one of (await images.use(image, { signal: end.signal })) ?? []) {
      const name = key(one.name, one.snapshot);
      // What was resized, or has gone, since the question is known better.
      if (one.snapshot === undefined && sizes.get(one.name) === sizesThen.get(one.name)) {
        sizes.set(one.name, one.provisioned_size);
      }
      // What a file system said itself is better.
      const isOld = used.get(name) === usedThen.get(name) && (image !== undefined || !used.has(name));
      if (isOld) used.set(name, one.used_size);
    }
  };

  return {
    background,
    /** Ends with the pool. */
    signal,
    space: (): PoolResources['space'] => space,

    /** Runs a function in a while, should the pool be open then. */
    later(work: () => void): void {
      timers.add(setTimeout(work, GATHER).unref());
    },

    /** Something has changed that may have taken or freed space. */
    changed(): void {
      if (!end.signal.aborted) gathering ??= setTimeout(refreshSpace, GATHER).unref();
    },

    size: (image: string): number | undefined => sizes.get(image),
    setSize: (image: string, size: number): unknown => sizes.set(image, size),

    used: (image: string, snapshot?: string): number | undefined => used.get(key(image, snapshot)),

    /** Remembers the use of the file system that is mounted at a path, as that of its image. */
    async remember(image: string, path: string): Promise<void> {
      used.set(image, (await within(QUICK, `"${path}" did not tell its use`, diskUsage(path))).used);
    },

    /** An image or snapshot holds what another one holds. */
    same(image: string, source: string): void {
      const bytes = used.get(source);
      if (bytes === undefined) used.delete(image);
      else used.set(image, bytes);
    },

    /** An image is gone, or holds something else now. */
    forget(image: string): void {
      used.delete(image);
      sizes.delete(image);
      toMeasure.delete(image);
    },

    /** Has the use of an image measured in a while: once, however often it changes until then. */
    measureLater(image: string): void {
      if (!du() || end.signal.aborted) return;
      toMeasure.add(image);
      measuring ??= setTimeout(() => {
        measuring = undefined;
        const all = [...toMeasure];
        toMeasure.clear();
        background('Measuring', async () => {
          for (const one of all) await measure(one);
        });
      }, GATHER).unref();
    },

    /** Has the use of all images measured that nothing is known of. */
    measureUnknown(): void {
      if (du()) background('Measuring', () => measure(undefined));
    },

    async [Symbol.asyncDispose](): Promise<void> {
      clearInterval(timer);
      clearTimeout(gathering);
      clearTimeout(measuring);
      for (const one of timers) clearTimeout(one);
      end.abort(new Error('The pool was closed'));
      await Promise.all(running);
    },
  };
};
