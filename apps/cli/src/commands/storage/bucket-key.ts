import type { StorageBucketKey as Key } from '@lxd-ts/api';
import type { Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command, entry, group } from '../../command/command.ts';
import { formatFlag, string } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import { printYaml } from '../../yaml/print.ts';
import { editYaml } from '../common/edit.ts';
import { pick, required } from '../common/object.ts';
import { openBucket } from './bucket.ts';
import { memberFlags } from './place.ts';
import { bucketKeyPut, bucketKeyShape } from './shape.ts';

const bucketUse = '[<remote>:]<pool> <bucket>';
const use = `${bucketUse} <key>`;

const open = async (
  cli: Cli,
  [text = '', bucket = '', name = '']: readonly string[],
  target: string,
): Promise<{ client: Client; keys: string[]; segments: string[] }> => {
  const { client, segments } = await openBucket(cli, [text, bucket], target);
  const keys = [...segments, 'keys'];
  return { client, keys, segments: [...keys, required(name, 'key name')] };
};

const create = command({
  use,
  short: 'Create key for a storage bucket',
  args: [3, 3],
  flags: {
    'access-key': string('Access key (auto-generated if empty)'),
    role: string('Role (admin or read-only)', { default: 'read-only' }),
    'secret-key': string('Secret key (auto-generated if empty)'),
    ...memberFlags,
  },
  run: async (cli, { args, flags }) => {
    const { client, keys } = await open(cli, args, flags.target);
    const { value } = await client.send<Key | null>('POST', keys, {
      name: args[2],
      description: '',
      role: flags.role,
      'access-key': flags['access-key'],
      'secret-key': flags['secret-key'],
    });
    if (!cli.global.quiet) out(`Storage bucket key ${args[2]} created\n`);
    if (value) out(`Access key: ${value['access-key']}\nSecret key: ${value['secret-key']}\n`);
  },
});

const remove = command({
  use,
  short: 'Delete key from a storage bucket',
  args: [3, 3],
  flags: memberFlags,
  run: async (cli, { args, flags }) => {
    const { client, segments } = await open(cli, args, flags.target);
    await client.send('DELETE', segments);
    if (!cli.global.quiet) out(`Storage bucket key ${args[2]} removed\n`);
  },
});

const edit = command({
  use,
  short: 'Edit storage bucket key as YAML',
  examples: `lxc storage bucket key edit [<remote>:]<pool> <bucket> <key> < key.yaml
    Update a storage bucket key using the content of key.yaml.`,
  args: [3, 3],
  flags: memberFlags,
  run: async (cli, { args, flags }) => {
    const { client, segments } = await open(cli, args, flags.target);
    await editYaml({
      template: `### This is a YAML representation of a storage bucket key.
### Any line starting with a '# will be ignored.
###
### A storage bucket key consists of a name, a role, an access key and a secret key.
###
### name: key1
### role: admin
### access-key: T10PTQZRD1NTFWMHPNCW
### secret-key: EAMcN2ubfRb9MH1DL3EXAMPLE`,
      shape: bucketKeyShape,
      putShape: bucketKeyPut,
      read: () => client.get(segments),
      write: async (value, etag) => {
        // The reader gives a map for a struct.
        await client.send('PUT', segments, pick(value as object, bucketKeyPut), { etag });
      },
    });
  },
});

const list = command({
  use: bucketUse,
  short: 'List storage bucket keys',
  args: [2, 2],
  flags: { format: formatFlag },
  run: async (cli, { args, flags }) => {
    const { client, segments } = await openBucket(cli, args, '');
    const { value } = await client.get<Key[]>([...segments, 'keys'], { recursion: 1 });
    printListing(flags.format, {
      header: ['NAME', 'DESCRIPTION', 'ROLE'],
      rows: value.map(({ name, description, role }) => [name, description, role]).sort(compareRows),
      data: value,
      shape: { list: bucketKeyShape },
    });
  },
});

const show = command({
  use,
  short: 'Show storage bucket key configurations',
  examples: `lxc storage bucket key show default data foo
    Will show the properties of a bucket key called "foo" for a bucket called "data" in the "default" pool.`,
  args: [3, 3],
  flags: memberFlags,
  run: async (cli, { args, flags }) => {
    const { client, segments } = await open(cli, args, flags.target);
    out(printYaml((await client.get(segments)).value, bucketKeyShape));
  },
});

export const key = group({ short: 'Manage storage bucket keys' }, [
  entry('create', [], async () => create),
  entry('delete', ['rm'], async () => remove),
  entry('edit', [], async () => edit),
  entry('list', ['ls'], async () => list),
  entry('show', [], async () => show),
]);
