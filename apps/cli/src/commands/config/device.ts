import type { Instance } from '@lxd-ts/api';
import type { Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command, entry, type Group, group, type Leaf } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { out } from '../../output/streams.ts';
import type { Config, Devices } from '../../shapes/types.ts';
import { printYaml } from '../../yaml/print.ts';
import { devices as devicesShape } from '../../yaml/shape.ts';
import { type Owner as Collection, changeable } from '../common/attach.ts';
import { required } from '../common/object.ts';
import { operate } from '../common/operate.ts';
import { deviceProperties, settings } from '../common/values.ts';

/** Something with devices: an instance or a profile. */
interface Owner {
  devices: Devices;
  expanded_devices?: Devices;
}

/** The kind of owner a family of device commands works on; they differ only in where it is and what it is called. */
interface OwnerKind {
  collection: Collection;
  /** As in `<instance>`. */
  noun: 'instance' | 'profile';
  /** The word before `device` on the command line. */
  family: 'config' | 'profile';
}

interface OpenOwner {
  name: string;
  value: Owner;
  write(devices: Devices): Promise<void>;
  client: Client;
}

const open = async (cli: Cli, kind: OwnerKind, text: string): Promise<OpenOwner> => {
  const { client, name } = await cli.locate(text);
  const segments = [kind.collection, required(name, 'name')];
  const { value, etag } = await client.get<Owner>(segments);
  return {
    client,
    name,
    value,
    write: async (devices) => {
      await operate(cli, client, 'PUT', segments, { ...changeable(kind.collection, value), devices }, { etag });
    },
  };
};

/** An own device; one from a profile has to be overridden first. */
const own = ({ value }: OpenOwner, device: string, done: string): Config => {
  const found = value.devices[device];
  if (found) return found;
  if (value.expanded_devices?.[device]) throw new UserError(`Device from profile(s) cannot be ${done}`);
  throw new UserError("Device doesn't exist");
};

const retrieved = 'retrieved for individual instance';
const modified = 'modified for individual instance. Override device or modify profile instead';
const removed = 'removed from individual instance. Override device or modify profile instead';

const change = async (owner: OpenOwner, device: string, changes: Config): Promise<void> => {
  const entries = Object.entries({ ...own(owner, device, modified), ...changes });
  const kept = Object.fromEntries(entries.filter(([, value]) => value !== ''));
  await owner.write({ ...owner.value.devices, [device]: kept });
};

const addExamples = ({ family, noun }: OwnerKind): string => {
  const prefix = `lxc ${family} device add [<remote>:]${noun}1 <device-name> disk`;
  return `${prefix} source=/share/c1 path=/opt
    Will mount the host's /share/c1 onto /opt in the instance.

${prefix} pool=some-pool source=some-volume path=/opt
    Will mount the some-volume volume on some-pool onto /opt in the instance.`;
};

const commands = (kind: OwnerKind): Record<string, Leaf> => {
  const at = `[<remote>:]<${kind.noun}>`;
  return {
    add: command({
      use: `${at} <device> <type> [key=value...]`,
      short: 'Add instance devices',
      examples: addExamples(kind),
      args: [3, Number.POSITIVE_INFINITY],
      run: async (cli, { args: [text = '', device = '', type = '', ...words] }) => {
        const owner = await open(cli, kind, text);
        if (owner.value.devices[device]) throw new UserError('The device already exists');
        const added = { ...deviceProperties(words), type };
        await owner.write({ ...owner.value.devices, [device]: added });
        if (!cli.global.quiet) out(`Device ${device} added to ${owner.name}\n`);
      },
    }),
    get: command({
      use: `${at} <device> <key>`,
      short: 'Get values for device configuration keys',
      args: [3, 3],
      run: async (cli, { args: [text = '', device = '', key = ''] }) => {
        out(`${own(await open(cli, kind, text), device, retrieved)[key] ?? ''}\n`);
      },
    }),
    list: command({
      use: at,
      short: 'List instance devices',
      args: [1, 1],
      run: async (cli, { args: [text = ''] }) => {
        const { value } = await open(cli, kind, text);
        out(`${Object.keys(value.devices).sort().join('\n')}\n`);
      },
    }),
    remove: command({
      use: `${at} <name>...`,
      short: 'Remove instance devices',
      args: [2, Number.POSITIVE_INFINITY],
      run: async (cli, { args: [text = '', ...names] }) => {
        const owner = await open(cli, kind, text);
        const devices = { ...owner.value.devices };
        for (const name of names) {
          own(owner, name, removed);
          delete devices[name];
        }
        await owner.write(devices);
        if (!cli.global.quiet) out(`Device ${names.join(', ')} removed from ${owner.name}\n`);
      },
    }),
    set: command({
      use: `${at} <device> <key>=<value>...`,
      short: 'Set device configuration keys',
      long: `For backward compatibility, a single configuration key may still be set with:
    lxc ${kind.family} device set ${at} <device> <key> <value>`,
      args: [3, Number.POSITIVE_INFINITY],
      run: async (cli, { args: [text = '', device = '', ...words] }) => {
        const changes = settings(words);
        await change(await open(cli, kind, text), device, changes);
      },
    }),
    show: command({
      use: at,
      short: 'Show full device configuration',
      args: [1, 1],
      run: async (cli, { args: [text = ''] }) => {
        out(printYaml((await open(cli, kind, text)).value.devices, devicesShape));
      },
    }),
    unset: command({
      use: `${at} <device> <key>`,
      short: 'Unset device configuration keys',
      args: [3, 3],
      run: async (cli, { args: [text = '', device = '', key = ''] }) => {
        await change(await open(cli, kind, text), device, { [key]: '' });
      },
    }),
  };
};

const override = command({
  use: '[<remote>:]<instance> <device> [key=value...]',
  short: 'Copy profile inherited devices and override configuration keys',
  args: [2, Number.POSITIVE_INFINITY],
  run: async (cli, { args: [text = '', device = '', ...words] }) => {
    const { client, name } = await cli.locate(text);
    const { value, etag } = await client.get<Instance>(['instances', required(name, 'instance name')]);
    if (value.devices[device]) throw new UserError('The device already exists');
    const inherited = value.expanded_devices[device];
    if (inherited === undefined) throw new UserError("The profile device doesn't exist");
    const devices = { ...value.devices, [device]: { ...inherited, ...deviceProperties(words) } };
    await operate(cli, client, 'PUT', ['instances', name], { ...changeable('instances', value), devices }, { etag });
    if (!cli.global.quiet) out(`Device ${device} overridden for ${name}\n`);
  },
});

const family = (kind: OwnerKind, more: Record<string, Leaf>): Group => {
  const aliases: Record<string, string[]> = { list: ['ls'], remove: ['rm'] };
  return group(
    { short: 'Manage devices' },
    Object.entries({ ...commands(kind), ...more }).map(([name, leaf]) =>
      entry(name, aliases[name] ?? [], async () => leaf),
    ),
  );
};

/** `lxc config device`. */
export const instanceDevices = family({ collection: 'instances', noun: 'instance', family: 'config' }, { override });

/** `lxc profile device`. */
export const profileDevices = family({ collection: 'profiles', noun: 'profile', family: 'profile' }, {});
