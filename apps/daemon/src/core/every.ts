import { messageOf } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';

/**
 * Does something now and then again each time `intervalMs` have passed since its last end. Failures are logged, and it goes on.
 *
 * @returns dispose it to stop; resolves when a run that was under way is done
 */
export const every = (intervalMs: number, what: string, work: () => Promise<void>, log: Logger): AsyncDisposable => {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const turn = async (): Promise<void> => {
    try {
      await work();
    } catch (error) {
      log.error({ err: error }, `Could not ${what}: ${messageOf(error)}`);
    }
    if (stopped) return;
    timer = setTimeout(() => {
      running = turn();
    }, intervalMs).unref();
  };
  let running = turn();
  return {
    async [Symbol.asyncDispose]() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
};
