import { type CommandDef, defineCommand } from 'citty';
import type { Cli } from '../cli.ts';
import type { Flags, FlagValues } from './flags.ts';

/** What a command's help says. */
interface Words {
  /** One line for lists of commands. */
  short: string;
  /** The help's first line, where it differs from `short`. */
  title?: string;
  /** What the help says in place of its usual beginning. */
  description?: string;
  /** What the help says beyond its first line; paragraphs without the common indent. */
  long?: string;
  /** The block under "Examples", with its own indent. */
  examples?: string;
}

/** A command that does something. */
export interface LeafSpec<F extends Flags> extends Words {
  /** The arguments as shown in the usage line, e.g. `[<remote>:]<instance> <key>`. */
  use: string;
  /** How many arguments are right: at least, and at most if there is an end. */
  args: [min: number, max: number];
  flags?: F;
  /** Whether flags may stand after the first argument; `exec` says no. */
  interspersed?: boolean;
  /** Takes all words as arguments, flags included. */
  verbatim?: boolean;
  /** Put after the arguments in the usage line if `[flags]` shall not be the end, e.g. ` [flags] [key=value...]`. */
  usageEnd?: string;
  run(cli: Cli, input: Input<F>): Promise<void>;
}

/** What a command is called with. */
export interface Input<F extends Flags = Flags> {
  args: string[];
  flags: FlagValues<F>;
  /** The names of the flags that stood on the command line. */
  given: ReadonlySet<string>;
  /** The arguments after a `--`, which are also in `args`. */
  afterDash: string[];
  /** Prints how the command is used to the standard error output. */
  usage(): Promise<void>;
  /** Prints the help to the standard output. */
  showHelp(): Promise<void>;
  /** Prints the help, and throws that the arguments do not fit together. */
  wrongArguments(): Promise<never>;
}

/** A command as the dispatcher handles it, whatever its flags. */
export interface Leaf extends CommandDef {
  kind: 'leaf';
  spec: Omit<LeafSpec<Flags>, 'run'>;
}

/** One command in a group: its other names, and how to load it. */
export interface Entry {
  aliases: readonly string[];
  /** Not in lists of commands unless `--all` is given. */
  hidden: boolean;
  load: () => Promise<Node>;
}

/** A command that only holds others. */
export interface Group extends CommandDef {
  kind: 'group';
  words: Words;
  /** By name, in the order of the help. */
  entries: ReadonlyMap<string, Entry>;
  /** Called without a command it prints its help to the output (true) or its usage to the errors (false). */
  helpful: boolean;
}

export type Node = Leaf | Group;

/** What the dispatcher hands to a command's `run`. */
export interface Invocation {
  cli: Cli;
  input: Omit<Input, 'flags'>;
  values: Record<string, unknown>;
}

/** Declares a command that does something. */
export const command = <const F extends Flags = Record<string, never>>(spec: LeafSpec<F>): Leaf => ({
  ...defineCommand({
    meta: { description: spec.short },
    run: ({ data }: { data?: Invocation }) => {
      if (data === undefined) throw new Error('A command was run without its arguments');
      // The parser filled in a value of the declared kind for every declared flag.
      return spec.run(data.cli, { ...data.input, flags: data.values as FlagValues<F> });
    },
  }),
  kind: 'leaf',
  spec,
});

/** Declares how a group holds a command: `entry('list', ['ls'], () => import('./list.ts').then((m) => m.list))`. */
export const entry = (
  name: string,
  aliases: readonly string[],
  load: () => Promise<Node>,
  options: { hidden?: boolean } = {},
): [string, Entry] => [name, { aliases, load, hidden: options.hidden ?? false }];

/** Declares a command that only holds others; each is loaded when it is called. */
export const group = (
  words: Words,
  entries: readonly [string, Entry][],
  options: { helpful?: boolean } = {},
): Group => ({
  ...defineCommand({
    meta: { description: words.short },
    subCommands: Object.fromEntries(
      entries.flatMap(([name, { aliases, load }]) => [name, ...aliases].map((called) => [called, load] as const)),
    ),
  }),
  kind: 'group',
  words,
  entries: new Map(entries),
  helpful: options.helpful ?? false,
});
