import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { messageOf } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';

/** Node publishes every request that a server of this process gets. */
const requestStart = 'http.server.request.start';

/**
 * Does `work` at once, and again whenever nothing was asked of the API for `quietMs`, or `longestMs` have passed in which it was asked
 * all the time.
 *
 * @param what - completes "Could not …" in the log
 */
export const whenAtRest = (
  { quietMs, longestMs }: { readonly quietMs: number; readonly longestMs: number },
  what: string,
  work: () => Promise<void>,
  log: Logger,
): AsyncDisposable => {
  const turn = (): Promise<void> =>
    work().catch((error: unknown) => log.error({ err: error }, `Could not ${what}: ${messageOf(error)}`));
  let running = turn();
  /** When something was asked first since the last time. */
  let since: number | undefined = performance.now();
  const timer = setTimeout(() => {
    since = undefined;
    running = turn();
  }, quietMs).unref();
  const stir = (): void => {
    const now = performance.now();
    since ??= now;
    if (now - since < longestMs - quietMs) timer.refresh();
  };
  subscribe(requestStart, stir);
  return {
    async [Symbol.asyncDispose]() {
      unsubscribe(requestStart, stir);
      clearTimeout(timer);
      await running;
    },
  };
};
