import { type Client, OperationError } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, list, string, targetFlag } from '../../command/flags.ts';
import { operate } from '../common/operate.ts';
import { readInstance, writeInstance } from '../config/target.ts';
import { isClustered } from '../server.ts';
import { copyInstance, transferMode, transferModes } from './copy.ts';
import { configOptions, deviceOptions } from './create.ts';
import { instancePath } from './delete.ts';

/** Gives an instance or a snapshot another name on the same server. */
export const renameInstance = async (cli: Cli, from: string, to: string): Promise<void> => {
  const { client, name } = await cli.locate(from);
  const [instance = '', snapshot] = name.split('/', 2);
  if (snapshot === undefined) {
    if (to.includes('/')) throw new UserError('The character "/" is reserved for snapshots');
    await operate(cli, client, 'POST', ['instances', instance], { name: to });
    return;
  }
  const [parent, renamed] = to.split('/', 2);
  if (parent !== instance || renamed === undefined) {
    throw new UserError('Invalid new snapshot name, parent must be the same as source');
  }
  await operate(cli, client, 'POST', ['instances', instance, 'snapshots', snapshot], { name: renamed });
};

export const rename = command({
  use: '[<remote>:]<instance>[/<snapshot>] <instance>[/<snapshot>]',
  short: 'Rename instances and snapshots',
  args: [2, 2],
  run: async (cli, { args: [from = '', to = ''] }) => {
    const source = cli.resource(from);
    const target = cli.resource(to.includes(':') ? to : `${source.remote}:${to}`);
    if (source.remote !== target.remote) throw new UserError("Can't specify a different remote for rename");
    await renameInstance(cli, from, target.name);
  },
});

/** Moves an instance to another pool, project or member of the same server, which does it all by itself. */
const within = async (cli: Cli, client: Client, name: string, body: object): Promise<void> => {
  try {
    await operate(cli, client, 'POST', ['instances', name], body, { label: 'Transferring instance: %s' });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const part = error instanceof OperationError ? 'operation' : 'API';
    throw new UserError(`Migration ${part} failure: ${error.message}`);
  }
};

/** Gives a moved instance the settings that were asked for; a move within a server brings all along as it was. */
const adjust = async (
  cli: Cli,
  client: Client,
  name: string,
  wish: { config: string[]; device: string[]; profile: string[]; 'no-profiles': boolean },
): Promise<void> => {
  const { value, etag } = await readInstance(client, name);
  const devices = { ...value.devices };
  for (const [device, override] of Object.entries(deviceOptions(wish.device))) {
    devices[device] = { ...(devices[device] ?? value.expanded_devices[device]), ...override };
  }
  const profiles = wish['no-profiles'] ? [] : wish.profile.length > 0 ? wish.profile : value.profiles;
  const changed = { ...value, config: configOptions(wish.config, value.config), devices, profiles };
  await writeInstance(cli, client, name, changed, etag);
};

export const move = command({
  use: '[<remote>:]<instance>[/<snapshot>] [<remote>:][<instance>[/<snapshot>]]',
  short: 'Move instances within or in between LXD servers',
  long: transferModes,
  examples: `lxc move [<remote>:]<source instance> [<remote>:][<destination instance>] [--instance-only]
    Move an instance between two hosts, renaming it if destination name differs.

lxc move <old name> <new name> [--instance-only]
    Rename a local instance.

lxc move <instance>/<old snapshot name> <instance>/<new snapshot name>
    Rename a snapshot.`,
  args: [1, 2],
  flags: {
    'allow-inconsistent': bool('Ignore copy errors for volatile files'),
    config: list('Config key/value to apply to the target instance', { short: 'c' }),
    device: list('New key/value to apply to a specific device', { short: 'd' }),
    'instance-only': bool('Move the instance without its snapshots'),
    mode: string('Transfer mode. One of pull, push or relay.', { default: 'pull' }),
    'no-profiles': bool('Unset all profiles on the target instance'),
    profile: list('Profile to apply to the target instance', { short: 'p' }),
    stateless: bool('Copy a stateful instance stateless'),
    storage: string('Storage pool name', { short: 's' }),
    target: targetFlag,
    'target-project': string('Copy to a project different from the source'),
  },
  run: async (cli, { args, flags, wrongArguments }) => {
    const [from = '', to] = args;
    const { storage, target, 'target-project': project } = flags;
    if (to === undefined && target === '' && storage === '' && project === '') return wrongArguments();
    const source = await cli.locate(from);
    const destination = cli.resource(to ?? `${source.remote}:`);
    const changes =
      flags.config.length > 0 || flags.device.length > 0 || flags.profile.length > 0 || flags['no-profiles'];

    if (source.remote === destination.remote) {
      if (target === '' && storage === '' && project === '') {
        if (changes) throw new UserError("Can't override configuration or profiles in local rename");
        return renameInstance(cli, from, destination.name);
      }
      if (source.name.includes('/')) throw new UserError('Only instances can be moved, not snapshots');
      if (target !== '' && !(await isClustered(source.client))) {
        throw new UserError('The source LXD server is not clustered');
      }
      const body = {
        name: destination.name || source.name,
        migration: true,
        live: !flags.stateless,
        instance_only: flags['instance-only'],
        container_only: flags['instance-only'],
        allow_inconsistent: flags['allow-inconsistent'],
        pool: storage,
        project,
      };
      const client = target === '' ? source.client : source.client.onMember(target);
      await within(cli, client, source.name, body);
      if (changes)
        await adjust(cli, project === '' ? source.client : source.client.inProject(project), body.name, flags);
      return;
    }

    await copyInstance(cli, from, to ?? `${source.remote}:`, {
      config: flags.config,
      device: flags.device,
      profiles: flags['no-profiles'] ? [] : flags.profile.length > 0 ? flags.profile : undefined,
      ephemeral: undefined,
      instanceOnly: flags['instance-only'],
      stateless: flags.stateless,
      storage,
      target,
      targetProject: project,
      mode: transferMode(flags.mode),
      refresh: false,
      allowInconsistent: flags['allow-inconsistent'],
      keepVolatile: true,
    });
    await operate(cli, source.client, 'DELETE', instancePath(source.name));
  },
});
