import { badRequest, messageOf } from './errors.ts';

/** Configuration as it is stored and sent: string keys to string values. An absent key is unset; so is an empty value. */
export type Config = Readonly<Record<string, string>>;

/**
 * How a value is checked. `size` is a byte size with an optional unit (`10GiB`), `list` a comma-separated list.
 * Whatever these do not express goes into `check`.
 */
export type ValueType = 'string' | 'bool' | 'integer' | 'size' | 'list' | 'blob';

/**
 * One configuration key, declared once. Validation, defaults, documentation, `GET /1.0/metadata/configuration` and
 * command-line completion are all read from this record.
 */
export interface ConfigKey {
  /**
   * The key. `*` at the end stands for any non-empty suffix (`user.*`); an upper-case segment for any one
   * segment (`bgp.peers.NAME.address`, `tunnel.NAME.protocol`).
   */
  readonly key: string;
  readonly type: ValueType;
  /** One line of help. */
  readonly description: string;
  /** What applies when the key is unset; documentation and `defaultOf`, never written into the configuration. */
  readonly default?: string;
  /** The closed set of accepted values. */
  readonly values?: readonly string[];
  /** Bounds of an integer, both inclusive. */
  readonly min?: number;
  readonly max?: number;
  /** `global`: one value for the cluster. `local`: one per member. Only meaningful for server, pool and network keys. */
  readonly scope?: 'global' | 'local';
  /** Whether a change acts on a running instance at once (instance keys). Default false: at the next start. */
  readonly live?: boolean;
  /** When the key applies, in words, for the documentation. */
  readonly condition?: string;
  /** Set by the server alone; a request that sets it is refused (`volatile.*`, `image.*`). */
  readonly internal?: boolean;
  /** Never shown to a client that may only read (`core.trust_password`). */
  readonly hidden?: boolean;
  /** A further check. Throws with a sentence fragment such as `must be a CIDR network`, without the key's name. */
  readonly check?: (value: string) => void;
}

const trueWords = new Set(['true', '1', 'yes', 'on']);
const falseWords = new Set(['false', '0', 'no', 'off']);

/** Reads a boolean as LXD does: `true`, `1`, `yes`, `on` in any case; everything else, unset included, is false. */
export const isTrue = (value: string | undefined): boolean => trueWords.has((value ?? '').toLowerCase());
/** Whether the value is set and says false. Unset is neither true nor false: `isFalse(undefined)` is false. */
export const isFalse = (value: string | undefined): boolean => falseWords.has((value ?? '').toLowerCase());
/** Reads a boolean whose default is true. */
export const isTrueOrUnset = (value: string | undefined): boolean =>
  value === undefined || value === '' || isTrue(value);

const sizeUnits: Readonly<Record<string, bigint>> = {
  '': 1n,
  B: 1n,
  bytes: 1n,
  kB: 1000n,
  MB: 1000n ** 2n,
  GB: 1000n ** 3n,
  TB: 1000n ** 4n,
  PB: 1000n ** 5n,
  EB: 1000n ** 6n,
  KiB: 1024n,
  MiB: 1024n ** 2n,
  GiB: 1024n ** 3n,
  TiB: 1024n ** 4n,
  PiB: 1024n ** 5n,
  EiB: 1024n ** 6n,
};

/**
 * Parses a byte size (`128MiB`, `1kB`, `4096`). Units are case-sensitive.
 *
 * @returns bytes; at most 2^53 − 1 is exact
 * @throws LxdError bad-request
 */
export const parseSize = (text: string): number => {
  const match = /^([0-9]+)\s*([A-Za-z]*)$/.exec(text.trim());
  const unit = match?.[2] === undefined ? undefined : sizeUnits[match[2]];
  if (!match?.[1] || unit === undefined) {
    throw badRequest(
      `Invalid size "${text}": use a number with one of the units ${Object.keys(sizeUnits).filter(Boolean).join(', ')}`,
    );
  }
  return Number(BigInt(match[1]) * unit);
};

const typeChecks: Readonly<Record<ValueType, (value: string) => void>> = {
  string: () => undefined,
  blob: () => undefined,
  list: () => undefined,
  bool: (value) => {
    if (!trueWords.has(value.toLowerCase()) && !falseWords.has(value.toLowerCase())) {
      throw badRequest(`must be a boolean (true or false)`);
    }
  },
  integer: (value) => {
    if (!/^-?[0-9]+$/.test(value)) throw badRequest('must be a whole number');
  },
  size: (value) => {
    parseSize(value);
  },
};

/** Whether `key` is the declared key or a member of the declared family. */
export const matchesKey = (declared: string, key: string): boolean => {
  if (declared === key) return true;
  if (declared.endsWith('*')) {
    const prefix = declared.slice(0, -1);
    return key.length > prefix.length && key.startsWith(prefix);
  }
  if (!/[A-Z]/.test(declared)) return false;
  const pattern = declared.split('.');
  const parts = key.split('.');
  return (
    pattern.length === parts.length &&
    pattern.every((segment, at) => (/^[A-Z]+$/.test(segment) ? parts[at] !== '' : segment === parts[at]))
  );
};

/** The declaration of `key`, or undefined when no declared key or family matches. Exact names win over families. */
export const findKey = (keys: readonly ConfigKey[], key: string): ConfigKey | undefined =>
  keys.find((declared) => declared.key === key) ?? keys.find((declared) => matchesKey(declared.key, key));

/**
 * Checks one value against its declaration. The empty value means unset and always passes.
 *
 * @throws LxdError bad-request that names the key and the allowed values
 */
export const checkValue = (declared: ConfigKey, key: string, value: string): void => {
  if (value === '') return;
  try {
    typeChecks[declared.type](value);
    if (declared.values && !declared.values.includes(value)) {
      throw badRequest(`must be one of ${declared.values.join(', ')}`);
    }
    const low = declared.min ?? Number.NEGATIVE_INFINITY;
    const high = declared.max ?? Number.POSITIVE_INFINITY;
    if (declared.type === 'integer' && (Number(value) < low || Number(value) > high)) {
      throw badRequest(
        high === Number.POSITIVE_INFINITY ? `must be at least ${low}` : `must be between ${low} and ${high}`,
      );
    }
    declared.check?.(value);
  } catch (error) {
    throw badRequest(`Invalid value for "${key}": "${value}" ${messageOf(error)}`, { cause: error });
  }
};

/**
 * Checks a whole configuration: every key declared, every value of its type.
 *
 * @param what - what is configured, for the message: `network`, `storage pool`
 * @throws LxdError bad-request for the first key that fails
 */
export const validateConfig = (keys: readonly ConfigKey[], config: Config, what: string): void => {
  for (const [key, value] of Object.entries(config)) {
    const declared = findKey(keys, key);
    if (!declared) throw badRequest(`Unknown ${what} configuration key "${key}"`);
    checkValue(declared, key, value);
  }
};

/** Drops unset (empty) values; what is stored never holds them. */
export const withoutEmpty = (config: Config): Record<string, string> =>
  Object.fromEntries(Object.entries(config).filter(([, value]) => value !== ''));

/** The keys whose values differ between two configurations, sorted. Unset and empty are the same. */
export const changedKeys = (before: Config, after: Config): string[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((key) => (before[key] ?? '') !== (after[key] ?? ''))
    .sort();
