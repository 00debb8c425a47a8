/** Runs functions one after another, in the order they came. */
export interface Queue {
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Settles when everything queued so far has ended. */
  idle(): Promise<void>;
}

export const queue = (): Queue => {
  let last: Promise<unknown> = Promise.resolve();
  return {
    run: (work) => {
      const mine = last.then(work);
      // The next one waits for this one's end, however it ends; its own caller gets the error.
      last = mine.then(
        () => undefined,
        () => undefined,
      );
      return mine;
    },
    idle: async () => {
      await last;
    },
  };
};
