import { InvalidInputError } from './errors.ts';

/** The largest size the API can carry: a signed 64-bit integer. */
const largest = 2n ** 63n - 1n;

const powers = (suffixes: readonly string[], base: bigint): [string, bigint][] =>
  suffixes.map((suffix, index) => [suffix, base ** BigInt(index + 1)]);

/** Spec 03.368. */
const byteUnits = new Map<string, bigint>([
  ['', 1n],
  ['B', 1n],
  ['bytes', 1n],
  [' bytes', 1n],
  ...powers(['kB', 'MB', 'GB', 'TB', 'PB', 'EB'], 1000n),
  ...powers(['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'], 1024n),
]);

/** Spec 03.367. */
const bitUnits = new Map<string, bigint>([
  ['', 1n],
  ['bit', 1n],
  ...powers(['kbit', 'Mbit', 'Gbit', 'Tbit', 'Pbit', 'Ebit'], 1000n),
  ...powers(['Kibit', 'Mibit', 'Gibit', 'Tibit', 'Pibit', 'Eibit'], 1024n),
]);

const parse = (text: string, units: ReadonlyMap<string, bigint>, what: string, example: string): number => {
  const [, digits, suffix = ''] = /^(\d+)(\D.*)?$/s.exec(text) ?? [];
  const factor = units.get(suffix);
  if (digits === undefined || factor === undefined) {
    const known = [...units.keys()].filter((unit) => unit.trim() === unit && unit !== '').join(', ');
    throw new InvalidInputError(
      `Invalid ${what} "${text}": write a whole number with one of the suffixes ${known}, such as ${example}`,
    );
  }
  const value = BigInt(digits) * factor;
  if (value > largest) throw new InvalidInputError(`Invalid ${what} "${text}": it does not fit into 63 bits`);
  return Number(value);
};

/**
 * Reads a number of bytes (spec 03.368–370): `128MiB`, `10GB`, `512`. Suffixes are case-sensitive.
 *
 * @returns bytes; exact up to 2^53, and for every round size above
 * @throws InvalidInputError for signs, fractions, unknown suffixes, and sizes of 2^63 and more
 */
export const parseByteSize = (text: string): number => parse(text, byteUnits, 'size', '128MiB');

/**
 * Reads a number of bits (per second) (spec 03.367, 03.369, 03.370): `10Mbit`, `1Gibit`, `512`.
 *
 * @returns bits; errors as for {@link parseByteSize}
 */
export const parseBitSize = (text: string): number => parse(text, bitUnits, 'bit rate', '100Mbit');

const print = (bytes: number, base: number, units: readonly string[], precision: number): string => {
  if (bytes < base) return `${bytes}B`;
  let value = bytes;
  let unit = -1;
  do {
    value /= base;
    unit += 1;
  } while (value >= base && unit < units.length - 1);
  return `${value.toFixed(precision)}${units[unit]}`;
};

/** Prints bytes with decimal units for people: `formatByteSize(1500, 2)` is `1.50kB`. */
export const formatByteSize = (bytes: number, precision: number): string =>
  print(bytes, 1000, ['kB', 'MB', 'GB', 'TB', 'PB', 'EB'], precision);

/** Prints bytes with binary units for people: `formatByteSizeIec(1536, 2)` is `1.50KiB`. */
export const formatByteSizeIec = (bytes: number, precision: number): string =>
  print(bytes, 1024, ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'], precision);
