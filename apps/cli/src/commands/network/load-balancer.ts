import type { NetworkLoadBalancer as LoadBalancer, NetworkLoadBalancerPort as Port } from '@lxd-ts/api';
import { command, entry, group } from '../../command/command.ts';
import { bool, formatFlag, targetFlag } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import { editCommand, getCommand, pick, required, setCommand, showCommand, unsetCommand } from '../common/object.ts';
import { createProperties } from '../common/values.ts';
import { isClustered } from '../server.ts';
import { memberFlags, openPart, type PartKind, partKind, without } from './part.ts';
import { balancerPut, balancerShape } from './shape.ts';

const kind: PartKind = {
  collection: 'load-balancers',
  word: '<listen_address>',
  what: 'listen address',
  shape: balancerShape,
  putShape: balancerPut,
};
const onMember = partKind(kind, memberFlags);
const anywhere = partKind(kind, {});
const { use } = onMember;

const create = command({
  use: `${use} [key=value...]`,
  short: 'Create new network load balancers',
  args: [2, Number.POSITIVE_INFINITY],
  flags: memberFlags,
  run: async (cli, { args: [text = '', address = '', ...words], flags }) => {
    const { client, network } = await openPart(cli, kind, [text, address], flags.target);
    await client.send('POST', network, {
      listen_address: address,
      description: '',
      config: createProperties(words),
      backends: [],
      ports: [],
    });
    if (!cli.global.quiet) out(`Network load balancer ${address} created\n`);
  },
});

const remove = command({
  use,
  short: 'Delete network load balancers',
  args: [2, 2],
  flags: memberFlags,
  run: async (cli, { args, flags }) => {
    const { client, segments } = await openPart(cli, kind, args, flags.target);
    await client.send('DELETE', segments);
    if (!cli.global.quiet) out(`Network load balancer ${args[1]} deleted\n`);
  },
});

const list = command({
  use: '[<remote>:]<network>',
  short: 'List available network load balancers',
  args: [1, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, name } = await cli.locate(text);
    const [{ value }, clustered] = await Promise.all([
      client.get<LoadBalancer[]>(['networks', required(name, 'network name'), 'load-balancers'], { recursion: 1 }),
      isClustered(client),
    ]);
    printListing(flags.format, {
      header: ['LISTEN ADDRESS', 'DESCRIPTION', 'PORTS', ...(clustered ? ['LOCATION'] : [])],
      rows: value
        .map((balancer) => [
          balancer.listen_address,
          balancer.description,
          String(balancer.ports?.length ?? 0),
          ...(clustered ? [balancer.location] : []),
        ])
        .sort(compareRows),
      data: value,
      shape: { list: balancerShape },
    });
  },
});

const backendAdd = command({
  use: `${use} <backend_name> <target_address> [<target_port(s)>]`,
  short: 'Add backends to a load balancer',
  title: 'Add backend to a load balancer',
  args: [4, 5],
  flags: memberFlags,
  run: async (cli, { args, flags }) => {
    const { client, segments } = await openPart(cli, kind, args, flags.target);
    const [, , name, target_address, target_port = ''] = args;
    const { value, etag } = await client.get<LoadBalancer>(segments);
    const backends = [...(value.backends ?? []), { name, description: '', target_address, target_port }];
    await client.send('PUT', segments, { ...pick(value, balancerPut), backends }, { etag });
  },
});

const backendRemove = command({
  use: `${use} <backend_name>`,
  short: 'Remove backends from a load balancer',
  title: 'Remove backend from a load balancer',
  args: [3, 3],
  flags: memberFlags,
  run: async (cli, { args, flags }) => {
    const { client, segments } = await openPart(cli, kind, args, flags.target);
    const { value, etag } = await client.get<LoadBalancer>(segments);
    const backends = without(value.backends ?? [], ({ name }) => name === args[2], false, 'backend');
    await client.send('PUT', segments, { ...pick(value, balancerPut), backends }, { etag });
  },
});

const portAdd = command({
  use: `${use} <protocol> <listen_port(s)> <backend_name>[,<backend_name>...]`,
  short: 'Add ports to a load balancer',
  args: [5, 5],
  flags: memberFlags,
  run: async (cli, { args, flags }) => {
    const { client, segments } = await openPart(cli, kind, args, flags.target);
    const [, , protocol, listen_port, names = ''] = args;
    const { value, etag } = await client.get<LoadBalancer>(segments);
    const added = { description: '', protocol, listen_port, target_backend: names.split(',') };
    const ports = [...(value.ports ?? []), added];
    await client.send('PUT', segments, { ...pick(value, balancerPut), ports }, { etag });
  },
});

const portRemove = command({
  use: `${use} [<protocol>] [<listen_port(s)>]`,
  short: 'Remove ports from a load balancer',
  args: [2, 4],
  flags: { force: bool('Remove all ports that match'), target: targetFlag },
  run: async (cli, { args, flags }) => {
    const { client, segments } = await openPart(cli, kind, args, flags.target);
    const [, , protocol, listen] = args;
    const { value, etag } = await client.get<LoadBalancer>(segments);
    const matches = (port: Port): boolean =>
      (protocol === undefined || port.protocol === protocol) && (listen === undefined || port.listen_port === listen);
    const ports = without(value.ports ?? [], matches, flags.force, 'port');
    await client.send('PUT', segments, { ...pick(value, balancerPut), ports }, { etag });
  },
});

const backend = group(
  { short: 'Manage network load balancer backends' },
  [entry('add', [], async () => backendAdd), entry('remove', [], async () => backendRemove)],
  { helpful: true },
);

const port = group(
  { short: 'Manage network load balancer ports' },
  [entry('add', [], async () => portAdd), entry('remove', [], async () => portRemove)],
  { helpful: true },
);

const edit = editCommand(
  onMember,
  { short: 'Edit network load balancer configurations as YAML' },
  `### This is a YAML representation of the network load balancer.
### Any line starting with a '# will be ignored.
###
### A network load balancer consists of a set of target backends and port forwards for a listen address.
###
### An example would look like:
### listen_address: 192.0.2.1
### config: {}
### description: test desc
### backends:
### - name: backend1
###   description: First backend server
###   target_address: 192.0.3.1
###   target_port: 80
### ports:
### - description: port forward
###   protocol: tcp
###   listen_port: 80,81,8080-8090
###   target_backend:
###    - backend1
### location: lxd01
###
### Note that the listen_address and location cannot be changed.`,
);

const set = setCommand(onMember, {
  short: 'Set network load balancer keys',
  long: `For backward compatibility, a single configuration key may still be set with:
    lxc network set [<remote>:]<network> <listen_address> <key> <value>`,
});

export const loadBalancer = group({ short: 'Manage network load balancers' }, [
  entry('backend', [], async () => backend),
  entry('create', [], async () => create),
  entry('delete', ['rm'], async () => remove),
  entry('edit', [], async () => edit),
  entry('get', [], async () =>
    getCommand(anywhere, { short: 'Get values for network load balancer configuration keys' }),
  ),
  entry('list', ['ls'], async () => list),
  entry('port', [], async () => port),
  entry('set', [], async () => set),
  entry('show', [], async () => showCommand(onMember, { short: 'Show network load balancer configurations' })),
  entry('unset', [], async () => unsetCommand(anywhere, { short: 'Unset network load balancer keys' })),
]);
