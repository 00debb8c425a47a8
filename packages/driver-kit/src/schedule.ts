import { type Check, must } from './checks.ts';

/** Words that stand for a schedule (spec 03.173, 03.174); instances know `@startup` as well. */
export const scheduleAliases = [
  '@hourly',
  '@daily',
  '@midnight',
  '@weekly',
  '@monthly',
  '@annually',
  '@yearly',
  '@never',
] as const;

const months = 'JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC'.split(' ');
const days = 'SUN MON TUE WED THU FRI SAT'.split(' ');

/** The fields of a cron expression (crontab(5)): bounds, and the names that stand for numbers from the lower bound on. */
const cronFields: readonly { readonly low: number; readonly high: number; readonly names?: readonly string[] }[] = [
  { low: 0, high: 59 },
  { low: 0, high: 23 },
  { low: 1, high: 31 },
  { low: 1, high: 12, names: months },
  { low: 0, high: 6, names: days },
];

const isCronField = (text: string, { low, high, names = [] }: (typeof cronFields)[number]): boolean => {
  const numberOf = (word: string): number => {
    const index = names.indexOf(word.toUpperCase());
    return index >= 0 ? index + low : /^\d+$/.test(word) ? Number(word) : Number.NaN;
  };
  return text.split(',').every((item) => {
    const [range = '', step = '1', ...more] = item.split('/');
    if (more.length > 0 || !/^[1-9]\d*$/.test(step)) return false;
    if (range === '*') return true;
    const [first = '', last = first, ...surplus] = range.split('-');
    const [from, to] = [numberOf(first), numberOf(last)];
    return surplus.length === 0 && from >= low && to <= high && from <= to;
  });
};

/** Whether the text is a cron expression of five fields: minute, hour, day of month, month, day of week (0 is Sunday). */
export const isCron = (text: string): boolean => {
  const fields = text.trim().split(/\s+/);
  return (
    fields.length === cronFields.length && cronFields.every((field, index) => isCronField(fields[index] ?? '', field))
  );
};

/** Checks a value of `snapshots.schedule` (spec 03.172): a cron expression, or aliases joined by commas. */
export const isSchedule = (aliases: readonly string[]): Check =>
  must(
    (value) => isCron(value) || value.split(',').every((alias) => aliases.includes(alias.trim())),
    `must be a cron expression of five fields (minute hour day-of-month month day-of-week) or a list of ${aliases.join(', ')}`,
  );

/** Checks an expiry expression (spec 03.181): `1M 2H 3d 4w 5m 6y`, each unit at most once. */
export const isExpiry: Check = must((value) => {
  const parts = value.trim().split(' ');
  const units = parts.map((part) => /^\d+([MHdwmy])$/.exec(part)?.[1]);
  return !units.includes(undefined) && new Set(units).size === units.length;
}, 'must be numbers with the units M, H, d, w, m, y, such as "1M 2H 3d"');
