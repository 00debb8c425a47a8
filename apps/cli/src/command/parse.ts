import { UserError } from './errors.ts';
import type { Flag, Flags, FlagValue } from './flags.ts';

/** A command line taken apart. */
export interface Parsed {
  /** What is no flag, in order. */
  args: string[];
  /** The value of every declared flag. */
  values: Record<string, FlagValue>;
  /** The names of the flags that were given. */
  given: Set<string>;
  /** Everything after a `--`, which also stands in `args`. */
  afterDash: string[];
}

const zero = (flag: Flag): FlagValue => {
  if (flag.kind === 'bool') return false;
  if (flag.kind === 'list') return [];
  if (flag.kind === 'string') return flag.default ?? '';
  return flag.default ?? 0;
};

const booleans: Record<string, boolean> = {
  ...Object.fromEntries(['1', 't', 'T', 'TRUE', 'true', 'True'].map((text) => [text, true])),
  ...Object.fromEntries(['0', 'f', 'F', 'FALSE', 'false', 'False'].map((text) => [text, false])),
};

const limits = {
  int: [-(2n ** 63n), 2n ** 63n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
} as const;

const readNumber = (
  kind: 'int' | 'uint32' | 'uint64',
  text: string,
  invalid: (reason: string) => UserError,
): number => {
  const parser = kind === 'int' ? 'strconv.ParseInt' : 'strconv.ParseUint';
  const sign = kind === 'int' ? '[-+]?' : '';
  if (!new RegExp(`^${sign}(\\d+|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+)$`).test(text)) {
    throw invalid(`${parser}: parsing "${text}": invalid syntax`);
  }
  const negative = text.startsWith('-');
  const digits = text.replace(/^[-+]/, '');
  // A leading zero means octal, as everywhere in Go's flags.
  const magnitude = BigInt(/^0\d/.test(digits) ? `0o${digits.slice(1)}` : digits);
  const value = negative ? -magnitude : magnitude;
  const [low, high] = limits[kind];
  if (value < low || value > high) throw invalid(`${parser}: parsing "${text}": value out of range`);
  return Number(value);
};

const read = (name: string, flag: Flag, text: string, previous: FlagValue | undefined): FlagValue => {
  const shown = flag.short ? `-${flag.short}, --${name}` : `--${name}`;
  const invalid = (reason: string): UserError =>
    new UserError(`invalid argument "${text}" for "${shown}" flag: ${reason}`);
  if (flag.kind === 'string') return text;
  if (flag.kind === 'list') return [...(Array.isArray(previous) ? previous : []), text];
  if (flag.kind === 'bool') {
    const value = booleans[text];
    if (value === undefined) throw invalid(`strconv.ParseBool: parsing "${text}": invalid syntax`);
    return value;
  }
  return readNumber(flag.kind, text, invalid);
};

/**
 * Takes a command line apart by the conventions of GNU and of pflag: `--flag=value`, `--flag value`, `-f value`,
 * `-fvalue`, `-f=value`, `-abc` for several switches, flags anywhere between the arguments, `--` ends the flags.
 *
 * @param interspersed - whether flags may follow the first argument; without it all that follows is arguments
 * @throws UserError in pflag's words
 */
export const parseArgs = (argv: readonly string[], flags: Flags, interspersed = true): Parsed => {
  const values = Object.fromEntries(Object.entries(flags).map(([name, flag]) => [name, zero(flag)]));
  const given = new Set<string>();
  const args: string[] = [];
  const byLetter = new Map(
    Object.entries(flags).flatMap(([name, flag]) => (flag.short ? [[flag.short, name] as const] : [])),
  );
  const set = (name: string, flag: Flag, text: string): void => {
    values[name] = read(name, flag, text, given.has(name) ? values[name] : undefined);
    given.add(name);
  };
  const bare = (flag: Flag): string | undefined => flag.bare ?? (flag.kind === 'bool' ? 'true' : undefined);

  const long = (text: string, rest: string[]): void => {
    const equals = text.indexOf('=');
    const name = equals < 0 ? text.slice(2) : text.slice(2, equals);
    if (name === '' || name.startsWith('-')) throw new UserError(`bad flag syntax: ${text}`);
    const flag = flags[name];
    if (flag === undefined) throw new UserError(`unknown flag: --${name}`);
    const value = equals < 0 ? (bare(flag) ?? rest.shift()) : text.slice(equals + 1);
    if (value === undefined) throw new UserError(`flag needs an argument: ${text}`);
    set(name, flag, value);
  };

  const short = (text: string, rest: string[]): void => {
    for (let letters = text.slice(1); letters !== ''; ) {
      const letter = letters.charAt(0);
      const name = byLetter.get(letter);
      const flag = name === undefined ? undefined : flags[name];
      if (name === undefined || flag === undefined) {
        throw new UserError(`unknown shorthand flag: '${letter}' in -${letters}`);
      }
      const tail = letters.slice(1);
      if (tail.startsWith('=') && tail.length > 1) {
        set(name, flag, tail.slice(1));
        return;
      }
      const standing = bare(flag);
      if (standing !== undefined) {
        set(name, flag, standing);
        letters = tail;
        continue;
      }
      const value = tail === '' ? rest.shift() : tail;
      if (value === undefined) throw new UserError(`flag needs an argument: '${letter}' in -${letters}`);
      set(name, flag, value);
      return;
    }
  };

  const rest = [...argv];
  for (let text = rest.shift(); text !== undefined; text = rest.shift()) {
    if (text === '--') return { args: [...args, ...rest], values, given, afterDash: rest };
    if (text.startsWith('--')) long(text, rest);
    else if (text.startsWith('-') && text.length > 1) short(text, rest);
    else {
      args.push(text);
      if (!interspersed) return { args: [...args, ...rest], values, given, afterDash: [] };
    }
  }
  return { args, values, given, afterDash: [] };
};
