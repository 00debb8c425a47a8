import { conflict } from '@lxd-ts/driver-kit';

/**
 * One lock per name. Who holds it is busy with something that takes time (starting, snapshotting); a second caller either
 * waits or is told at once who is busy with what.
 */
export interface Locks {
  /**
   * Takes the lock or refuses. Waits for what the daemon does of its own accord, of which nobody knows who would be refused.
   *
   * @param key - what is locked: `instance default/c1`
   * @param what - what the holder does, for whoever is refused: `start`
   * @throws LxdError conflict
   */
  hold(key: string, what: string): Promise<Disposable>;
  /** Takes the lock, waiting for its turn. */
  wait(key: string, what: string, signal?: AbortSignal): Promise<Disposable>;
  /** Takes the lock, waiting for its turn, for something brief that nobody asked for. */
  own(key: string, what: string): Promise<Disposable>;
  /** What the holder is doing, if the lock is held. */
  holder(key: string): string | undefined;
}

interface Holder {
  readonly what: string;
  /** Nobody asked for it. */
  readonly own: boolean;
  readonly released: Promise<void>;
}

export const createLocks = (): Locks => {
  const held = new Map<string, Holder>();

  const take = (key: string, entry: Omit<Holder, 'released'>): Disposable => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const holder = { ...entry, released: promise };
    held.set(key, holder);
    return {
      [Symbol.dispose]: () => {
        if (held.get(key) === holder) held.delete(key);
        resolve();
      },
    };
  };

  /** Takes the lock as soon as nobody has it, in the same turn of the event loop. @param meanwhile - judges each holder in the way */
  const enter = async (key: string, entry: Omit<Holder, 'released'>, meanwhile: (holder: Holder) => void) => {
    for (let holder = held.get(key); holder; holder = held.get(key)) {
      meanwhile(holder);
      await holder.released;
    }
    return take(key, entry);
  };

  return {
    hold: (key, what) =>
      enter(key, { what, own: false }, (holder) => {
        if (!holder.own)
          throw conflict(`The ${key} is busy running a "${holder.what}" operation: wait for it to end and try again`);
      }),

    async wait(key, what, signal) {
      const lock = await enter(key, { what, own: false }, () => signal?.throwIfAborted());
      if (signal?.aborted) lock[Symbol.dispose]();
      signal?.throwIfAborted();
      return lock;
    },

    own: (key, what) => enter(key, { what, own: true }, () => undefined),

    holder: (key) => held.get(key)?.what,
  };
};
