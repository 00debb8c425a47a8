import type { Instance } from '@lxd-ts/api';
import type { Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool } from '../../command/flags.ts';
import { ask } from '../common/input.ts';
import { operate } from '../common/operate.ts';

interface Doomed {
  client: Client;
  remote: string;
  instance: string;
  snapshot: string | undefined;
}

/** The path of an instance, or of the snapshot named by `instance/snapshot`. */
export const instancePath = (name: string): string[] => {
  const [instance = '', snapshot] = name.split('/', 2);
  return snapshot === undefined ? ['instances', instance] : ['instances', instance, 'snapshots', snapshot];
};

const confirm = (text: string): void => {
  if (!['y', 'yes'].includes(ask(`Remove ${text} (yes/no): `).toLowerCase())) {
    throw new UserError('User aborted delete operation');
  }
};

/** Deletes an instance or a snapshot; a running instance only with force, after stopping it. */
const remove = async (cli: Cli, { client, instance, snapshot }: Doomed, force: boolean): Promise<void> => {
  if (snapshot !== undefined) {
    await operate(cli, client, 'DELETE', ['instances', instance, 'snapshots', snapshot]);
    return;
  }
  const { value } = await client.get<Instance>(['instances', instance]);
  const stopped = value.status_code === 0 || value.status_code === 102;
  if (!stopped) {
    if (!force) throw new UserError('The instance is currently running, stop it first or pass --force');
    await operate(cli, client, 'PUT', ['instances', instance, 'state'], { action: 'stop', timeout: -1, force: true });
    // An ephemeral instance goes away by itself when it stops.
    if (value.ephemeral) return;
  }
  await operate(cli, client, 'DELETE', ['instances', instance]);
};

export const deleteInstance = command({
  use: '[<remote>:]<instance>[/<snapshot>] [[<remote>:]<instance>[/<snapshot>]...]',
  short: 'Delete instances and snapshots',
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    force: bool('Force the removal of running instances', { short: 'f' }),
    interactive: bool('Require user confirmation', { short: 'i' }),
  },
  run: async (cli, { args, flags }) => {
    const doomed = await Promise.all(
      args.map(async (text): Promise<Doomed> => {
        const { client, remote, name } = await cli.locate(text);
        const [instance = '', snapshot] = name.split('/', 2);
        return { client, remote, instance, snapshot };
      }),
    );
    // All must be there before the first is deleted.
    for (const { client, remote, instance, snapshot } of doomed) {
      const name = snapshot === undefined ? instance : `${instance}/${snapshot}`;
      try {
        await client.get(instancePath(name));
      } catch (error) {
        const reason = error instanceof Error ? error.message : error;
        const what = snapshot === undefined ? 'instance' : 'instance snapshot';
        throw new UserError(`Failed checking ${what} exists "${remote}:${name}": ${reason}`);
      }
    }
    for (const each of doomed) {
      if (flags.interactive) confirm(each.snapshot === undefined ? each.instance : `${each.instance}/${each.snapshot}`);
      await remove(cli, each, flags.force);
    }
  },
});
