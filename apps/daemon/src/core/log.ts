import { Writable } from 'node:stream';
import { destination, type Level, type Logger, multistream, pino } from 'pino';
import type { Events } from '../events/bus.ts';

const levels: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warning',
  50: 'error',
  60: 'fatal',
};

/** Sends every record, whatever the daemon's own level, to those who listen to `logging` events. */
const eventStream = (events: Events): Writable =>
  new Writable({
    write(chunk, _encoding, next) {
      if (events.listens('logging')) {
        const { level, msg, time: _time, pid: _pid, hostname: _hostname, ...context } = JSON.parse(String(chunk));
        const text = Object.entries(context).map(([key, value]) => [
          key,
          typeof value === 'string' ? value : JSON.stringify(value),
        ]);
        events.publish({
          type: 'logging',
          metadata: { message: msg ?? '', level: levels[level] ?? 'info', context: Object.fromEntries(text) },
        });
      }
      next();
    },
  });

/**
 * The daemon's log: JSON lines on standard error or in a file, and `logging` events.
 *
 * @param level - what is written; events carry everything from `debug` on
 * @param file - unset: standard error
 */
export const createLog = (events: Events, level: Level, file?: string): Logger =>
  pino(
    { level: 'debug', base: null },
    multistream([
      { level, stream: file === undefined ? process.stderr : destination({ dest: file, append: true, sync: true }) },
      { level: 'debug', stream: eventStream(events) },
    ]),
  );
