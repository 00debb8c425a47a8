/** One flag of a command, as declared. */
export interface Flag {
  kind: 'bool' | 'string' | 'list' | 'int' | 'uint32' | 'uint64';
  description: string;
  /** One letter, for `-f`. */
  short?: string;
  /** What holds when the flag is not given: `false`, the empty text, no items or 0 if left out. */
  default?: string | number;
  /** What `--flag` without `=value` means; makes the value optional. */
  bare?: string;
  /** What help prints in place of the name alone, e.g. `auth-user string`. */
  label?: string;
}

export type Flags = Record<string, Flag>;

interface Values {
  bool: boolean;
  string: string;
  list: string[];
  int: number;
  uint32: number;
  uint64: number;
}

/** The values of declared flags, by name. */
export type FlagValues<F extends Flags> = { [Name in keyof F]: Values[F[Name]['kind']] };

/** Any flag's value. */
export type FlagValue = boolean | string | number | string[];

const flag =
  <const K extends Flag['kind']>(kind: K) =>
  (description: string, more: Omit<Flag, 'kind' | 'description'> = {}): Flag & { kind: K } => ({
    kind,
    description,
    ...more,
  });

export const bool = flag('bool');
export const string = flag('string');
/** May be given several times; each time adds one item. */
export const list = flag('list');
export const int = flag('int');
export const uint32 = flag('uint32');
export const uint64 = flag('uint64');

export const formatFlag = string('Format (csv|json|table|yaml|compact)', { short: 'f', default: 'table' });
export const targetFlag = string('Cluster member name');

/** The flags that every command takes. */
export const globalFlags = {
  debug: bool('Show all debug messages'),
  'force-local': bool('Force using the local unix socket'),
  help: bool('Print help', { short: 'h' }),
  project: string('Override the source project'),
  quiet: bool("Don't show progress information", { short: 'q' }),
  'sub-commands': bool('Use with help or --help to view sub-commands'),
  verbose: bool('Show all information messages', { short: 'v' }),
  version: bool('Print version number'),
} satisfies Flags;

export type GlobalFlags = FlagValues<typeof globalFlags>;
