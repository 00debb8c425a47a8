import type { NetworkForward as Forward, NetworkForwardPort as Port } from '@lxd-ts/api';
import { command, entry, group } from '../../command/command.ts';
import { bool, formatFlag, targetFlag } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import { editCommand, getCommand, pick, required, setCommand, showCommand, unsetCommand } from '../common/object.ts';
import { createProperties } from '../common/values.ts';
import { isClustered } from '../server.ts';
import { memberFlags, openPart, type PartKind, partKind, without } from './part.ts';
import { forwardPut, forwardShape } from './shape.ts';

const kind: PartKind = {
  collection: 'forwards',
  word: '<listen_address>',
  what: 'listen address',
  shape: forwardShape,
  putShape: forwardPut,
};
const onMember = partKind(kind, memberFlags);
const anywhere = partKind(kind, {});
const { use } = onMember;

const create = command({
  use: `${use} [key=value...]`,
  short: 'Create new network forwards',
  args: [2, Number.POSITIVE_INFINITY],
  flags: memberFlags,
  run: async (cli, { args: [text = '', address = '', ...words], flags }) => {
    const { client, network } = await openPart(cli, kind, [text, address], flags.target);
    await client.send('POST', network, {
      listen_address: address,
      description: '',
      config: createProperties(words),
      ports: [],
    });
    if (!cli.global.quiet) out(`Network forward ${address} created\n`);
  },
});

const remove = command({
  use,
  short: 'Delete network forwards',
  args: [2, 2],
  flags: memberFlags,
  run: async (cli, { args, flags }) => {
    const { client, segments } = await openPart(cli, kind, args, flags.target);
    await client.send('DELETE', segments);
    if (!cli.global.quiet) out(`Network forward ${args[1]} deleted\n`);
  },
});

const list = command({
  use: '[<remote>:]<network>',
  short: 'List available network forwards',
  args: [1, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, name } = await cli.locate(text);
    const [{ value }, clustered] = await Promise.all([
      client.get<Forward[]>(['networks', required(name, 'network name'), 'forwards'], { recursion: 1 }),
      isClustered(client),
    ]);
    printListing(flags.format, {
      header: ['LISTEN ADDRESS', 'DESCRIPTION', 'DEFAULT TARGET ADDRESS', 'PORTS', ...(clustered ? ['LOCATION'] : [])],
      rows: value
        .map((forward) => [
          forward.listen_address,
          forward.description,
          forward.config.target_address ?? '',
          String(forward.ports?.length ?? 0),
          ...(clustered ? [forward.location] : []),
        ])
        .sort(compareRows),
      data: value,
      shape: { list: forwardShape },
    });
  },
});

const portAdd = command({
  use: `${use} <protocol> <listen_port(s)> <target_address> [<target_port(s)>]`,
  short: 'Add ports to a forward',
  args: [5, 6],
  flags: memberFlags,
  run: async (cli, { args, flags }) => {
    const { client, segments } = await openPart(cli, kind, args, flags.target);
    const [, , protocol, listen_port, target_address, target_port = ''] = args;
    const { value, etag } = await client.get<Forward>(segments);
    const ports = [...(value.ports ?? []), { description: '', protocol, listen_port, target_address, target_port }];
    await client.send('PUT', segments, { ...pick(value, forwardPut), ports }, { etag });
  },
});

const portRemove = command({
  use: `${use} [<protocol>] [<listen_port(s)>]`,
  short: 'Remove ports from a forward',
  args: [2, 4],
  flags: { force: bool('Remove all ports that match'), target: targetFlag },
  run: async (cli, { args, flags }) => {
    const { client, segments } = await openPart(cli, kind, args, flags.target);
    const [, , protocol, listen] = args;
    const { value, etag } = await client.get<Forward>(segments);
    const matches = (port: Port): boolean =>
      (protocol === undefined || port.protocol === protocol) && (listen === undefined || port.listen_port === listen);
    const ports = without(value.ports ?? [], matches, flags.force, 'port');
    await client.send('PUT', segments, { ...pick(value, forwardPut), ports }, { etag });
  },
});

const port = group(
  { short: 'Manage network forward ports' },
  [entry('add', [], async () => portAdd), entry('remove', [], async () => portRemove)],
  { helpful: true },
);

const edit = editCommand(
  onMember,
  { short: 'Edit network forward configurations as YAML' },
  `### This is a YAML representation of the network forward.
### Any line starting with a '# will be ignored.
###
### A network forward consists of a default target address and optional set of port forwards for a listen address.
###
### An example would look like:
### listen_address: 192.0.2.1
### config:
###   target_address: 198.51.100.2
### description: test desc
### port:
### - description: port forward
###   protocol: tcp
###   listen_port: 80,81,8080-8090
###   target_address: 198.51.100.3
###   target_port: 80,81,8080-8090
### location: lxd01
###
### Note that the listen_address and location cannot be changed.`,
);

const set = setCommand(onMember, {
  short: 'Set network forward keys',
  long: `For backward compatibility, a single configuration key may still be set with:
    lxc network set [<remote>:]<network> <listen_address> <key> <value>`,
});

const unset = unsetCommand(anywhere, {
  short: 'Unset network forward configuration keys',
  title: 'Unset network forward keys',
});

export const forward = group({ short: 'Manage network forwards' }, [
  entry('create', [], async () => create),
  entry('delete', ['rm'], async () => remove),
  entry('edit', [], async () => edit),
  entry('get', [], async () => getCommand(anywhere, { short: 'Get values for network forward configuration keys' })),
  entry('list', ['ls'], async () => list),
  entry('port', [], async () => port),
  entry('set', [], async () => set),
  entry('show', [], async () => showCommand(onMember, { short: 'Show network forward configurations' })),
  entry('unset', [], async () => unset),
]);
