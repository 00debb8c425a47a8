import type { Client } from '@lxd-ts/client';
import type { Cli } from '../cli.ts';

/** The collection that holds what an argument of that name means. */
const collections: Record<string, readonly string[]> = {
  instance: ['instances'],
  source: ['instances'],
  image: ['images', 'aliases'],
  profile: ['profiles'],
  profiles: ['profiles'],
  project: ['projects'],
  network: ['networks'],
  ACL: ['network-acls'],
  Zone: ['network-zones'],
  zone: ['network-zones'],
  pool: ['storage-pools'],
  operation: ['operations'],
  'warning-uuid': ['warnings'],
  fingerprint: ['certificates'],
  member: ['cluster', 'members'],
  'cluster member': ['cluster', 'members'],
  group: ['cluster', 'groups'],
};

const lastSegment = (url: string): string => decodeURIComponent((url.split('?')[0] ?? '').split('/').pop() ?? '');

const names = async (client: Client, segments: readonly string[]): Promise<string[]> => {
  const { value } = await client.get<string[] | Record<string, string[]> | null>(segments);
  return (Array.isArray(value) ? value : Object.values(value ?? {}).flat()).map(lastSegment);
};

/** The names of a usage line's arguments in their order: `[<remote>:]<pool> <volume>` gives pool and volume. */
const argumentsOf = (use: string): { name: string; remote: boolean; repeats: boolean }[] =>
  [...use.matchAll(/(\[<remote>:\]|<remote>:)?(?:\[?\[?)<([\w -]+)>[^\s]*/g)].map(([text, remote, name = '']) => ({
    name,
    remote: remote !== undefined,
    repeats: text.includes('...'),
  }));

/**
 * What an argument may be, by its name in the usage line.
 *
 * @param rest - the words after the command
 * @param place - which argument it is, from 0
 * @param begun - what of it is typed already
 */
export const candidatesFor = async (
  cli: Cli,
  use: string,
  rest: readonly string[],
  place: number,
  begun: string,
): Promise<{ names: string[]; files: boolean }> => {
  const wanted = argumentsOf(use);
  const last = wanted.at(-1);
  const argument = wanted[place] ?? (last && use.includes('...') ? last : undefined);
  if (argument === undefined) return { names: [], files: true };
  const colon = begun.indexOf(':');
  const from = argument.remote && colon >= 0 ? begun.slice(0, colon) : undefined;
  const earlier = rest.find((word) => word.includes(':'))?.split(':')[0];
  const remote = from ?? (argument.remote ? undefined : earlier) ?? cli.config.defaultRemote;
  const prefix = from === undefined ? '' : `${from}:`;

  const found: string[] = [];
  const collection = collections[argument.name];
  if (collection !== undefined && cli.config.remotes.has(remote)) {
    const client = await cli.server(remote);
    found.push(...(await names(client, collection)).map((name) => prefix + name));
  }
  if (argument.remote && from === undefined) found.push(...[...cli.config.remotes.keys()].map((name) => `${name}:`));
  if (argument.name === 'remote') found.push(...cli.config.remotes.keys());
  if (argument.name === 'alias') found.push(...cli.config.aliases.keys());
  const fitting = found.filter((name) => name.startsWith(begun)).sort();
  const files = /path|file|tarball|target|cert/.test(argument.name);
  return { names: [...new Set(fitting)], files };
};
