import { Cron } from 'croner';
import type { Logger } from 'pino';

/** What the aliases of `snapshots.schedule` stand for (spec 03.173, 05.118); `@startup` and `@never` are no times. */
const aliases: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@annually': '0 0 1 1 *',
  '@yearly': '0 0 1 1 *',
};

const wordsOf = (schedule: string): string[] => schedule.split(',').map((word) => word.trim().toLowerCase());

/**
 * Whether a schedule falls on a minute of the local calendar.
 *
 * @param schedule - a cron expression, or aliases joined by commas; empty: never
 */
export const isDue = (schedule: string, minute: Date): boolean => {
  const text = schedule.trim();
  if (text === '') return false;
  const expressions = text.startsWith('@') ? wordsOf(text).flatMap((word) => aliases[word] ?? []) : [text];
  const start = new Date(minute);
  start.setSeconds(0, 0);
  return expressions.some((expression) => new Cron(expression).match(start));
};

/** Whether a snapshot is due when the instance starts. */
export const isDueAtStart = (schedule: string): boolean => wordsOf(schedule).includes('@startup');

/**
 * Does something at the beginning of each minute. Schedules and expiries are of whole minutes (spec 03.175, 03.184, 05.119, 05.121), so a
 * timer that falls on each is as exact as one computed for every object, and nobody needs to tell it what was changed.
 *
 * @param what - for the log, when it fails
 * @returns dispose it to stop; resolves when a turn that was under way is done
 */
export const everyMinute = (
  what: string,
  turn: (minute: Date) => Promise<void>,
  log: Pick<Logger, 'error'>,
): AsyncDisposable => {
  let turning: Promise<void> = Promise.resolve();
  const timer = new Cron('* * * * *', { protect: true, unref: true }, async () => {
    turning = turn(new Date()).catch((error: unknown) => log.error({ err: error }, `Could not ${what}`));
    await turning;
  });
  return {
    async [Symbol.asyncDispose]() {
      timer.stop();
      await turning;
    },
  };
};
