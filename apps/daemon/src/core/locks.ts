import { conflict } from '@lxd-ts/driver-kit';

/**
 * One lock per name. Who holds it is busy with something that takes time (starting, snapshotting); a second caller either
 * waits or is told at once who is busy with what.
 */
export interface Locks {
  /**
   * Takes the lock or refuses.
   *
   * @param key - what is locked: `instance default/c1`
   * @param what - what the holder does, for whoever is refused: `start`
   * @throws LxdError conflict
   */
  hold(key: string, what: string): Disposable;
  /** Takes the lock, waiting for its turn. */
  wait(key: string, what: string, signal?: AbortSignal): Promise<Disposable>;
  /** What the holder is doing, if the lock is held. */
  holder(key: string): string | undefined;
}

export const createLocks = (): Locks => {
  const held = new Map<string, { what: string; released: Promise<void> }>();

  const take = (key: string, what: string): Disposable => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const entry = { what, released: promise };
    held.set(key, entry);
    return {
      [Symbol.dispose]: () => {
        if (held.get(key) === entry) held.delete(key);
        resolve();
      },
    };
  };

  return {
    hold(key, what) {
      const holder = held.get(key);
      if (holder)
        throw conflict(`The ${key} is busy running a "${holder.what}" operation: wait for it to end and try again`);
      return take(key, what);
    },

    async wait(key, what, signal) {
      for (let holder = held.get(key); holder; holder = held.get(key)) {
        await holder.released;
        signal?.throwIfAborted();
      }
      return take(key, what);
    },

    holder: (key) => held.get(key)?.what,
  };
};
