import type { Cli } from '../../cli.ts';
import { targetFlag } from '../../command/flags.ts';
import {
  type Configurable,
  editCommand,
  getCommand,
  type ObjectKind,
  type OpenObject,
  pick,
  required,
  setCommand,
  showCommand,
  unsetCommand,
} from '../common/object.ts';
import { networkPut, networkShape } from './shape.ts';

const use = '[<remote>:]<network>';
const shapes = { shape: networkShape, putShape: networkPut, ordersUsers: true };

const open = async (cli: Cli, text: string, target: string): Promise<OpenObject> => {
  const { client, name } = await cli.locate(text);
  const server = target === '' ? client : client.onMember(target);
  const segments = ['networks', required(name, 'network name')];
  return {
    read: () => server.get<Configurable>(segments),
    write: async (value, etag) => {
      await server.send('PUT', segments, pick(value, networkPut), { etag });
    },
  };
};

const flags = { target: targetFlag };
const kind: ObjectKind<typeof flags> = {
  ...shapes,
  use,
  words: 1,
  flags,
  open: (cli, [text = ''], { target }) => open(cli, text, target),
};
const anywhere: ObjectKind<Record<string, never>> = {
  ...shapes,
  use,
  words: 1,
  flags: {},
  open: (cli, [text = '']) => open(cli, text, ''),
};

export const networkGet = getCommand(kind, { short: 'Get values for network configuration keys' });
export const networkSet = setCommand(kind, {
  short: 'Set network configuration keys',
  long: `For backward compatibility, a single configuration key may still be set with:
    lxc network set [<remote>:]<network> <key> <value>`,
});
export const networkUnset = unsetCommand(kind, { short: 'Unset network configuration keys' });
export const networkShow = showCommand(kind, { short: 'Show network configurations' });
export const networkEdit = editCommand(
  anywhere,
  { short: 'Edit network configurations as YAML' },
  `### This is a YAML representation of the network.
### Any line starting with a '# will be ignored.
###
### A network consists of a set of configuration items.
###
### An example would look like:
### name: lxdbr0
### config:
###   ipv4.address: 10.62.42.1/24
###   ipv4.nat: true
###   ipv6.address: fd00:56ad:9f7a:9800::1/64
###   ipv6.nat: true
### managed: true
### type: bridge
###
### Note that only the configuration can be changed.`,
);
