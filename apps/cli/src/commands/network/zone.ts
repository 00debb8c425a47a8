import type { NetworkZone as Zone } from '@lxd-ts/api';
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
import { zonePut, zoneShape } from './shape.ts';

const use = '[<remote>:]<Zone>';

const kind: ObjectKind<Record<string, never>> = {
  use,
  words: 1,
  flags: {},
  ordersUsers: true,
  shape: zoneShape,
  putShape: zonePut,
  open: async (cli, [text = '']) => {
    const { client, name } = await cli.locate(text);
    const segments = ['network-zones', required(name, 'network zone name')];
    return {
      read: () => client.get<Configurable>(segments),
      write: async (value, etag) => {
        await client.send('PUT', segments, pick(value, zonePut), { etag });
      },
    };
  },
};

const create = command({
  use: `${use} [key=value...]`,
  short: 'Create new network zones',
  args: [1, Number.POSITIVE_INFINITY],
  run: async (cli, { args: [text = '', ...words] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('POST', ['network-zones'], {
      name: required(name, 'network zone name'),
      description: '',
      config: createProperties(words),
    });
    if (!cli.global.quiet) out(`Network Zone ${name} created\n`);
  },
});

const remove = command({
  use,
  short: 'Delete network zones',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('DELETE', ['network-zones', required(name, 'network zone name')]);
    if (!cli.global.quiet) out(`Network Zone ${name} deleted\n`);
  },
});

const list = command({
  use: '[<remote>:]',
  short: 'List available network zoneS',
  title: 'List available network zone',
  args: [0, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client } = await cli.locate(text);
    const { value } = await client.get<Zone[]>(['network-zones'], { recursion: 1 });
    printListing(flags.format, {
      header: ['NAME', 'DESCRIPTION', 'USED BY'],
      rows: value
        .map(({ name, description, used_by }) => [name, description, String(used_by?.length ?? 0)])
        .sort(compareRows),
      data: value,
      shape: { list: zoneShape },
    });
  },
});

const edit = editCommand(
  kind,
  { short: 'Edit network zone configurations as YAML' },
  `### This is a YAML representation of the network zone.
### Any line starting with a '# will be ignored.
###
### A network zone consists of a set of rules and configuration items.
###
### An example would look like:
### name: example.net
### description: Internal domain
### config:
###  user.foo: bah
`,
);

const set = setCommand(kind, {
  short: 'Set network zone configuration keys',
  long: `For backward compatibility, a single configuration key may still be set with:
    lxc network set [<remote>:]<Zone> <key> <value>`,
});

export const zone = group({ short: 'Manage network zones' }, [
  entry('create', [], async () => create),
  entry('delete', ['rm'], async () => remove),
  entry('edit', [], async () => edit),
  entry('get', [], async () => getCommand(kind, { short: 'Get values for network zone configuration keys' })),
  entry('list', ['ls'], async () => list),
  entry('record', [], () => import('./zone-record.ts').then((m) => m.record)),
  entry('set', [], async () => set),
  entry('show', [], async () => showCommand(kind, { short: 'Show network zone configurations' })),
  entry('unset', [], async () => unsetCommand(kind, { short: 'Unset network zone configuration keys' })),
]);
