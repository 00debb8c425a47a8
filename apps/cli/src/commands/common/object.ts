import type { Reply } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command, type Leaf } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import type { Flags, FlagValues } from '../../command/flags.ts';
import { out } from '../../output/streams.ts';
import type { Config } from '../../shapes/types.ts';
import { printYaml } from '../../yaml/print.ts';
import type { Struct } from '../../yaml/shape.ts';
import { editYaml } from './edit.ts';
import { settings } from './values.ts';

/**
 * The commands that every configurable object has alike: `get`, `set`, `unset`, `show` and `edit`.
 * An object describes itself once, as an `ObjectKind`, and takes its commands from here.
 */
export interface ObjectKind<F extends Flags> {
  /** The arguments that name one object, e.g. `[<remote>:]<network> <listen_address>`. */
  use: string;
  /** How many words that are. */
  words: number;
  /** Flags that choose which one is meant. */
  flags: F;
  /** All fields, as shown. */
  shape: Struct;
  /** The fields that can be changed. */
  putShape: Struct;
  /** Whether `show` puts those who use it in order. */
  ordersUsers?: boolean;
  /** Whether `get` prints an empty line for a key that is not set; without it, nothing. */
  blankWhenUnset?: boolean;
  open(cli: Cli, words: readonly string[], flags: FlagValues<F>): Promise<OpenObject>;
}

/** One object that can be read and changed. */
export interface OpenObject {
  read(): Promise<Reply<Configurable>>;
  write(value: object, etag: string): Promise<void>;
  /** Throws UserError if this one cannot be changed at all. */
  check?(): void;
  /** Changes single keys; if left out, the object is read, changed and written. */
  set?(changes: Config): Promise<void>;
}

/** What all of them have. */
export interface Configurable {
  config: Config;
}

/** The changeable fields of a value, by its shape. */
export const pick = (value: object, shape: Struct): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).filter(([key]) => key in shape.fields));

/** The same value with its `used_by` in order, as `show` prints it. */
export const sortedUsers = <T extends object>(value: T): T => {
  const users = 'used_by' in value && Array.isArray(value.used_by) ? value.used_by : undefined;
  return users ? { ...value, used_by: users.toSorted() } : value;
};

interface Words {
  short: string;
  title?: string;
  long?: string;
  examples?: string;
}

const both = (kind: { use: string }, more: string): string => `${kind.use} ${more}`;

/** `get`: prints the value of one key. */
export const getCommand = <F extends Flags>(kind: ObjectKind<F>, words: Words): Leaf =>
  command<F>({
    ...words,
    use: both(kind, '<key>'),
    args: [kind.words + 1, kind.words + 1],
    flags: kind.flags,
    run: async (cli, { args, flags }) => {
      const object = await kind.open(cli, args, flags);
      const { value } = await object.read();
      const found = value.config[args[kind.words] ?? ''] ?? (kind.blankWhenUnset ? '' : undefined);
      if (found !== undefined) out(`${found}\n`);
    },
  });

const change = async (object: OpenObject, kind: { putShape: Struct }, changes: Config): Promise<void> => {
  object.check?.();
  if (object.set) return object.set(changes);
  const { value, etag } = await object.read();
  await object.write({ ...pick(value, kind.putShape), config: { ...value.config, ...changes } }, etag);
};

/** `set`: gives keys their values. */
export const setCommand = <F extends Flags>(kind: ObjectKind<F>, words: Words, use = '<key>=<value>...'): Leaf =>
  command<F>({
    ...words,
    use: both(kind, use),
    args: [kind.words + 1, Number.POSITIVE_INFINITY],
    flags: kind.flags,
    run: async (cli, { args, flags }) => {
      const changes = settings(args.slice(kind.words));
      await change(await kind.open(cli, args, flags), kind, changes);
    },
  });

/** `unset`: takes the value of one key away. */
export const unsetCommand = <F extends Flags>(kind: ObjectKind<F>, words: Words): Leaf =>
  command<F>({
    ...words,
    use: both(kind, '<key>'),
    args: [kind.words + 1, kind.words + 1],
    flags: kind.flags,
    run: async (cli, { args, flags }) => {
      await change(await kind.open(cli, args, flags), kind, { [args[kind.words] ?? '']: '' });
    },
  });

/** `show`: prints the whole object as YAML. */
export const showCommand = <F extends Flags>(kind: ObjectKind<F>, words: Words): Leaf =>
  command<F>({
    ...words,
    use: kind.use,
    args: [kind.words, kind.words],
    flags: kind.flags,
    run: async (cli, { args, flags }) => {
      const { value } = await (await kind.open(cli, args, flags)).read();
      out(printYaml(kind.ordersUsers ? sortedUsers(value) : value, kind.shape));
    },
  });

/** `edit`: changes the whole object as YAML, in an editor or from the standard input. */
export const editCommand = <F extends Flags>(kind: ObjectKind<F>, words: Words, template: string): Leaf =>
  command<F>({
    ...words,
    use: kind.use,
    args: [kind.words, kind.words],
    flags: kind.flags,
    run: async (cli, { args, flags }) => {
      const object = await kind.open(cli, args, flags);
      await editYaml({
        template,
        shape: kind.shape,
        putShape: kind.putShape,
        read: () => object.read(),
        // The reader gives a map for a struct.
        write: (value, etag) => object.write(value as object, etag),
      });
    },
  });

/** The word that names an object, which must not be missing. Throws UserError: `Missing network name`. */
export const required = (name: string, what: string): string => {
  if (name === '') throw new UserError(`Missing ${what}`);
  return name;
};
