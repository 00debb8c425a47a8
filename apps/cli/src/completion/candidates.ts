import type { Cli } from '../cli.ts';
import type { Leaf } from '../command/command.ts';
import { type Flag, type Flags, globalFlags } from '../command/flags.ts';
import type { Called } from '../command/help.ts';
import { parseArgs } from '../command/parse.ts';
import { type Argument, argumentsOf, readArgument } from './arguments.ts';
import { fingerprints, flagLookups, lookups, settableKeys } from './lookups.ts';

/** What may stand where the cursor is, and whether files may too. */
export interface Candidates {
  names: string[];
  files: boolean;
}

const nothing: Candidates = { names: [], files: false };

const remoteOf = (text: string): string | undefined => (text.includes(':') ? text.split(':')[0] : undefined);

/** The arguments among the words so far; flags and their values are left out. */
const plainArguments = (words: readonly string[], flags: Flags): string[] => {
  try {
    return parseArgs(words, flags).args;
  } catch {
    // A flag that is wrong or not finished: what does not look like one is an argument.
    return words.filter((word) => !word.startsWith('-'));
  }
};

/** The flag whose value is being typed: the last word is one that takes a value. */
const openFlag = (words: readonly string[], flags: Flags): string | undefined => {
  const last = words.at(-1) ?? '';
  const [name, flag] =
    Object.entries<Flag>(flags).find(([long, { short }]) => last === `--${long}` || last === `-${short}`) ?? [];
  return flag === undefined || flag.kind === 'bool' || flag.bare !== undefined ? undefined : name;
};

/** What is named on the command line before an argument, and by which remote. */
const readBefore = (
  given: readonly string[],
  wanted: readonly Argument[],
): { known: Record<string, string>; remote: string | undefined } => ({
  known: Object.assign({}, ...given.map((text, at) => (wanted[at] ? readArgument(wanted[at], text) : {}))),
  remote: given.map(remoteOf).find((remote) => remote !== undefined),
});

/** The values a flag's description lists: `Format (csv|json|table)`. */
const listed = ({ description }: Flag): string[] =>
  /\(([\w-]+(?:\|[\w-]+)+)\)/.exec(description)?.[1]?.split('|') ?? [];

const flagValues = async (
  cli: Cli,
  { path }: Called,
  flags: Flags,
  name: string,
  given: readonly string[],
  wanted: readonly Argument[],
): Promise<Candidates> => {
  const flag = flags[name];
  const fixed = flag === undefined ? [] : listed(flag);
  const lookup = flagLookups[name];
  if (fixed.length > 0 || lookup === undefined || (name === 'mode' && path[1] === 'exec')) {
    return { names: fixed, files: fixed.length === 0 };
  }
  const { known, remote } = readBefore(given, wanted);
  const client = await cli.server(remote ?? cli.config.defaultRemote);
  return { names: await lookup({ client, path, known }), files: false };
};

const ofArgument = async (
  cli: Cli,
  path: readonly string[],
  argument: Argument,
  before: { known: Record<string, string>; remote: string | undefined },
  begun: string,
): Promise<Candidates> => {
  const own = argument.remote ? remoteOf(begun) : undefined;
  const remote = own ?? before.remote ?? cli.config.defaultRemote;
  const remotes = [...cli.config.remotes.keys()];
  const head = own === undefined ? '' : `${own}:`;
  const typed = begun.slice(head.length).split('/');
  const at = Math.min(typed.length, argument.parts.length) - 1;
  const part = argument.parts[at];
  const prefix =
    head +
    typed
      .slice(0, at)
      .map((text) => `${text}/`)
      .join('');

  const found: string[] = [];
  if (argument.remote && own === undefined && at <= 0) found.push(...remotes.map((name) => `${name}:`));
  if (part === 'remote') found.push(...remotes);
  if ((part === 'alias' && path[1] === 'alias') || part === 'old alias') found.push(...cli.config.aliases.keys());
  const lookup =
    part === 'fingerprint'
      ? fingerprints
      : argument.setting && part === 'key'
        ? settableKeys
        : part === 'alias' && path[1] === 'image'
          ? lookups.image
          : lookups[part ?? ''];
  if (lookup !== undefined && cli.config.remotes.get(remote)?.protocol !== 'simplestreams') {
    const client = await cli.server(remote);
    const known = { ...before.known, ...readArgument({ ...argument, parts: argument.parts.slice(0, at) }, begun) };
    const names = await lookup({ client, path, known });
    const end = argument.setting ? '=' : '';
    found.push(...names.map((name) => `${prefix}${name}${end}`));
  }
  return { names: found, files: /path|file|tarball|target$|cert/.test(part ?? '') };
};

/**
 * What may follow on a command line.
 *
 * @param called - the command that the line leads to
 * @param words - what stands behind it, complete
 * @param begun - the word that is being typed
 */
export const candidatesFor = async (
  cli: Cli,
  called: Called,
  { spec }: Leaf,
  words: readonly string[],
  begun: string,
): Promise<Candidates> => {
  const flags: Flags = { ...globalFlags, ...spec.flags };
  const wanted = argumentsOf(spec.use);
  const flag = openFlag(words, flags);
  const equals = /^--([\w-]+)=/.exec(begun);
  const fitting = ({ names, files }: Candidates, typed: string, prefix = ''): Candidates => ({
    names: [...new Set(names)]
      .filter((name) => name.startsWith(typed))
      .map((name) => prefix + name)
      .sort(),
    files,
  });
  if (flag !== undefined) {
    const given = plainArguments(words.slice(0, -1), flags);
    return fitting(await flagValues(cli, called, flags, flag, given, wanted), begun);
  }
  const given = plainArguments(words, flags);
  if (equals !== null) {
    const [prefix, name = ''] = equals;
    return fitting(await flagValues(cli, called, flags, name, given, wanted), begun.slice(prefix.length), prefix);
  }
  if (begun.startsWith('-')) {
    const lines = Object.entries<Flag>(flags).map(([name, { description }]) => `--${name}\t${description}`);
    return fitting({ names: lines, files: false }, begun);
  }
  const last = wanted.at(-1);
  const argument = wanted[given.length] ?? (last?.repeats ? last : undefined);
  if (argument === undefined) return given.length > 0 && wanted.length === 0 ? { names: [], files: true } : nothing;
  const before = readBefore(given, wanted);
  const next = wanted[given.length + 1];
  const may = argument.optional && next !== undefined ? [argument, next] : [argument];
  const found = await Promise.all(may.map((one) => ofArgument(cli, called.path, one, before, begun)));
  return fitting({ names: found.flatMap(({ names }) => names), files: found.some(({ files }) => files) }, begun);
};
