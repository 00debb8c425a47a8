import { InvalidInputError } from './errors.ts';

type Unit = 'M' | 'H' | 'd' | 'w' | 'm' | 'y';

/** The latest instant an RFC 3339 time can name. */
const latest = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

const isUnit = (text: string | undefined): text is Unit => text !== undefined && 'MHdwmy'.includes(text);

/**
 * Reads an expiry expression (spec 03.181): numbers with a unit each, parted by single spaces, as in `1M 2H 3d 4w 5m 6y`;
 * `M` minutes, `H` hours, `d` days, `w` weeks, `m` months, `y` years. The order is free, each unit may stand once.
 *
 * @returns the amount of each unit named; empty for the empty expression, which means "never"
 * @throws InvalidInputError naming the part that cannot be read
 */
export const parseExpiry = (expression: string): ReadonlyMap<Unit, number> => {
  const amounts = new Map<Unit, number>();
  const trimmed = expression.trim();
  if (trimmed === '') return amounts;
  for (const part of trimmed.split(' ')) {
    const [, digits, unit] = /^(\d+)(\w)$/.exec(part) ?? [];
    if (digits === undefined || !isUnit(unit)) {
      throw new InvalidInputError(
        `Invalid expiry expression "${expression}": "${part}" is not a number followed by one of M, H, d, w, m, y`,
      );
    }
    if (amounts.has(unit)) {
      throw new InvalidInputError(`Invalid expiry expression "${expression}": the unit ${unit} stands twice`);
    }
    amounts.set(unit, Number(digits));
  }
  return amounts;
};

/**
 * When something made at `from` expires, by the local calendar: a month after 31 January is 3 March.
 *
 * @returns `null` for an empty expression, which means never
 * @throws InvalidInputError if the expression cannot be read, or leads past the year 9999
 */
export const expiryDate = (from: Date, expression: string): Date | null => {
  const amounts = parseExpiry(expression);
  if (amounts.size === 0) return null;
  const amount = (unit: Unit): number => amounts.get(unit) ?? 0;
  const date = new Date(from);
  date.setFullYear(
    date.getFullYear() + amount('y'),
    date.getMonth() + amount('m'),
    date.getDate() + amount('w') * 7 + amount('d'),
  );
  date.setTime(date.getTime() + amount('H') * 3_600_000 + amount('M') * 60_000);
  if (!(date.getTime() <= latest)) {
    throw new InvalidInputError(`Invalid expiry expression "${expression}": it leads past the year 9999`);
  }
  return date;
};
