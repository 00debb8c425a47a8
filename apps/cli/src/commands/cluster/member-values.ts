import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { out } from '../../output/streams.ts';
import { printYaml } from '../../yaml/print.ts';
import {
  type Configurable,
  editCommand,
  type ObjectKind,
  pick,
  setCommand,
  showCommand,
  unsetCommand,
} from '../common/object.ts';
import { memberPlace } from './place.ts';
import { memberPut, memberShape, memberState } from './shape.ts';

const use = '[<remote>:]<member>';

const kind: ObjectKind<Record<string, never>> = {
  use,
  words: 1,
  flags: {},
  shape: memberShape,
  putShape: memberPut,
  open: async (cli, [text = '']) => {
    const { client, segments } = await memberPlace(cli, text);
    return {
      read: () => client.get<Configurable>(segments),
      write: async (value, etag) => {
        await client.send('PUT', segments, pick(value, memberPut), { etag });
      },
    };
  },
};

export const memberGet = command({
  use: `${use} <key>`,
  short: 'Get values for cluster member configuration keys',
  args: [2, 2],
  run: async (cli, { args: [text = '', key = ''] }) => {
    const { client, segments, name } = await memberPlace(cli, text);
    const found = (await client.get<Configurable>(segments)).value.config[key];
    if (found === undefined) throw new UserError(`The key "${key}" does not exist on cluster member "${name}"`);
    out(`${found}\n`);
  },
});

export const memberSet = setCommand(kind, { short: "Set a cluster member's configuration keys" });
export const memberUnset = unsetCommand(kind, { short: "Unset a cluster member's configuration keys" });
export const memberShow = showCommand(kind, { short: 'Show details of a cluster member' });
export const memberEdit = editCommand(
  { ...kind, use: '[<remote>:]<cluster member>', shape: memberPut },
  {
    short: 'Edit cluster member configurations as YAML',
    examples: `lxc cluster edit <cluster member> < member.yaml
    Update a cluster member using the content of member.yaml`,
  },
  `### This is a yaml representation of the cluster member.
### Any line starting with a '# will be ignored.`,
);

export const memberInfo = command({
  use,
  short: 'Show useful information about a cluster member',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, segments } = await memberPlace(cli, text);
    out(printYaml((await client.get([...segments, 'state'])).value, memberState));
  },
});
