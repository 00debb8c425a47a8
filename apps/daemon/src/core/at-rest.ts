import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { messageOf } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';

/** Node publishes every request that a server of this process gets. */
const requestStart = 'http.server.request.start';

/**
 * Does `work` at once, and again whenever nothing was asked of the API for `quietMs`.
 *
 * @param what - completes "Could not …" in the log
 */
export const whenAtRest = (quietMs: number, what: string, work: () => Promise<void>, log: Logger): AsyncDisposable => {
  const turn = (): Promise<void> =>
    work().catch((error: unknown) => log.error({ err: error }, `Could not ${what}: ${messageOf(error)}`));
  let running = turn();
  const timer = setTimeout(() => {
    running = turn();
  }, quietMs).unref();
  const stir = (): void => {
    timer.refresh();
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
