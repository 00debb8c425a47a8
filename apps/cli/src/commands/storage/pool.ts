import type { StoragePool as Pool } from '@lxd-ts/api';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, formatFlag, targetFlag } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import { bytesIec } from '../../output/units.ts';
import { printYaml } from '../../yaml/print.ts';
import { required } from '../common/object.ts';
import { splitPair } from '../common/values.ts';
import { isClustered } from '../server.ts';
import { poolShape } from './shape.ts';

export const poolCreate = command({
  use: '[<remote>:]<pool> <driver> [key=value...]',
  short: 'Create storage pools',
  args: [2, Number.POSITIVE_INFINITY],
  flags: { target: targetFlag },
  run: async (cli, { args: [text = '', driver = '', ...words], flags }) => {
    const { client, name } = await cli.locate(text);
    const pairs = words.map((word) => {
      const pair = splitPair(word);
      if (pair === undefined) throw new UserError(`Bad key=value pair: [${words.join(' ')}]`);
      return pair;
    });
    const server = flags.target === '' ? client : client.onMember(flags.target);
    await server.send('POST', ['storage-pools'], {
      name: required(name, 'pool name'),
      driver,
      description: '',
      config: Object.fromEntries(pairs),
    });
    if (cli.global.quiet) return;
    out(
      flags.target === ''
        ? `Storage pool ${name} created\n`
        : `Storage pool ${name} pending on member ${flags.target}\n`,
    );
  },
});

export const poolDelete = command({
  use: '[<remote>:]<pool>',
  short: 'Delete storage pools',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('DELETE', ['storage-pools', required(name, 'pool name')]);
    if (!cli.global.quiet) out(`Storage pool ${name} deleted\n`);
  },
});

export const poolList = command({
  use: '[<remote>:]',
  short: 'List available storage pools',
  args: [0, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client } = await cli.locate(text);
    const [{ value }, clustered] = await Promise.all([
      client.get<Pool[]>(['storage-pools'], { recursion: 1 }),
      isClustered(client),
    ]);
    // In a cluster each member has a source of its own.
    printListing(flags.format, {
      header: ['NAME', 'DRIVER', ...(clustered ? [] : ['SOURCE']), 'DESCRIPTION', 'USED BY', 'STATE'],
      rows: value
        .map((pool) => [
          pool.name,
          pool.driver,
          ...(clustered ? [] : [pool.config?.source ?? '']),
          pool.description,
          String(pool.used_by?.length ?? 0),
          pool.status.toUpperCase(),
        ])
        .sort(compareRows),
      data: value,
      shape: { list: poolShape },
    });
  },
});

/** The users of a pool by what they are: instances, images, profiles, volumes, buckets. */
const usersByKind = (urls: readonly string[]): Record<string, string[]> => {
  const kinds: Record<string, string[]> = {};
  const add = (kind: string, name: string): void => {
    kinds[kind] = [...(kinds[kind] ?? []), name];
  };
  for (const url of urls) {
    // /1.0/<kind>/<name>, or what is in a pool: /1.0/storage-pools/<pool>/<kind>/[<type>/]<name>
    const [, , ...parts] = (url.split('?')[0] ?? '').split('/').map(decodeURIComponent);
    const [kind = '', ...names] = parts[0] === 'storage-pools' ? parts.slice(2) : parts;
    add(kind, names[kind === 'volumes' ? 1 : 0] ?? '');
  }
  return kinds;
};

export const poolInfo = command({
  use: '[<remote>:]<pool>',
  short: 'Show useful information about storage pools',
  args: [1, 1],
  flags: { bytes: bool('Show the used and free space in bytes'), target: targetFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, name } = await cli.locate(text);
    const server = flags.target === '' ? client : client.onMember(flags.target);
    const segments = ['storage-pools', required(name, 'pool name')];
    const { value: pool } = await server.get<Pool>(segments);
    const { value } = await server.get<{ space: { used: number; total: number } }>([...segments, 'resources']);
    const amount = (number: number): string => (flags.bytes ? String(number) : bytesIec(number, 2));
    const info = {
      description: pool.description,
      driver: pool.driver,
      name: pool.name,
      'space used': amount(value.space.used),
      'total space': amount(value.space.total),
    };
    const users = usersByKind(pool.used_by ?? []);
    for (const names of Object.values(users)) names.sort();
    out(printYaml({ info }, 'any'));
    out(printYaml({ 'used by': users }, 'any'));
  },
});
