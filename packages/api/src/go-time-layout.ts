/**
 * Formatting of times after Go's reference layout `Mon Jan 2 15:04:05 MST 2006`, which templates such as
 * `snapshots.pattern` use (spec 03.178): every piece of that moment in the layout stands for the same piece of the time.
 * Source: the documentation of Go's package `time`, constants and `Time.Format`.
 */

const months = 'January February March April May June July August September October November December'.split(' ');
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

/** A moment as the calendar of one time zone shows it. */
interface Parts {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly weekday: number;
  readonly yearDay: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly millisecond: number;
  /** Minutes east of UTC. */
  readonly offset: number;
  readonly zone: string;
}

const pad = (value: number, width: number, filler = '0'): string => String(value).padStart(width, filler);

const offsetText = (offset: number, separator: string, withMinutes: boolean, withSeconds = false): string => {
  const minutes = Math.abs(offset);
  return [
    `${offset < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60), 2)}`,
    ...(withMinutes ? [pad(minutes % 60, 2)] : []),
    ...(withSeconds ? ['00'] : []),
  ].join(separator);
};

const isoOffset = (offset: number, separator: string, withMinutes: boolean, withSeconds = false): string =>
  offset === 0 ? 'Z' : offsetText(offset, separator, withMinutes, withSeconds);

const hour12 = (hour: number): number => hour % 12 || 12;

/** The pieces, longest first where one begins like another. */
const pieces: readonly (readonly [string, (parts: Parts) => string])[] = [
  ['January', ({ month }) => months[month] ?? ''],
  ['Jan', ({ month }) => (months[month] ?? '').slice(0, 3)],
  ['Monday', ({ weekday }) => days[weekday] ?? ''],
  ['Mon', ({ weekday }) => (days[weekday] ?? '').slice(0, 3)],
  ['MST', ({ zone }) => zone],
  ['2006', ({ year }) => pad(year, 4)],
  ['Z07:00:00', ({ offset }) => isoOffset(offset, ':', true, true)],
  ['Z070000', ({ offset }) => isoOffset(offset, '', true, true)],
  ['Z07:00', ({ offset }) => isoOffset(offset, ':', true)],
  ['Z0700', ({ offset }) => isoOffset(offset, '', true)],
  ['Z07', ({ offset }) => isoOffset(offset, '', false)],
  ['-07:00:00', ({ offset }) => offsetText(offset, ':', true, true)],
  ['-070000', ({ offset }) => offsetText(offset, '', true, true)],
  ['-07:00', ({ offset }) => offsetText(offset, ':', true)],
  ['-0700', ({ offset }) => offsetText(offset, '', true)],
  ['-07', ({ offset }) => offsetText(offset, '', false)],
  ['002', ({ yearDay }) => pad(yearDay, 3)],
  ['01', ({ month }) => pad(month + 1, 2)],
  ['02', ({ day }) => pad(day, 2)],
  ['03', ({ hour }) => pad(hour12(hour), 2)],
  ['04', ({ minute }) => pad(minute, 2)],
  ['05', ({ second }) => pad(second, 2)],
  ['06', ({ year }) => pad(year % 100, 2)],
  ['15', ({ hour }) => pad(hour, 2)],
  ['PM', ({ hour }) => (hour >= 12 ? 'PM' : 'AM')],
  ['pm', ({ hour }) => (hour >= 12 ? 'pm' : 'am')],
  ['__2', ({ yearDay }) => pad(yearDay, 3, ' ')],
  // An underscore before the year is just an underscore.
  ['_2006', ({ year }) => `_${pad(year, 4)}`],
  ['_2', ({ day }) => pad(day, 2, ' ')],
  ['1', ({ month }) => String(month + 1)],
  ['2', ({ day }) => String(day)],
  ['3', ({ hour }) => String(hour12(hour))],
  ['4', ({ minute }) => String(minute)],
  ['5', ({ second }) => String(second)],
];

/** `.000` or `,999…`: a fraction of the second, when no further digit follows. Zeros keep, nines drop trailing zeros. */
const fraction = /[.,](?:0+|9+)(?!\d)/y;

const fractionText = (piece: string, { millisecond }: Parts): string => {
  const digits = pad(millisecond, 3)
    .padEnd(9, '0')
    .slice(0, piece.length - 1);
  if (piece[1] === '0') return piece.charAt(0) + digits;
  const significant = digits.replace(/0+$/, '');
  return significant === '' ? '' : piece.charAt(0) + significant;
};

const partsOf = (date: Date, utc: boolean): Parts => {
  const offset = utc ? 0 : -date.getTimezoneOffset();
  // Shifted by its offset, the time reads in UTC as its own zone's calendar does.
  const local = new Date(date.getTime() + offset * 60_000);
  const zone = utc
    ? 'UTC'
    : new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' })
        .formatToParts(date)
        .find(({ type }) => type === 'timeZoneName')?.value;
  return {
    year: local.getUTCFullYear(),
    month: local.getUTCMonth(),
    day: local.getUTCDate(),
    weekday: local.getUTCDay(),
    yearDay: (local.getTime() - new Date(local).setUTCMonth(0, 1)) / 86_400_000 + 1,
    hour: local.getUTCHours(),
    minute: local.getUTCMinutes(),
    second: local.getUTCSeconds(),
    millisecond: local.getUTCMilliseconds(),
    offset,
    zone: zone ?? offsetText(offset, '', true),
  };
};

/**
 * Formats a time after a Go layout; what is no piece of the reference time stands for itself.
 *
 * @param options.utc - show UTC instead of the machine's time zone
 */
export const formatGoLayout = (date: Date, layout: string, { utc = false } = {}): string => {
  const parts = partsOf(date, utc);
  let shown = '';
  for (let at = 0; at < layout.length; ) {
    fraction.lastIndex = at;
    const fractional = fraction.exec(layout)?.[0];
    if (fractional !== undefined) {
      shown += fractionText(fractional, parts);
      at += fractional.length;
      continue;
    }
    const piece = pieces.find(([text]) => layout.startsWith(text, at));
    // `Jan` and `Mon` count only where no lower-case letter follows, as in `Month`.
    const isWordPart = piece && /^(?:Jan|Mon)$/.test(piece[0]) && /[a-z]/.test(layout.charAt(at + 3));
    if (piece && !isWordPart) {
      shown += piece[1](parts);
      at += piece[0].length;
    } else {
      shown += layout.charAt(at);
      at += 1;
    }
  }
  return shown;
};
