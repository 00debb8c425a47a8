import type { Instance } from '@lxd-ts/api';
import { type Client, type TransferMode, transfer } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, list, string, targetFlag } from '../../command/flags.ts';
import type { Config, Devices } from '../../shapes/types.ts';
import { attended, operate } from '../common/operate.ts';
import { readInstance, writeInstance } from '../config/target.ts';
import { onMember } from '../server.ts';
import { configOptions, deviceOptions } from './create.ts';
import { instancePath } from './delete.ts';

export const transferModes = `Transfer modes (--mode):
 - pull: Target server pulls the data from the source server (source must listen on network)
 - push: Source server pushes the data to the target server (target must listen on network)
 - relay: The CLI connects to both source and server and proxies the data (both source and target must listen on network)

The pull transfer mode is the default as it is compatible with all LXD versions.`;

/** What shall be different about the copy. */
export interface CopyOptions {
  config: readonly string[];
  device: readonly string[];
  /** `undefined` keeps those of the source. */
  profiles: string[] | undefined;
  ephemeral: boolean | undefined;
  instanceOnly: boolean;
  stateless: boolean;
  storage: string;
  target: string;
  targetProject: string;
  mode: TransferMode;
  refresh: boolean;
  allowInconsistent: boolean;
  /** A move keeps what the server noted about the instance; a copy begins anew. */
  keepVolatile: boolean;
}

/** The mode by its name. Throws UserError for an unknown one. */
export const transferMode = (mode: string): TransferMode => {
  if (mode !== 'pull' && mode !== 'push' && mode !== 'relay')
    throw new UserError(`Unsupported transfer mode "${mode}", use one of pull, push, relay`);
  return mode;
};

interface Source extends Instance {
  expanded_devices: Devices;
}

/** Reads what is copied: an instance, or one of its snapshots, which are described alike. */
const readSource = async (client: Client, name: string): Promise<Source> => {
  const [instance = '', snapshot] = name.split('/', 2);
  const segments = snapshot === undefined ? ['instances', instance] : ['instances', instance, 'snapshots', snapshot];
  const { value } = await client.get<Source>(segments);
  if (snapshot === undefined) return value;
  // A snapshot does not say what kind of instance it is of.
  const { type } = (await client.get<Instance>(['instances', instance])).value;
  return { ...value, type, description: value.description ?? '' };
};

/** Whether an instance runs is its own business, also where its files are refreshed from another one. */
const withoutPower = ({ 'volatile.last_state.power': _power, ...config }: Config): Config => config;

const withoutVolatile = (config: Config): Config =>
  Object.fromEntries(
    Object.entries(config).filter(([key]) => !key.startsWith('volatile.') || key === 'volatile.base_image'),
  );

/**
 * What of a source's configuration the server it goes to can know. A server refuses keys that it does not know, and those below came
 * with an extension of the API.
 */
const knownTo = async (client: Client, config: Config): Promise<Config> => {
  const { 'volatile.uuid.generation': generation, ...rest } = config;
  if (generation === undefined) return config;
  const { api_extensions: extensions } = (await client.get<{ api_extensions: string[] }>([])).value;
  return extensions.includes('instance_generation_id') ? config : rest;
};

const devicesOf = (source: Source, options: CopyOptions): Devices => {
  const devices = { ...source.devices };
  for (const [name, override] of Object.entries(deviceOptions(options.device))) {
    devices[name] = { ...(devices[name] ?? source.expanded_devices[name]), ...override };
  }
  if (options.storage === '') return devices;
  const [name, root] = Object.entries({ ...source.expanded_devices, ...devices }).find(
    ([, { type, path }]) => type === 'disk' && path === '/',
  ) ?? ['root', { type: 'disk', path: '/' }];
  return { ...devices, [name]: { ...root, pool: options.storage } };
};

/** Copies an instance or snapshot `from` (`remote:instance[/snapshot]`) to `to` (`remote:[instance]`). */
export const copyInstance = async (cli: Cli, from: string, to: string, options: CopyOptions): Promise<void> => {
  const source = await cli.locate(from);
  const destination = await cli.locate(to);
  if (source.name === '') throw new UserError('You must specify a source instance name');
  if (destination.name.includes('/')) throw new UserError('The character "/" is reserved for snapshots');
  const { instanceOnly, allowInconsistent, refresh, stateless } = options;
  const [instance = '', snapshot] = source.name.split('/', 2);
  const found = await readSource(source.client, source.name);
  const name = destination.name || instance;
  let client = destination.client;
  if (options.targetProject !== '') client = client.inProject(options.targetProject);
  client = await onMember(client, options.target);
  const sameProject = (client.project || 'default') === (source.client.project || 'default');

  const running = found.status_code !== 0 && found.status_code !== 102;
  const live = !stateless && !refresh && snapshot === undefined && running;
  const body = {
    name,
    architecture: found.architecture,
    config: configOptions(
      options.config,
      await knownTo(
        client,
        options.keepVolatile ? found.config : refresh ? withoutPower(found.config) : withoutVolatile(found.config),
      ),
    ),
    description: found.description,
    devices: devicesOf(found, options),
    ephemeral: options.ephemeral ?? found.ephemeral,
    profiles: options.profiles ?? found.profiles,
    stateful: stateless ? false : found.stateful,
    type: found.type,
  };
  const common = {
    'base-image': found.config['volatile.base_image'] ?? '',
    instance_only: instanceOnly,
    container_only: instanceOnly,
    allow_inconsistent: allowInconsistent,
    refresh,
    live,
  };

  if (source.remote === destination.remote) {
    const project = sameProject ? {} : { project: source.client.project || 'default' };
    const copied = { ...common, type: 'copy', source: source.name, ...project };
    await operate(
      cli,
      client,
      'POST',
      ['instances'],
      { ...body, source: copied },
      { label: 'Transferring instance: %s' },
    );
  } else {
    const wanted = {
      mode: options.mode,
      source: {
        client: source.client,
        segments: instancePath(source.name),
        body: {
          name: snapshot ?? instance,
          live,
          instance_only: instanceOnly,
          container_only: instanceOnly,
          allow_inconsistent: allowInconsistent,
        },
      },
      target: { client, segments: ['instances'], body, from: common },
    };
    try {
      await attended(cli, 'Transferring instance: %s', (watch) => transfer({ ...wanted, ...watch }));
    } catch (error) {
      const failed = options.mode === 'push' ? 'migration' : 'creation';
      throw error instanceof Error ? new UserError(`Failed instance ${failed}: ${error.message}`) : error;
    }
  }

  if (refresh) {
    // Refreshing brings the files over; the settings follow.
    const { etag } = await readInstance(client, name);
    await writeInstance(cli, client, name, body, etag);
  }
};

const use = '[<remote>:]<source>[/<snapshot>] [[<remote>:]<destination>]';

export const copy = command({
  use,
  short: 'Copy instances within or in between LXD servers',
  long: transferModes,
  args: [1, 2],
  flags: {
    'allow-inconsistent': bool('Ignore copy errors for volatile files'),
    config: list('Config key/value to apply to the new instance', { short: 'c' }),
    device: list('New key/value to apply to a specific device', { short: 'd' }),
    ephemeral: bool('Ephemeral instance', { short: 'e' }),
    'instance-only': bool('Copy the instance without its snapshots'),
    mode: string('Transfer mode. One of pull, push or relay', { default: 'pull' }),
    'no-profiles': bool('Create the instance with no profiles applied'),
    profile: list('Profile to apply to the new instance', { short: 'p' }),
    refresh: bool('Perform an incremental copy'),
    stateless: bool('Copy a stateful instance stateless'),
    storage: string('Storage pool name', { short: 's' }),
    target: targetFlag,
    'target-project': string('Copy to a project different from the source'),
  },
  run: async (cli, { args: [from = '', to = ''], flags }) => {
    await copyInstance(cli, from, to, {
      config: flags.config,
      device: flags.device,
      profiles: flags['no-profiles'] ? [] : flags.profile.length > 0 ? flags.profile : undefined,
      // A copy is kept unless it is asked to be thrown away.
      ephemeral: flags.ephemeral,
      instanceOnly: flags['instance-only'],
      stateless: flags.stateless,
      storage: flags.storage,
      target: flags.target,
      targetProject: flags['target-project'],
      mode: transferMode(flags.mode),
      refresh: flags.refresh,
      allowInconsistent: flags['allow-inconsistent'],
      keepVolatile: false,
    });
  },
});
