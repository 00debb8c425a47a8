import type { ClusterGroup } from '@lxd-ts/api';
import type { Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command, entry, group } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { formatFlag } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import { printYaml } from '../../yaml/print.ts';
import { editYaml } from '../common/edit.ts';
import { pick, required } from '../common/object.ts';
import { memberPlace, requireCluster } from './place.ts';
import { groupPut, groupShape, memberPut } from './shape.ts';

const use = '[<remote>:]<group>';

const open = async (cli: Cli, text: string): Promise<{ client: Client; name: string; segments: string[] }> => {
  const { client, name } = await cli.locate(text);
  return { client, name, segments: ['cluster', 'groups', required(name, 'cluster group name')] };
};

const create = command({
  use,
  short: 'Create a cluster group',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await open(cli, text);
    await client.send('POST', ['cluster', 'groups'], { name, description: '', members: [] });
    if (!cli.global.quiet) out(`Cluster group ${name} created\n`);
  },
});

const remove = command({
  use,
  short: 'Delete a cluster group',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name, segments } = await open(cli, text);
    await client.send('DELETE', segments);
    if (!cli.global.quiet) out(`Cluster group ${name} deleted\n`);
  },
});

const rename = command({
  use: `${use} <new-name>`,
  short: 'Rename a cluster group',
  args: [2, 2],
  run: async (cli, { args: [text = '', renamed = ''] }) => {
    const { client, name, segments } = await open(cli, text);
    await client.send('POST', segments, { name: renamed });
    if (!cli.global.quiet) out(`Cluster group ${name} renamed to ${renamed}\n`);
  },
});

const show = command({
  use,
  short: 'Show cluster group configurations',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, segments } = await open(cli, text);
    out(printYaml((await client.get(segments)).value, groupShape));
  },
});

const list = command({
  use: '[<remote>:]',
  short: 'List all the cluster groups',
  args: [0, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client } = await cli.locate(text);
    await requireCluster(client);
    const { value } = await client.get<ClusterGroup[]>(['cluster', 'groups'], { recursion: 1 });
    printListing(flags.format, {
      header: ['NAME', 'DESCRIPTION', 'MEMBERS'],
      rows: value
        .map(({ name, description, members }) => [name, description, String(members?.length ?? 0)])
        .sort(compareRows),
      data: value,
      shape: { list: groupShape },
    });
  },
});

const edit = command({
  use,
  short: 'Edit a cluster group',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, segments } = await open(cli, text);
    await editYaml({
      template: `### This is a YAML representation of the cluster group.
### Any line starting with a '# will be ignored.`,
      shape: groupShape,
      putShape: groupPut,
      read: () => client.get(segments),
      write: async (value, etag) => {
        // The reader gives a map for a struct.
        await client.send('PUT', segments, pick(value as object, groupPut), { etag });
      },
    });
  },
});

const writeGroups = async (client: Client, segments: string[], value: object, groups: string[], etag: string) => {
  await client.send('PUT', segments, { ...pick(value, memberPut), groups }, { etag });
};

const assign = command({
  use: '[<remote>:]<member> <group>',
  short: 'Assign sets of groups to cluster members',
  examples: `lxc cluster group assign foo default,bar
    Set the groups for "foo" to "default" and "bar".

lxc cluster group assign foo default
    Reset "foo" to only using the "default" cluster group.`,
  args: [2, 2],
  run: async (cli, { args: [text = '', groups = ''] }) => {
    const { client, segments, name } = await memberPlace(cli, text);
    const { value, etag } = await client.get<{ groups: string[] }>(segments);
    await writeGroups(client, segments, value, groups === '' ? [] : groups.split(','), etag);
    if (!cli.global.quiet) out(`Cluster member ${name} added to cluster groups ${groups || '(none)'}\n`);
  },
});

const leave = command({
  use: '[<remote>:]<member> <group>',
  short: 'Remove member from group',
  title: 'Remove a cluster member from a cluster group',
  args: [2, 2],
  run: async (cli, { args: [text = '', left = ''] }) => {
    const { client, segments, name } = await memberPlace(cli, text);
    const { value, etag } = await client.get<{ groups: string[] }>(segments);
    if (!value.groups.includes(left)) {
      throw new UserError(`Cluster group ${left} isn't currently applied to ${name}`);
    }
    await writeGroups(
      client,
      segments,
      value,
      value.groups.filter((found) => found !== left),
      etag,
    );
    if (!cli.global.quiet) out(`Cluster member ${name} removed from group ${left}\n`);
  },
});

export const clusterGroup = group(
  { short: 'Manage cluster groups' },
  [
    entry('assign', ['apply'], async () => assign),
    entry('create', [], async () => create),
    entry('delete', ['rm'], async () => remove),
    entry('edit', [], async () => edit),
    entry('list', ['ls'], async () => list),
    entry('remove', [], async () => leave),
    entry('rename', ['mv'], async () => rename),
    entry('show', [], async () => show),
  ],
  { helpful: true },
);
