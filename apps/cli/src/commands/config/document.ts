import type { InstanceSnapshot } from '@lxd-ts/api';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, targetFlag } from '../../command/flags.ts';
import { out } from '../../output/streams.ts';
import { instance, instancePut, instanceSnapshot, snapshotPut } from '../../shapes/instance.ts';
import { printYaml } from '../../yaml/print.ts';
import type { Struct } from '../../yaml/shape.ts';
import { editYaml } from '../common/edit.ts';
import { pick } from '../common/object.ts';
import { operate } from '../common/operate.ts';
import { configTarget, readInstance, writeInstance } from './target.ts';
import { readServer } from './values.ts';

const serverPut: Struct = { fields: { config: { map: 'any' } } };

/** Read back as texts, as the server wants them. */
const serverEdit: Struct = { fields: { config: { map: 'string' } } };

const template = `### This is a YAML representation of the configuration.
### Any line starting with a '# will be ignored.
###
### A sample configuration looks like:
### name: instance1
### profiles:
### - default
### config:
###   volatile.eth0.hwaddr: 00:16:3e:e9:f8:7f
### devices:
###   homedir:
###     path: /extra
###     source: /home/user
###     type: disk
### ephemeral: false
###
### Note that the name is shown but cannot be changed`;

const serverTemplate = `### This is a YAML representation of the configuration.
### Any line starting with a '# will be ignored.
###
### A sample configuration looks like:
### config:
###   core.https_address: '[::]:8443'`;

/** With what comes from profiles in place of the own settings alone. */
const expanded = <T extends { expanded_config: unknown; expanded_devices: unknown }>(value: T) => ({
  ...value,
  config: value.expanded_config,
  devices: value.expanded_devices,
});

export const configShow = command({
  use: '[<remote>:][<instance>[/<snapshot>]]',
  short: 'Show instance or server configurations',
  args: [0, 1],
  flags: { expanded: bool('Show the expanded configuration', { short: 'e' }), target: targetFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const target = await configTarget(cli, text, flags.target);
    if (target.kind === 'server') {
      if (flags.expanded) throw new UserError('--expanded cannot be used with a server');
      out(printYaml((await readServer(target)).value, serverPut));
      return;
    }
    if (target.kind === 'snapshot') {
      const { value } = await target.client.get<InstanceSnapshot>([
        'instances',
        target.name,
        'snapshots',
        target.snapshot,
      ]);
      out(printYaml(flags.expanded ? expanded(value) : value, instanceSnapshot));
      return;
    }
    const { value } = await readInstance(target.client, target.name);
    out(printYaml(flags.expanded ? expanded(value) : value, instancePut));
  },
});

export const configEdit = command({
  use: '[<remote>:][<instance>[/<snapshot>]]',
  short: 'Edit instance or server configurations as YAML',
  examples: `lxc config edit <instance> < instance.yaml
    Update the instance configuration from config.yaml.`,
  args: [0, 1],
  flags: { target: targetFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const target = await configTarget(cli, text, flags.target);
    if (target.kind === 'server') {
      return editYaml({
        template: serverTemplate,
        shape: serverPut,
        putShape: serverEdit,
        read: () => readServer(target),
        write: async (value, etag) => {
          // The reader gives a map for a struct.
          await target.client.send('PUT', [], { config: {}, ...(value as object) }, { etag });
        },
      });
    }
    if (target.kind === 'snapshot') {
      const segments = ['instances', target.name, 'snapshots', target.snapshot];
      return editYaml({
        template,
        shape: instanceSnapshot,
        putShape: snapshotPut,
        read: () => target.client.get(segments),
        write: async (value, etag) => {
          await operate(cli, target.client, 'PUT', segments, pick(value as object, snapshotPut), { etag });
        },
      });
    }
    await editYaml({
      template,
      shape: instance,
      putShape: instancePut,
      read: async () => {
        const { value, etag } = await readInstance(target.client, target.name);
        return { value: { ...value, expanded_config: {}, expanded_devices: {} }, etag };
      },
      write: (value, etag) => writeInstance(cli, target.client, target.name, value as object, etag),
    });
  },
});
