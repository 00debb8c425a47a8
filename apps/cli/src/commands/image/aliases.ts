import type { ImageAliasesEntry as Alias } from '@lxd-ts/api';
import type { Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { UserError } from '../../command/errors.ts';
import { operate } from '../common/operate.ts';

export const readAliases = async (client: Client): Promise<Alias[]> =>
  (await client.get<Alias[]>(['images', 'aliases'], { recursion: 1 })).value;

/**
 * Points aliases at an image, taking them from other images if they are there already.
 *
 * @param replace - deletes an image that loses its last alias that way
 */
export const assignAliases = async (
  cli: Cli,
  client: Client,
  fingerprint: string,
  names: readonly string[],
  replace = false,
): Promise<void> => {
  if (names.length === 0) return;
  const existing = await readAliases(client);
  const losers = new Set<string>();
  for (const name of names) {
    const taken = existing.find((alias) => alias.name === name);
    if (taken !== undefined) {
      if (taken.target !== fingerprint) losers.add(taken.target);
      await client.send('DELETE', ['images', 'aliases', name]);
    }
    await client.send('POST', ['images', 'aliases'], { name, target: fingerprint });
  }
  if (!replace) return;
  for (const loser of losers) {
    const left = existing.filter(({ target, name }) => target === loser && !names.includes(name));
    if (left.length === 0) await operate(cli, client, 'DELETE', ['images', loser]);
  }
};

/** Throws UserError if one of the aliases is already taken. */
export const requireFree = async (client: Client, names: readonly string[]): Promise<void> => {
  if (names.length === 0) return;
  const taken = (await readAliases(client)).map(({ name }) => name).filter((name) => names.includes(name));
  if (taken.length > 0) throw new UserError(`Aliases already exists: ${taken.join(', ')}`);
};
