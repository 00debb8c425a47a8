/** Shares mounts between callers: the first call mounts, the last one to dispose unmounts. */
export interface MountCounter {
  /**
   * @param key - what is mounted: its path
   * @param mount - mounts it; called again only after the last user is gone
   * @throws what `mount` throws, to each caller that waited for it; disposing throws when the unmount fails
   */
  acquire(key: string, mount: () => Promise<AsyncDisposable>): Promise<AsyncDisposable>;
  /** Whether anyone holds it now. */
  inUse(key: string): boolean;
}

interface Shared {
  users: number;
  /** Mounting and unmounting of one key, one after the other. */
  last: Promise<unknown>;
  mounted?: AsyncDisposable | undefined;
}

export const mountCounter = (): MountCounter => {
  const all = new Map<string, Shared>();

  /** Runs a step after those before it, whether they failed or not. */
  const next = <T>(shared: Shared, step: () => Promise<T>): Promise<T> => {
    const result = shared.last.then(step, step);
    shared.last = result;
    return result;
  };

  const release = (key: string, shared: Shared): Promise<void> => {
    shared.users--;
    return next(shared, async () => {
      if (shared.users > 0) return;
      // A failed unmount leaves it mounted, and the next user finds it so.
      await shared.mounted?.[Symbol.asyncDispose]();
      shared.mounted = undefined;
      // Another user may have come while this waited: their mount is next in line.
      if (shared.users === 0 && all.get(key) === shared) all.delete(key);
    });
  };

  return {
    inUse: (key) => (all.get(key)?.users ?? 0) > 0,
    async acquire(key, mount) {
      const shared: Shared = all.get(key) ?? { users: 0, last: Promise.resolve() };
      all.set(key, shared);
      shared.users++;
      try {
        await next(shared, async () => {
          shared.mounted ??= await mount();
        });
      } catch (error) {
        shared.users--;
        if (shared.users === 0) all.delete(key);
        throw error;
      }
      let released: Promise<void> | undefined;
      return {
        [Symbol.asyncDispose]: () => {
          released ??= release(key, shared);
          return released;
        },
      };
    },
  };
};
