import type { NetworkPeer as Peer } from '@lxd-ts/api';
import { command, entry, group } from '../../command/command.ts';
import { formatFlag } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import { editCommand, getCommand, required, setCommand, showCommand, unsetCommand } from '../common/object.ts';
import { createProperties } from '../common/values.ts';
import { openPart, type PartKind, partKind } from './part.ts';
import { peerPut, peerShape } from './shape.ts';

const kind: PartKind = {
  collection: 'peers',
  word: '<peer_name>',
  what: 'peer name',
  shape: peerShape,
  putShape: peerPut,
};
const object = partKind(kind, {});
const { use } = object;

const create = command({
  use: `${use} <[target project/]target_network> [key=value...]`,
  short: 'Create new network peering',
  args: [3, Number.POSITIVE_INFINITY],
  run: async (cli, { args: [text = '', name = '', target = '', ...words] }) => {
    const { client, network } = await openPart(cli, kind, [text, name]);
    const slash = target.indexOf('/');
    await client.send('POST', network, {
      name,
      description: '',
      config: createProperties(words),
      target_project: slash < 0 ? '' : target.slice(0, slash),
      target_network: target.slice(slash + 1),
    });
    if (cli.global.quiet) return;
    const { value } = await client.get<Peer>([...network, name]);
    // The other side has to name this one too before anything can pass.
    out(
      value.status === 'Created'
        ? `Network peer ${name} created\n`
        : `Network peer ${name} pending (please complete mutual peering on peer network)\n`,
    );
  },
});

const remove = command({
  use,
  short: 'Delete network peerings',
  args: [2, 2],
  run: async (cli, { args }) => {
    const { client, segments } = await openPart(cli, kind, args);
    await client.send('DELETE', segments);
    if (!cli.global.quiet) out(`Network peer ${args[1]} deleted\n`);
  },
});

const list = command({
  use: '[<remote>:]<network>',
  short: 'List available network peers',
  args: [1, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, name } = await cli.locate(text);
    const { value } = await client.get<Peer[]>(['networks', required(name, 'network name'), 'peers'], { recursion: 1 });
    printListing(flags.format, {
      header: ['NAME', 'DESCRIPTION', 'PEER', 'STATE'],
      rows: value
        .map((peer) => [
          peer.name,
          peer.description,
          peer.target_network === '' ? 'Unknown' : `${peer.target_project}/${peer.target_network}`,
          peer.status.toUpperCase(),
        ])
        .sort(compareRows),
      data: value,
      shape: { list: peerShape },
    });
  },
});

const edit = editCommand(
  object,
  { short: 'Edit network peer configurations as YAML' },
  `### This is a YAML representation of the network peer.
### Any line starting with a '# will be ignored.
###
### An example would look like:
### description: A peering to mynet
### config: {}
### name: mypeer
### target_project: default
### target_network: mynet
### status: Pending
###
### Note that the name, target_project, target_network and status fields cannot be changed.`,
);

const set = setCommand(object, {
  short: 'Set network peer keys',
  long: `For backward compatibility, a single configuration key may still be set with:
    lxc network set [<remote>:]<network> <peer_name> <key> <value>`,
});

const show = showCommand(
  { ...object, use: '[<remote>:]<network> <peer name>' },
  { short: 'Show network peer configurations' },
);
const unset = unsetCommand(object, {
  short: 'Unset network peer configuration keys',
  title: 'Unset network peer keys',
});

export const peer = group({ short: 'Manage network peerings' }, [
  entry('create', [], async () => create),
  entry('delete', ['rm'], async () => remove),
  entry('edit', [], async () => edit),
  entry('get', [], async () => getCommand(object, { short: 'Get values for network peer configuration keys' })),
  entry('list', ['ls'], async () => list),
  entry('set', [], async () => set),
  entry('show', [], async () => show),
  entry('unset', [], async () => unset),
]);
