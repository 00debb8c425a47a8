import type { NetworkZoneRecord as ZoneRecord } from '@lxd-ts/api';
import type { Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command, entry, group } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { formatFlag, uint64 } from '../../command/flags.ts';
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
import { recordPut, recordShape } from './shape.ts';

const use = '[<remote>:]<zone> <record>';

const open = async (
  cli: Cli,
  [text = '', name = '']: readonly string[],
): Promise<{ client: Client; records: string[]; segments: string[] }> => {
  const { client, name: zone } = await cli.locate(text);
  const records = ['network-zones', required(zone, 'network zone name'), 'records'];
  return { client, records, segments: [...records, required(name, 'network zone record name')] };
};

const kind: ObjectKind<Record<string, never>> = {
  use,
  words: 2,
  flags: {},
  shape: recordShape,
  putShape: recordPut,
  open: async (cli, words) => {
    const { client, segments } = await open(cli, words);
    return {
      read: () => client.get<Configurable>(segments),
      write: async (value, etag) => {
        await client.send('PUT', segments, pick(value, recordPut), { etag });
      },
    };
  },
};

const create = command({
  use: `${use} [key=value...]`,
  short: 'Create new network zone record',
  args: [2, Number.POSITIVE_INFINITY],
  run: async (cli, { args: [text = '', name = '', ...words] }) => {
    const { client, records } = await open(cli, [text, name]);
    await client.send('POST', records, { name, description: '', config: createProperties(words), entries: [] });
    if (!cli.global.quiet) out(`Network zone record ${name} created\n`);
  },
});

const remove = command({
  use,
  short: 'Delete network zone record',
  args: [2, 2],
  run: async (cli, { args }) => {
    const { client, segments } = await open(cli, args);
    await client.send('DELETE', segments);
    if (!cli.global.quiet) out(`Network zone record ${args[1]} deleted\n`);
  },
});

const list = command({
  use: '[<remote>:]<zone>',
  short: 'List available network zone records',
  args: [1, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, name } = await cli.locate(text);
    const { value } = await client.get<ZoneRecord[]>(
      ['network-zones', required(name, 'network zone name'), 'records'],
      {
        recursion: 1,
      },
    );
    printListing(flags.format, {
      header: ['NAME', 'DESCRIPTION', 'ENTRIES'],
      rows: value
        .map((record) => [
          record.name,
          record.description,
          (record.entries ?? []).map(({ type, value: text }) => `${type} ${text}`).join('\n'),
        ])
        .sort(compareRows),
      data: value,
      shape: { list: recordShape },
    });
  },
});

const entryUse = `${use} <type> <value>`;

const entryAdd = command({
  use: entryUse,
  short: 'Add a network zone record entry',
  title: 'Add entries to a network zone record',
  args: [4, 4],
  flags: { ttl: uint64('Entry TTL') },
  run: async (cli, { args, flags }) => {
    const { client, segments } = await open(cli, args);
    const [, , type = '', value = ''] = args;
    const { value: record, etag } = await client.get<ZoneRecord>(segments);
    const added = { type, value, ...(flags.ttl === 0 ? {} : { ttl: flags.ttl }) };
    const entries = [...(record.entries ?? []), added];
    await client.send('PUT', segments, { ...pick(record, recordPut), entries }, { etag });
  },
});

const entryRemove = command({
  use: entryUse,
  short: 'Remove a network zone record entry',
  title: 'Remove entries from a network zone record',
  args: [4, 4],
  run: async (cli, { args }) => {
    const { client, segments } = await open(cli, args);
    const [, , type, value] = args;
    const { value: record, etag } = await client.get<ZoneRecord>(segments);
    const entries = record.entries ?? [];
    const kept = entries.filter((found) => found.type !== type || found.value !== value);
    if (kept.length === entries.length) throw new UserError("Couldn't find a matching entry");
    await client.send('PUT', segments, { ...pick(record, recordPut), entries: kept }, { etag });
  },
});

const entries = group(
  { short: 'Manage network zone record entries' },
  [entry('add', [], async () => entryAdd), entry('remove', [], async () => entryRemove)],
  { helpful: true },
);

const edit = editCommand(
  kind,
  { short: 'Edit network zone record configurations as YAML' },
  `### This is a YAML representation of the network zone record.
### Any line starting with a '# will be ignored.
###
### A network zone consists of a set of rules and configuration items.
###
### An example would look like:
### name: foo
### description: SPF record
### config:
###  user.foo: bah
`,
);

const get = getCommand(kind, { short: 'Get values for network zone record configuration keys' });
const show = showCommand(kind, {
  short: 'Show network zone record configuration',
  title: 'Show network zone record configurations',
});

export const record = group({ short: 'Manage network zone records' }, [
  entry('create', [], async () => create),
  entry('delete', ['rm'], async () => remove),
  entry('edit', [], async () => edit),
  entry('entry', [], async () => entries),
  entry('get', [], async () => get),
  entry('list', ['ls'], async () => list),
  entry('set', [], async () => setCommand(kind, { short: 'Set network zone record configuration keys' })),
  entry('show', [], async () => show),
  entry('unset', [], async () => unsetCommand(kind, { short: 'Unset network zone record configuration keys' })),
]);
