import type { StorageBucket as Bucket } from '@lxd-ts/api';
import type { Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command, entry, group } from '../../command/command.ts';
import { formatFlag } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import {
  type Configurable,
  editCommand,
  getCommand,
  type ObjectKind,
  pick,
  required,
  setCommand,
  showCommand,
  unsetCommand,
} from '../common/object.ts';
import { createProperties } from '../common/values.ts';
import { isClustered } from '../server.ts';
import { memberFlags } from './place.ts';
import { bucketPut, bucketShape } from './shape.ts';

const use = '[<remote>:]<pool> <bucket>';

/** Where a bucket is: `[<remote>:]<pool>` and its name. */
export const openBucket = async (
  cli: Cli,
  [text = '', name = '']: readonly string[],
  target: string,
): Promise<{ client: Client; buckets: string[]; segments: string[] }> => {
  const { client, name: pool } = await cli.locate(text);
  const buckets = ['storage-pools', required(pool, 'pool name'), 'buckets'];
  return {
    client: target === '' ? client : client.onMember(target),
    buckets,
    segments: [...buckets, required(name, 'bucket name')],
  };
};

const kind: ObjectKind<typeof memberFlags> = {
  use,
  words: 2,
  flags: memberFlags,
  shape: bucketShape,
  putShape: bucketPut,
  open: async (cli, words, { target }) => {
    const { client, segments } = await openBucket(cli, words, target);
    return {
      read: () => client.get<Configurable>(segments),
      write: async (value, etag) => {
        await client.send('PUT', segments, pick(value, bucketPut), { etag });
      },
    };
  },
};

const create = command({
  use: `${use} [key=value...]`,
  short: 'Create new custom storage buckets',
  args: [2, Number.POSITIVE_INFINITY],
  flags: memberFlags,
  run: async (cli, { args: [text = '', name = '', ...words], flags }) => {
    const { client, buckets } = await openBucket(cli, [text, name], flags.target);
    const { value } = await client.send<Record<string, string> | null>('POST', buckets, {
      name,
      description: '',
      config: createProperties(words),
    });
    if (!cli.global.quiet) out(`Storage bucket ${name} created\n`);
    // The server makes a first key along with the bucket.
    const access = value?.['access-key'];
    const secret = value?.['secret-key'];
    if (access && secret) out(`Admin access key: ${access}\nAdmin secret key: ${secret}\n`);
  },
});

const remove = command({
  use,
  short: 'Delete storage buckets',
  args: [2, 2],
  flags: memberFlags,
  run: async (cli, { args, flags }) => {
    const { client, segments } = await openBucket(cli, args, flags.target);
    await client.send('DELETE', segments);
    if (!cli.global.quiet) out(`Storage bucket ${args[1]} deleted\n`);
  },
});

const list = command({
  use: '[<remote>:]<pool>',
  short: 'List storage buckets',
  args: [1, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, name } = await cli.locate(text);
    const [{ value }, clustered] = await Promise.all([
      client.get<Bucket[]>(['storage-pools', required(name, 'pool name'), 'buckets'], { recursion: 1 }),
      isClustered(client),
    ]);
    printListing(flags.format, {
      header: ['NAME', 'DESCRIPTION', ...(clustered ? ['LOCATION'] : [])],
      rows: value
        .map((bucket) => [bucket.name, bucket.description, ...(clustered ? [bucket.location] : [])])
        .sort(compareRows),
      data: value,
      shape: { list: bucketShape },
    });
  },
});

const edit = editCommand(
  kind,
  {
    short: 'Edit storage bucket configurations as YAML',
    examples: `lxc storage bucket edit [<remote>:]<pool> <bucket> < bucket.yaml
    Update a storage bucket using the content of bucket.yaml.`,
  },
  `### This is a YAML representation of a storage bucket.
### Any line starting with a '# will be ignored.
###
### A storage bucket consists of a set of configuration items.
###
### name: bucket1
### used_by: []
### config:
###   size: "61203283968"`,
);

const set = setCommand(kind, {
  short: 'Set storage bucket configuration keys',
  long: `For backward compatibility, a single configuration key may still be set with:
    lxc storage bucket set [<remote>:]<pool> <bucket> <key> <value>`,
});

const show = showCommand(kind, {
  short: 'Show storage bucket configurations',
  examples: `lxc storage bucket show default data
    Will show the properties of a bucket called "data" in the "default" pool.`,
});

export const bucket = group({ short: 'Manage storage buckets' }, [
  entry('create', [], async () => create),
  entry('delete', ['rm'], async () => remove),
  entry('edit', [], async () => edit),
  entry('get', [], async () => getCommand(kind, { short: 'Get values for storage bucket configuration keys' })),
  entry('key', [], () => import('./bucket-key.ts').then((m) => m.key)),
  entry('list', ['ls'], async () => list),
  entry('set', [], async () => set),
  entry('show', [], async () => show),
  entry('unset', [], async () => unsetCommand(kind, { short: 'Unset storage bucket configuration keys' })),
]);
