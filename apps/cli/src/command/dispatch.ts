import { runCommand } from 'citty';
import type { Cli } from '../cli.ts';
import { err, out } from '../output/streams.ts';
import type { Entry, Group, Invocation, Leaf, Node } from './command.ts';
import { UserError } from './errors.ts';
import { type Flags, type GlobalFlags, globalFlags } from './flags.ts';
import { type Called, help, rootFlags, usage } from './help.ts';
import { type Parsed, parseArgs } from './parse.ts';
import { suggestions } from './suggest.ts';

/** Where the command line led: the command, the words to it, and what is left of the arguments. */
interface Found extends Called {
  rest: string[];
}

/** The place of the first word that is neither a flag nor a flag's value. */
const commandWord = (argv: readonly string[], flags: Flags): number => {
  const takesValue = (text: string): boolean => {
    if (text.includes('=')) return false;
    const flag = text.startsWith('--')
      ? flags[text.slice(2)]
      : Object.values(flags).find(({ short }) => short !== undefined && text === `-${short}`);
    return flag !== undefined && flag.kind !== 'bool' && flag.bare === undefined;
  };
  for (let at = 0; at < argv.length; at++) {
    const text = argv[at] ?? '';
    if (text === '--') return -1;
    if (!text.startsWith('-') || text === '-') return at;
    if (takesValue(text)) at++;
  }
  return -1;
};

const entryOf = (group: Group, word: string): readonly [string, Entry] | undefined => {
  const exact = group.entries.get(word);
  if (exact) return [word, exact] as const;
  return [...group.entries].find(([, { aliases }]) => aliases.includes(word));
};

/** Follows the words of a command line as far as they name commands. */
export const find = async (root: Group, argv: readonly string[]): Promise<Found> => {
  let node: Node = root;
  let names: readonly string[] = ['lxc'];
  const path = ['lxc'];
  let rest = [...argv];
  while (node.kind === 'group') {
    const at = commandWord(rest, { ...globalFlags, ...rootFlags });
    const word = at < 0 ? undefined : rest[at];
    const found: readonly [string, Entry] | undefined = word === undefined ? undefined : entryOf(node, word);
    if (found === undefined) break;
    const [name, { aliases, load }]: readonly [string, Entry] = found;
    node = await load();
    names = [name, ...aliases];
    path.push(name);
    rest = rest.toSpliced(at, 1);
  }
  return { node, path, names, rest };
};

const unknownCommand = (called: Called, word: string, root: boolean): UserError => {
  const group = called.node;
  const names =
    root && group.kind === 'group' ? [...group.entries].filter(([, e]) => !e.hidden).map(([name]) => name) : [];
  const close = suggestions(word, names.sort());
  const hint = close.length === 0 ? '' : `\n\nDid you mean this?\n${close.map((name) => `\t${name}\n`).join('')}`;
  return new UserError(`unknown command "${word}" for "${called.path.join(' ')}"${hint}`);
};

const globals = (parsed: Parsed): GlobalFlags =>
  // The parser filled in a value of the declared kind for every declared flag.
  Object.fromEntries(Object.keys(globalFlags).map((name) => [name, parsed.values[name]])) as unknown as GlobalFlags;

const runGroup = async (found: Found, group: Group, version: string): Promise<void> => {
  const isRoot = found.path.length === 1;
  const parsed = parseArgs(found.rest, { ...globalFlags, ...(isRoot ? rootFlags : {}) });
  const options = { all: parsed.values.all === true, subCommands: parsed.values['sub-commands'] === true };
  if (parsed.values.help === true) return out(await help(found, options));
  const [word] = parsed.args;
  if (word !== undefined && (isRoot || !group.helpful) && parsed.afterDash.length === 0) {
    throw unknownCommand(found, word, isRoot);
  }
  if (isRoot && parsed.values.version === true) return out(`${version}\n`);
  if (isRoot || group.helpful) return out(await help(found, options));
  err(await usage(found, options));
};

const runLeaf = async (found: Found, leaf: Leaf, open: (flags: GlobalFlags) => Promise<Cli>): Promise<void> => {
  const { spec } = leaf;
  const words = spec.verbatim ? ['--', ...found.rest] : found.rest;
  const parsed = parseArgs(words, { ...globalFlags, ...spec.flags }, spec.interspersed);
  const flags = globals(parsed);
  const options = { all: false, subCommands: flags['sub-commands'] };
  if (flags.help) return out(await help(found, options));
  const showHelp = async (): Promise<void> => out(await help(found, options));
  const wrongArguments = async (): Promise<never> => {
    await showHelp();
    throw new UserError('Invalid number of arguments');
  };
  const [min, max] = spec.args;
  const count = parsed.args.length;
  if (count === 0 && min > 0) return showHelp();
  if (count < min || count > max) return wrongArguments();
  const cli = await open(flags);
  const { args, given, afterDash, values } = parsed;
  const showUsage = async (): Promise<void> => err(await usage(found, options));
  const invocation: Invocation = {
    cli,
    input: { args, given, afterDash, usage: showUsage, showHelp, wrongArguments },
    values,
  };
  try {
    await runCommand(leaf, { rawArgs: [], data: invocation });
  } finally {
    cli.close();
  }
};

/**
 * Runs a command line.
 *
 * @param argv - the words after the program's name
 * @param open - makes what commands work with, once the global flags are known
 */
export const dispatch = async (
  root: Group,
  argv: readonly string[],
  version: string,
  open: (flags: GlobalFlags) => Promise<Cli>,
): Promise<void> => {
  const found = await find(root, argv);
  if (found.node.kind === 'group') return runGroup(found, found.node, version);
  return runLeaf(found, found.node, open);
};
