import type { Instance } from '@lxd-ts/api';
import type { Client, OperationObject } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command, type Leaf } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, type FlagValues, list, string, targetFlag } from '../../command/flags.ts';
import { err, out } from '../../output/streams.ts';
import { instancePut } from '../../shapes/instance.ts';
import type { Config, Devices } from '../../shapes/types.ts';
import { pipedStdin } from '../common/input.ts';
import { operate } from '../common/operate.ts';
import { splitPair } from '../common/values.ts';
import { imageSource } from '../image/source.ts';
import { changeState } from './action.ts';

const createFlags = {
  config: list('Config key/value to apply to the new instance', { short: 'c' }),
  device: list('New key/value to apply to a specific device', { short: 'd' }),
  empty: bool('Create an empty instance'),
  ephemeral: bool('Ephemeral instance', { short: 'e' }),
  network: string('Network name', { short: 'n' }),
  'no-profiles': bool('Create the instance with no profiles applied'),
  profile: list('Profile to apply to the new instance', { short: 'p' }),
  storage: string('Storage pool name', { short: 's' }),
  target: targetFlag,
  type: string('Instance type', { short: 't' }),
  vm: bool('Create a virtual machine'),
};

type CreateFlags = FlagValues<typeof createFlags>;

/** What a file on the standard input may say of a new instance. */
interface Preset {
  architecture?: string;
  config?: Config;
  description?: string;
  devices?: Devices;
  ephemeral?: boolean;
  profiles?: string[];
  stateful?: boolean;
}

const readPreset = async (): Promise<Preset> => {
  const text = pipedStdin();
  if (text === undefined || text.trim() === '') return {};
  const { readYaml } = await import('../../yaml/read.ts');
  // The reader gives what the shape describes.
  return ((await readYaml(text, instancePut)) ?? {}) as Preset;
};

/** `key=value` options over those given before. */
export const configOptions = (options: readonly string[], config: Config = {}): Config => {
  const result = { ...config };
  for (const option of options) {
    const pair = splitPair(option);
    if (pair === undefined) throw new UserError(`Bad key=value pair: ${option}`);
    result[pair[0]] = pair[1];
  }
  return result;
};

/** `device,key=value` options over the devices given before. */
export const deviceOptions = (options: readonly string[], devices: Devices = {}): Devices => {
  const result = { ...devices };
  for (const option of options) {
    const comma = option.indexOf(',');
    const pair = comma < 0 ? undefined : splitPair(option.slice(comma + 1));
    if (pair === undefined)
      throw new UserError(`Bad device override syntax, expecting <device>,<key>=<value>: ${option}`);
    const name = option.slice(0, comma);
    result[name] = { ...result[name], [pair[0]]: pair[1] };
  }
  return result;
};

/** The NIC that joins an instance to a network: by the network if LXD manages it, else to the interface itself. */
const nic = async (client: Client, name: string): Promise<Config> => {
  const { value } = await client.get<{ managed: boolean; type: string }>(['networks', name]);
  if (value.managed) return { name: 'eth0', network: name, type: 'nic' };
  return { name: 'eth0', nictype: value.type === 'bridge' ? 'bridged' : 'macvlan', parent: name, type: 'nic' };
};

/** Waits for something to be loaded, and says what it was if that fails. */
const named = async <T>(what: string, name: string, loading: Promise<T>): Promise<T> => {
  try {
    return await loading;
  } catch (error) {
    throw new UserError(`Failed loading ${what} "${name}": ${error instanceof Error ? error.message : error}`);
  }
};

const profileDevices = async (client: Client, profiles: readonly string[]): Promise<Devices> => {
  const found = await Promise.all(
    profiles.map(async (name) => (await client.get<{ devices: Devices }>(['profiles', name])).value.devices),
  );
  return Object.assign({}, ...found);
};

/** All devices of the new instance: from the preset, the network, the pool, and overrides of what profiles bring. */
const devicesFor = async (
  client: Client,
  flags: CreateFlags,
  preset: Preset,
  profiles: readonly string[] | null,
): Promise<Devices> => {
  const devices: Devices = { ...preset.devices };
  if (flags.network !== '') {
    const device = await named('network', flags.network, nic(client, flags.network));
    devices[device.name ?? flags.network] = device;
  }
  if (flags.storage !== '') {
    await named('storage pool', flags.storage, client.get(['storage-pools', flags.storage]));
    devices.root = { ...devices.root, path: '/', pool: flags.storage, type: 'disk' };
  }
  const overrides = deviceOptions(flags.device);
  const inherited = Object.keys(overrides).some((name) => !(name in devices))
    ? await profileDevices(client, profiles ?? ['default'])
    : {};
  for (const [name, override] of Object.entries(overrides)) {
    const found = devices[name] ?? inherited[name];
    if (found === undefined) {
      throw new UserError(`Cannot override config for device "${name}": Device not found in profile devices`);
    }
    devices[name] = { ...found, ...override };
  }
  return devices;
};

const createdName = (operation: OperationObject | undefined): string => {
  const [path = ''] = operation?.resources?.instances ?? operation?.resources?.containers ?? [];
  return decodeURIComponent((path.split('?')[0] ?? '').split('/').pop() ?? '');
};

const warnWithoutNetwork = async (client: Client, name: string): Promise<void> => {
  const { value } = await client.get<Instance>(['instances', name]);
  if (Object.values(value.expanded_devices).some(({ type }) => type === 'nic')) return;
  err(`
The instance you are starting doesn't have any network attached to it.
  To create a new network, use: lxc network create
  To attach a network to an instance, use: lxc network attach

`);
};

/** The words that name the image and the instance; an empty instance has no image. */
const names = (args: readonly string[], empty: boolean): { image: string | undefined; instance: string } => {
  const [first = '', second] = args;
  if (!empty) return { image: first, instance: second ?? '' };
  if (second !== undefined) throw new UserError('--empty cannot be combined with an image name');
  return { image: undefined, instance: first };
};

/** Makes the instance. Returns where it is, as `remote:name`. */
const create = async (cli: Cli, args: readonly string[], flags: CreateFlags): Promise<string> => {
  const preset = await readPreset();
  const { image, instance } = names(args, flags.empty);
  const { remote, name, client: server } = await cli.locate(instance);
  const client = flags.target === '' ? server : server.onMember(flags.target);
  if (!cli.global.quiet) out(name === '' ? 'Creating the instance\n' : `Creating ${name}\n`);

  const profiles = flags['no-profiles'] ? [] : flags.profile.length > 0 ? flags.profile : (preset.profiles ?? null);
  const devices = await devicesFor(client, flags, preset, profiles);
  const wanted = flags.vm ? 'virtual-machine' : 'container';
  const found =
    image === undefined
      ? { source: { type: 'none' }, type: wanted }
      : await imageSource(cli, image, { remote, client, type: wanted });
  const operation = await operate(
    cli,
    client,
    'POST',
    ['instances'],
    {
      ...preset,
      name,
      description: preset.description ?? '',
      architecture: preset.architecture ?? '',
      config: configOptions(flags.config, preset.config),
      devices,
      ephemeral: flags.ephemeral || (preset.ephemeral ?? false),
      profiles,
      stateful: preset.stateful ?? false,
      instance_type: flags.type,
      ...found,
    },
    { label: 'Retrieving image: %s' },
  );
  const made = name === '' ? createdName(operation) : name;
  if (name === '' && !cli.global.quiet) out(`Instance name is: ${made}\n`);
  await warnWithoutNetwork(server, made);
  return `${remote}:${made}`;
};

const use = '[<remote>:]<image> [<remote>:][<name>]';

export const init: Leaf = command({
  use,
  short: 'Create instances from images',
  examples: `lxc init ubuntu:22.04 u1

lxc init ubuntu:22.04 u1 < config.yaml
    Create the instance with configuration from config.yaml`,
  args: [0, 2],
  flags: createFlags,
  run: async (cli, { args, flags, usage }) => {
    if (args.length === 0) return usage();
    await create(cli, args, flags);
  },
});

export const launch: Leaf = command({
  use,
  short: 'Create and start instances from images',
  examples: `lxc launch ubuntu:22.04 u1

lxc launch ubuntu:22.04 u1 < config.yaml
    Create and start a container with configuration from config.yaml

lxc launch ubuntu:22.04 v1 --vm
    Create and start a virtual machine`,
  args: [1, 2],
  flags: { console: string('Immediately attach to the console', { bare: 'console' }), ...createFlags },
  run: async (cli, { args, flags }) => {
    const made = await create(cli, args, flags);
    if (!cli.global.quiet) out(`Starting ${made.slice(made.indexOf(':') + 1)}\n`);
    await changeState(cli, made, { action: 'start', timeout: -1, force: false, stateful: false, stateless: true });
    if (flags.console !== '') {
      const { attachTo } = await import('./console.ts');
      await attachTo(cli, made, flags.console);
    }
  },
});
