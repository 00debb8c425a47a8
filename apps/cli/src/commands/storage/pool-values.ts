import type { Cli } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { bool, targetFlag } from '../../command/flags.ts';
import { out } from '../../output/streams.ts';
import { printYaml } from '../../yaml/print.ts';
import {
  type Configurable,
  editCommand,
  getCommand,
  type ObjectKind,
  type OpenObject,
  pick,
  required,
  setCommand,
  sortedUsers,
  unsetCommand,
} from '../common/object.ts';
import { poolPut, poolResources, poolShape } from './shape.ts';

const use = '[<remote>:]<pool>';
const flags = { target: targetFlag };
const shapes = { shape: poolShape, putShape: poolPut };

const open = async (cli: Cli, text: string, target: string): Promise<OpenObject> => {
  const { client, name } = await cli.locate(text);
  const server = target === '' ? client : client.onMember(target);
  const segments = ['storage-pools', required(name, 'pool name')];
  return {
    read: () => server.get<Configurable>(segments),
    write: async (value, etag) => {
      await server.send('PUT', segments, pick(value, poolPut), { etag });
    },
  };
};

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

export const poolGet = getCommand(kind, { short: 'Get values for storage pool configuration keys' });
export const poolSet = setCommand(
  kind,
  {
    short: 'Set storage pool configuration keys',
    long: `For backward compatibility, a single configuration key may still be set with:
    lxc storage set [<remote>:]<pool> <key> <value>`,
  },
  '<key> <value>',
);
export const poolUnset = unsetCommand(kind, { short: 'Unset storage pool configuration keys' });
export const poolEdit = editCommand(
  anywhere,
  {
    short: 'Edit storage pool configurations as YAML',
    examples: `lxc storage edit [<remote>:]<pool> < pool.yaml
    Update a storage pool using the content of pool.yaml.`,
  },
  `### This is a YAML representation of a storage pool.
### Any line starting with a '#' will be ignored.
###
### A storage pool consists of a set of configuration items.
###
### An example would look like:
### name: default
### driver: zfs
### used_by: []
### config:
###   size: "61203283968"
###   source: /home/chb/mnt/lxd_test/default.img
###   zfs.pool_name: default`,
);

export const poolShow = command({
  use,
  short: 'Show storage pool configurations and resources',
  args: [1, 1],
  flags: { resources: bool('Show the resources available to the storage pool'), ...flags },
  run: async (cli, { args: [text = ''], flags: { resources, target } }) => {
    const { client, name } = await cli.locate(text);
    const server = target === '' ? client : client.onMember(target);
    const segments = ['storage-pools', required(name, 'pool name')];
    if (resources) {
      out(printYaml((await server.get([...segments, 'resources'])).value, poolResources));
      return;
    }
    out(printYaml(sortedUsers((await server.get<object>(segments)).value), poolShape));
  },
});
