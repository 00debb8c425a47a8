import type { Group, Leaf, Node } from './command.ts';
import { bool, type Flag, type Flags, globalFlags } from './flags.ts';

/** Puts blanks before every line that is not empty. */
export const indent = (text: string, by = '  '): string => text.replace(/^(?=.)/gm, by);

const label = (name: string, flag: Flag): string => {
  const short = flag.short ? `-${flag.short}, ` : '    ';
  const bare = flag.bare === undefined ? '' : `[="${flag.bare}"]`;
  return `  ${short}--${flag.label ?? name}${bare}`;
};

const withDefault = (flag: Flag): string => {
  if (flag.default === undefined || flag.bare !== undefined) return flag.description;
  return `${flag.description} (default ${typeof flag.default === 'string' ? `"${flag.default}"` : flag.default})`;
};

/** The flags that every command takes, without those it has its own meaning for. */
export const inherited = (own: Flags): Flags =>
  Object.fromEntries(Object.entries(globalFlags).filter(([name]) => !(name in own)));

/** The flags, one a line, by name, as help shows them. */
export const flagLines = (flags: Flags): string => {
  const rows = Object.entries(flags)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, flag]) => [label(name, flag), withDefault(flag)] as const);
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `${left.padEnd(width)}   ${right}`).join('\n');
};

/** The flag that only the top command takes. */
export const rootFlags = { all: bool('Show less common commands') } satisfies Flags;

/** A command with the words that lead to it, e.g. `lxc config device`. */
export interface Called {
  path: readonly string[];
  node: Node;
  /** The names a leaf goes by, its own first. */
  names: readonly string[];
}

interface HelpOptions {
  /** List hidden commands too. */
  all: boolean;
  /** List the commands of commands. */
  subCommands: boolean;
}

/** The command's own line: what it is, before anything else. */
export const description = (node: Node): string => {
  const words = node.kind === 'leaf' ? node.spec : node.words;
  if (words.description !== undefined) return words.description;
  const more = words.long === undefined ? '' : `\n\n${indent(words.long)}`;
  return `Description:\n  ${words.title ?? words.short}${more}`;
};

const visible = (group: Group, all: boolean) =>
  [...group.entries].filter(([, { hidden }]) => all || !hidden).sort(([a], [b]) => (a < b ? -1 : 1));

const commandLines = async (group: Group, options: HelpOptions, padding: number, by: string): Promise<string[]> => {
  const entries = visible(group, options.all);
  // A wider column where commands of commands are listed, as the reference's help has it.
  const width = Math.max(padding, ...entries.map(([name]) => name.length)) + (options.subCommands ? 1 : 0);
  const lines: string[] = [];
  for (const [name, { load }] of entries) {
    const node = await load();
    const { short } = node.kind === 'leaf' ? node.spec : node.words;
    lines.push(`${by}${name.padEnd(width)} ${short}`);
    if (options.subCommands && node.kind === 'group') {
      lines.push(...(await commandLines(node, options, padding, `${by}  `)));
    }
  }
  return lines;
};

/** How a command is called, in one line. */
export const leafUsage = (path: string, leaf: Leaf): string => {
  const { use, usageEnd = ' [flags]' } = leaf.spec;
  return `${path}${use === '' ? '' : ` ${use}`}${usageEnd}`;
};

/** The usage block of a command: how to call it, its names, examples, commands and flags. */
export const usage = async ({ path, node, names }: Called, options: HelpOptions): Promise<string> => {
  const name = path.join(' ');
  const isRoot = path.length === 1;
  const blocks: string[] = [];
  if (node.kind === 'leaf') {
    blocks.push(`Usage:\n  ${leafUsage(name, node)}`);
    if (names.length > 1) blocks.push(`Aliases:\n  ${names.join(', ')}`);
    if (node.spec.examples !== undefined) blocks.push(`Examples:\n${indent(node.spec.examples)}`);
  } else {
    const own = isRoot || node.helpful ? '' : `\n  ${name} [flags]`;
    blocks.push(`Usage:${own}\n  ${name} [command]`);
    const lines = await commandLines(node, options, 11, '  ');
    blocks.push(`Available Commands:\n${lines.join('\n')}`);
  }
  const flags = node.kind === 'leaf' ? (node.spec.flags ?? {}) : isRoot ? { ...rootFlags, ...globalFlags } : {};
  if (Object.keys(flags).length > 0) blocks.push(`Flags:\n${flagLines(flags)}`);
  if (!isRoot) blocks.push(`Global Flags:\n${flagLines(inherited(flags))}`);
  if (node.kind === 'group') {
    blocks.push(`Use "${name} [command] --help" for more information about a command.`);
  }
  return `${blocks.join('\n\n')}\n`;
};

/** The whole help of a command. */
export const help = async (called: Called, options: HelpOptions): Promise<string> =>
  `${description(called.node)}\n\n${await usage(called, options)}`;
