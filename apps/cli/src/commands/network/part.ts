import type { Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { UserError } from '../../command/errors.ts';
import type { FlagValues } from '../../command/flags.ts';
import { targetFlag } from '../../command/flags.ts';
import type { Struct } from '../../yaml/shape.ts';
import { type Configurable, type ObjectKind, pick, required } from '../common/object.ts';

/** Things that belong to a network and have a name of their own in it: forwards, load balancers, peers. */
export interface PartKind {
  /** The collection below the network, e.g. `forwards`. */
  collection: string;
  /** The second argument, e.g. `<listen_address>`. */
  word: string;
  /** As in `Missing listen address`. */
  what: string;
  shape: Struct;
  putShape: Struct;
}

export const memberFlags = { target: targetFlag };

/** The place of a part: `[<remote>:]<network>` and its own name. */
export const openPart = async (
  cli: Cli,
  kind: PartKind,
  [text = '', name = '']: readonly string[],
  target = '',
): Promise<{ client: Client; network: string[]; segments: string[] }> => {
  const { client, name: network } = await cli.locate(text);
  const collection = ['networks', required(network, 'network name'), kind.collection];
  return {
    client: target === '' ? client : client.onMember(target),
    network: collection,
    segments: [...collection, required(name, kind.what)],
  };
};

/** A part as an object with `get`, `set`, `unset`, `show` and `edit`, with or without a choice of the cluster member. */
export const partKind = <F extends typeof memberFlags | Record<string, never>>(
  kind: PartKind,
  flags: F,
): ObjectKind<F> => ({
  use: `[<remote>:]<network> ${kind.word}`,
  words: 2,
  flags,
  shape: kind.shape,
  putShape: kind.putShape,
  open: async (cli, words, values: FlagValues<F>) => {
    const target = 'target' in values ? String(values.target) : '';
    const { client, segments } = await openPart(cli, kind, words, target);
    return {
      read: () => client.get<Configurable>(segments),
      write: async (value, etag) => {
        await client.send('PUT', segments, pick(value, kind.putShape), { etag });
      },
    };
  },
});

/** Removes from a list what matches: exactly one unless forced. Throws UserError if none or too many match. */
export const without = <T>(items: readonly T[], matches: (item: T) => boolean, force: boolean, what: string): T[] => {
  const hit = items.filter(matches).length;
  if (hit === 0) throw new UserError(`No matching ${what}(s) found`);
  if (hit > 1 && !force) throw new UserError(`Multiple ${what}s match. Use --force to remove them all`);
  return items.filter((item) => !matches(item));
};
