import { InvalidInputError } from './errors.ts';

/** What a time field holds when it was never set and means "never" or "unknown". */
export const zeroTime = '0001-01-01T00:00:00Z';

/** What image fields (`expires_at`, `last_used_at`) and an instance's `last_used_at` hold when unset. */
export const epochTime = '1970-01-01T00:00:00Z';

const nanosecondsPerSecond = 1_000_000_000n;
const millisecondsOf = (seconds: bigint): number => Number(seconds) * 1000;

/**
 * Prints an instant as the API does: RFC 3339 in UTC, the fraction with up to nine digits and no trailing zeros.
 *
 * @param instant - a Date, or nanoseconds since the Unix epoch (as `fs.Stats` gives with `bigint: true`)
 */
export const formatTime = (instant: Date | bigint): string => {
  const nanoseconds = typeof instant === 'bigint' ? instant : BigInt(instant.getTime()) * 1_000_000n;
  const fraction = ((nanoseconds % nanosecondsPerSecond) + nanosecondsPerSecond) % nanosecondsPerSecond;
  const whole = new Date(millisecondsOf((nanoseconds - fraction) / nanosecondsPerSecond)).toISOString().slice(0, 19);
  const digits = fraction === 0n ? '' : `.${fraction.toString().padStart(9, '0').replace(/0+$/, '')}`;
  return `${whole}${digits}Z`;
};

/** The present moment as {@link formatTime} prints it, to the microsecond. */
export const formatNow = (): string =>
  formatTime(BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n);

const rfc3339 =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?\d*(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/;

/**
 * Reads an RFC 3339 time with any fraction and offset.
 *
 * @returns nanoseconds since the Unix epoch; negative before 1970, as for the zero time
 * @throws InvalidInputError naming the text that is not a time
 */
export const parseTimeNanoseconds = (text: string): bigint => {
  const match = rfc3339.exec(text);
  if (match) {
    const [, year, month, day, hour, minute, second, fraction = '', sign, offsetHours = '0', offsetMinutes = '0'] =
      match;
    const date = new Date(0);
    date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
    date.setUTCHours(Number(hour), Number(minute), Number(second));
    // A month, day, hour… out of range rolls over to another date: then the text did not name a real one.
    if (date.toISOString().slice(0, 19) === text.slice(0, 19)) {
      const offset = (Number(offsetHours) * 60 + Number(offsetMinutes)) * (sign === '-' ? -60_000 : 60_000);
      return BigInt(date.getTime() - offset) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
    }
  }
  throw new InvalidInputError(`Invalid time "${text}": write it as in 2024-05-31T08:00:00Z (RFC 3339)`);
};

/** Whether {@link parseTimeNanoseconds} can read the text. */
export const isTime = (text: string): boolean => {
  try {
    parseTimeNanoseconds(text);
    return true;
  } catch (error) {
    if (error instanceof InvalidInputError) return false;
    throw error;
  }
};

/** Like {@link parseTimeNanoseconds}, cut to the millisecond. */
export const parseTime = (text: string): Date => {
  const nanoseconds = parseTimeNanoseconds(text);
  const milliseconds = nanoseconds / 1_000_000n;
  return new Date(Number(nanoseconds < 0n && nanoseconds % 1_000_000n !== 0n ? milliseconds - 1n : milliseconds));
};

/** Whether a time field is unset: empty, the zero time or the Unix epoch. */
export const isUnsetTime = (text: string): boolean =>
  text === '' || text === zeroTime || text === epochTime || parseTime(text).getTime() <= 0;
