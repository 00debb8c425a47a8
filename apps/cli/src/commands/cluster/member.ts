import type { Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, string } from '../../command/flags.ts';
import { out } from '../../output/streams.ts';
import { ask, askYesNo } from '../common/input.ts';
import { operate } from '../common/operate.ts';
import { memberPlace } from './place.ts';

const use = '[<remote>:]<member>';

export const memberRename = command({
  use: `${use} <new-name>`,
  short: 'Rename a cluster member',
  args: [2, 2],
  run: async (cli, { args: [text = '', renamed = ''] }) => {
    const { client, segments, name } = await memberPlace(cli, text);
    await client.send('POST', segments, { server_name: renamed });
    if (!cli.global.quiet) out(`Member ${name} renamed to ${renamed}\n`);
  },
});

const warning = `Forcefully removing a server from the cluster should only be done as a last
resort.

The removed server will not be functional after this action and will require a
full reset of LXD, losing any remaining instance, image or storage volume
that the server may have held.

When possible, a graceful removal should be preferred, this will require you to
move any affected instance, image or storage volume to another server prior to
the server being cleanly removed from the cluster.

The --force flag should only be used if the server has died, been reinstalled
or is otherwise never expected to come back up.

`;

export const memberRemove = command({
  use,
  short: 'Remove a member from the cluster',
  args: [1, 1],
  flags: {
    force: bool('Force removing a member, even if degraded', { short: 'f' }),
    yes: bool("Don't require user confirmation for using --force"),
  },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, segments, name } = await memberPlace(cli, text);
    if (flags.force && !flags.yes) {
      const answer = ask(`${warning}Are you really sure you want to force removing ${name}? (yes/no): `);
      if (!['y', 'yes'].includes(answer.toLowerCase())) throw new UserError('User aborted delete operation');
    }
    await client.send('DELETE', segments, undefined, flags.force ? { query: { force: 1 } } : {});
    if (!cli.global.quiet) out(`Member ${name} removed\n`);
  },
});

const confirmed = (verb: string, name: string): boolean =>
  askYesNo(`Are you sure you want to ${verb} cluster member "${name}"? (yes/no) [default=no]: `, false);

/** Brings what a member runs elsewhere, or back. */
const changeMember = async (cli: Cli, client: Client, member: string[], body: object, label: string): Promise<void> => {
  try {
    await operate(cli, client, 'POST', [...member, 'state'], body, { label });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new UserError(`Failed to update cluster member state: ${error.message}`);
  }
};

const forceFlag = bool('Force evacuation without user confirmation');

export const memberEvacuate = command({
  use,
  short: 'Evacuate cluster member',
  args: [1, 1],
  flags: { action: string('Force a particular evacuation action'), force: forceFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, segments, name } = await memberPlace(cli, text);
    if (!flags.force && !confirmed('evacuate', name)) return;
    const mode = flags.action === '' ? {} : { mode: flags.action };
    const body = { action: 'evacuate', ...mode };
    await changeMember(cli, client, segments, body, 'Evacuating cluster member: %s');
  },
});

export const memberRestore = command({
  use,
  short: 'Restore cluster member',
  args: [1, 1],
  flags: { force: forceFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, segments, name } = await memberPlace(cli, text);
    if (!flags.force && !confirmed('restore', name)) return;
    const label = 'Restoring cluster member: %s';
    await changeMember(cli, client, segments, { action: 'restore' }, label);
  },
});
