/** Runs pieces of work one after the other that are about the same key. */
export interface KeyLocks {
  run<T>(key: string, work: () => Promise<T>): Promise<T>;
}

export const createKeyLocks = (): KeyLocks => {
  const last = new Map<string, Promise<void>>();
  return {
    async run(key, work) {
      const before = last.get(key);
      const { promise, resolve } = Promise.withResolvers<void>();
      last.set(key, promise);
      await before;
      try {
        return await work();
      } finally {
        resolve();
        if (last.get(key) === promise) last.delete(key);
      }
    },
  };
};
