import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { out } from '../../output/streams.ts';
import { printYaml } from '../../yaml/print.ts';
import { editYaml } from '../common/edit.ts';
import {
  type Configurable,
  getCommand,
  type ObjectKind,
  pick,
  setCommand,
  sortedUsers,
  unsetCommand,
} from '../common/object.ts';
import { operate } from '../common/operate.ts';
import { memberFlags, volumePlace } from './place.ts';
import { volumePut, volumeShape, volumeSnapshotPut, volumeSnapshotShape } from './shape.ts';

const kind: ObjectKind<typeof memberFlags> = {
  use: '[<remote>:]<pool> <volume>',
  words: 2,
  flags: memberFlags,
  shape: volumeShape,
  putShape: volumePut,
  open: async (cli, words, { target }) => {
    const { client, segments, snapshot } = await volumePlace(cli, words, target);
    return {
      read: () => client.get<Configurable>(segments),
      check: () => {
        if (snapshot !== undefined)
          throw new UserError("Snapshots are read-only and can't have their configuration changed");
      },
      write: async (value, etag) => {
        await client.send('PUT', segments, pick(value, volumePut), { etag });
      },
    };
  },
};

const withSnapshot = { ...kind, use: '[<remote>:]<pool> <volume>[/<snapshot>]' };

export const volumeGet = getCommand(withSnapshot, { short: 'Get values for storage volume configuration keys' });
export const volumeSet = setCommand(kind, {
  short: 'Set storage volume configuration keys',
  long: `For backward compatibility, a single configuration key may still be set with:
    lxc storage volume set [<remote>:]<pool> <volume> <key> <value>`,
});
export const volumeUnset = unsetCommand(kind, { short: 'Unset storage volume configuration keys' });

export const volumeShow = command({
  use: withSnapshot.use,
  short: 'Show storage volume configurations',
  examples: `lxc storage volume show default data
    Will show the properties of a custom volume called "data" in the "default" pool.

lxc storage volume show default container/data
    Will show the properties of the filesystem for a container called "data" in the "default" pool.`,
  args: [2, 2],
  flags: memberFlags,
  run: async (cli, { args, flags }) => {
    const { client, segments, snapshot } = await volumePlace(cli, args, flags.target);
    const { value } = await client.get<object>(segments);
    out(printYaml(sortedUsers(value), snapshot === undefined ? volumeShape : volumeSnapshotShape));
  },
});

const template = `### This is a YAML representation of a storage volume.
### Any line starting with a '# will be ignored.
###
### A storage volume consists of a set of configuration items.
###
### name: vol1
### type: custom
### used_by: []
### config:
###   size: "61203283968"`;

export const volumeEdit = command({
  use: withSnapshot.use,
  short: 'Edit storage volume configurations as YAML',
  examples: `lxc storage volume edit [<remote>:]<pool> <volume> < volume.yaml
    Update a storage volume using the content of pool.yaml.`,
  args: [2, 2],
  flags: memberFlags,
  run: async (cli, { args, flags }) => {
    const { client, segments, snapshot } = await volumePlace(cli, args, flags.target);
    const putShape = snapshot === undefined ? volumePut : volumeSnapshotPut;
    await editYaml({
      template,
      shape: snapshot === undefined ? volumeShape : volumeSnapshotShape,
      putShape,
      read: () => client.get(segments),
      write: async (value, etag) => {
        // The reader gives a map for a struct.
        const body = pick(value as object, putShape);
        if (snapshot === undefined) await client.send('PUT', segments, body, { etag });
        else await operate(cli, client, 'PUT', segments, body, { etag });
      },
    });
  },
});
