import { InvalidInputError } from './errors.ts';

/** Tells what is wrong with a name, as a sentence without its full stop, or `undefined` if nothing is. */
type Rule = (name: string) => string | undefined;

/** The longest entry of a directory on Linux, in bytes. */
const longestFileName = 255;

const firstOf =
  (...rules: readonly Rule[]): Rule =>
  (name) => {
    for (const rule of rules) {
      const problem = rule(name);
      if (problem !== undefined) return problem;
    }
    return undefined;
  };

const matchesNot =
  (pattern: RegExp, sentence: string): Rule =>
  (name) =>
    pattern.test(name) ? sentence : undefined;

const required: Rule = matchesNot(/^$/, 'No name provided');

const printable: Rule = matchesNot(/\p{Cc}/u, 'Name must not contain control characters');

const atMost =
  (bytes: number): Rule =>
  (name) =>
    Buffer.byteLength(name) > bytes ? `Name must not be longer than ${bytes} bytes` : undefined;

/** A name that stands for one directory or file below a path of ours. */
const fileName =
  (what: string): Rule =>
  (name) =>
    name === '.' || name === '..' ? `Invalid ${what} name "${name}"` : undefined;

const length63: Rule = (name) =>
  name.length >= 1 && name.length <= 63 ? undefined : 'Name must be 1-63 characters long';

/** A DNS label (spec 03.19 to 03.25): serves as path component, security profile and host name too. */
const hostName: Rule = firstOf(
  length63,
  matchesNot(/^\d/, 'Name must not start with a number'),
  matchesNot(/^-/, 'Name must not start with "-" character'),
  matchesNot(/-$/, 'Name must not end with "-" character'),
  matchesNot(/[^A-Za-z0-9-]/, 'Name can only contain alphanumeric and hyphen characters'),
);

const without = (what: string, characters: string): Rule => {
  const found = (name: string): string | undefined => [...name].find((character) => characters.includes(character));
  return (name) => {
    const character = found(name);
    return character === undefined ? undefined : `Invalid ${what} name: Cannot contain "${character}"`;
  };
};

/** A component of a DNS name; `*` and `@` stand for any name and for the zone itself. */
const dnsName = (allowed: RegExp): Rule =>
  firstOf(
    (name) => (name.length > 253 ? 'Name must not be longer than 253 characters' : undefined),
    (name) =>
      name.split('.').every((label) => allowed.test(label))
        ? undefined
        : 'Name must be a DNS name: labels of 1-63 letters, digits, hyphens and underscores, joined by dots',
  );

/**
 * The rules of each kind of name; the sentences are those of the reference server where it has one. Stricter than it in one
 * point: nothing is accepted that could not stand for itself in a path (`..`, control characters, too long).
 */
const rules = {
  instance: firstOf(matchesNot(/\//, 'The character "/" is reserved for snapshots'), (name) => {
    const problem = hostName(name);
    return problem && `Invalid instance name: ${problem}`;
  }),
  instanceSnapshot: firstOf(
    matchesNot(/^$/, 'Invalid snapshot name: Cannot be empty'),
    without('snapshot', '/?&+'),
    fileName('snapshot'),
    printable,
    atMost(longestFileName),
  ),
  volumeSnapshot: firstOf(
    required,
    matchesNot(/\//, 'Storage name cannot contain "/"'),
    matchesNot(/\s/, 'Storage name cannot contain white space'),
    fileName('snapshot'),
    printable,
    atMost(longestFileName),
  ),
  backup: firstOf(
    required,
    matchesNot(/\//, 'Backup names may not contain slashes'),
    fileName('backup'),
    printable,
    atMost(longestFileName),
  ),
  volume: firstOf(
    required,
    matchesNot(/\//, 'Storage volume names may not contain slashes'),
    fileName('volume'),
    printable,
    // Beside a project's name of 63 characters it still makes one file name.
    atMost(longestFileName - 64),
  ),
  pool: firstOf(
    required,
    matchesNot(/\//, 'Storage pool names may not contain slashes'),
    matchesNot(/\s/, 'Storage name cannot contain white space'),
    fileName('storage pool'),
    printable,
    atMost(longestFileName),
  ),
  /** As the S3 protocol has it. */
  bucket: firstOf(
    required,
    matchesNot(
      /^(?![a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$)/,
      'Bucket names must be 3-63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends',
    ),
  ),
  bucketKey: firstOf(required, matchesNot(/\//, 'Bucket key names may not contain slashes'), printable, atMost(63)),
  /** The name of a Linux network interface as well. */
  network: firstOf(
    required,
    matchesNot(/^.$/su, 'Network interface is too short (minimum 2 characters)'),
    (name) => (name.length > 15 ? 'Network interface is too long (maximum 15 characters)' : undefined),
    matchesNot(/[^A-Za-z0-9_.-]/, 'Network interface contains invalid characters'),
    fileName('network'),
  ),
  networkAcl: firstOf(matchesNot(/^$/, 'Name is required'), hostName),
  networkPeer: firstOf(required, matchesNot(/\//, 'Network peer names may not contain slashes'), printable, atMost(63)),
  networkZone: firstOf(matchesNot(/^$/, 'Name is required'), dnsName(/^[A-Za-z0-9_-]{1,63}$/)),
  networkZoneRecord: firstOf(matchesNot(/^$/, 'Name is required'), dnsName(/^(?:[A-Za-z0-9_-]{1,63}|[@*])$/)),
  profile: firstOf(
    required,
    matchesNot(/\//, 'Profile names may not contain slashes'),
    fileName('profile'),
    printable,
    atMost(longestFileName),
  ),
  /** Underscores part a project from the name of what is in it, in paths and interface names. */
  project: firstOf(
    required,
    matchesNot(/\//, 'Project names may not contain slashes'),
    matchesNot(/ /, 'Project names may not contain spaces'),
    matchesNot(/_/, 'Project names may not contain underscores'),
    matchesNot(/['"]/, 'Project names may not contain quotes'),
    matchesNot(/^\*$/, 'Reserved project name'),
    fileName('project'),
    printable,
    atMost(63),
  ),
  device: firstOf(
    (name) => (name.length > 64 ? 'The maximum device name length is 64 characters' : undefined),
    matchesNot(/^$/, 'Name must be 1-64 characters long'),
    matchesNot(/^\./, 'Name must not start with "." character'),
    matchesNot(
      /[^A-Za-z0-9/:_.-]/,
      'Name can only contain alphanumeric, forward slash, hyphen, colon, underscore and full stop characters',
    ),
  ),
  imageAlias: firstOf(required, printable, atMost(longestFileName)),
  clusterMember: firstOf(required, hostName),
  clusterGroup: firstOf(
    required,
    matchesNot(/\//, 'Cluster group names may not contain slashes'),
    fileName('cluster group'),
    printable,
    atMost(63),
  ),
} satisfies Record<string, Rule>;

/** The kinds of things that have names with rules. */
export type NamedKind = keyof typeof rules;

/** What is wrong with a name of that kind, or `undefined` if it is fine. */
export const nameProblem = (kind: NamedKind, name: string): string | undefined => rules[kind](name);

/** @throws InvalidInputError with the sentence of {@link nameProblem} */
export const checkName = (kind: NamedKind, name: string): void => {
  const problem = nameProblem(kind, name);
  if (problem !== undefined) throw new InvalidInputError(problem);
};
