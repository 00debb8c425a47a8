import { isNotFound } from '@lxd-ts/client';
import { command } from '../../command/command.ts';
import { bool } from '../../command/flags.ts';
import { operate } from '../common/operate.ts';

export const snapshot = command({
  use: '[<remote>:]<instance> [<snapshot name>]',
  short: 'Create instance snapshots',
  long: `When --stateful is used, LXD attempts to checkpoint the instance's
running state, including process memory state, TCP connections, ...`,
  examples: `lxc snapshot u1 snap0
    Create a snapshot of "u1" called "snap0".`,
  args: [1, 2],
  flags: {
    'no-expiry': bool('Ignore any configured auto-expiry for the instance'),
    reuse: bool('If the snapshot name already exists, delete and create a new one'),
    stateful: bool("Whether or not to snapshot the instance's running state"),
  },
  run: async (cli, { args: [text = '', name = ''], flags }) => {
    const { client, name: instance } = await cli.locate(text);
    const snapshots = ['instances', instance, 'snapshots'];
    if (flags.reuse && name !== '') {
      const there = await client.get([...snapshots, name]).then(
        () => true,
        (error) => {
          if (isNotFound(error)) return false;
          throw error;
        },
      );
      if (there) await operate(cli, client, 'DELETE', [...snapshots, name]);
    }
    await operate(cli, client, 'POST', snapshots, {
      name,
      stateful: flags.stateful,
      // The zero time says "never", nothing at all leaves it to the instance's settings.
      expires_at: flags['no-expiry'] ? '0001-01-01T00:00:00Z' : null,
    });
  },
});

export const restore = command({
  use: '[<remote>:]<instance> <snapshot>',
  short: 'Restore instances from snapshots',
  long: 'If --stateful is passed, then the running state will be restored too.',
  examples: `lxc snapshot u1 snap0
    Create the snapshot.

lxc restore u1 snap0
    Restore the snapshot.`,
  args: [2, 2],
  flags: {
    stateful: bool("Whether or not to restore the instance's running state from snapshot (if available)"),
  },
  run: async (cli, { args: [text = '', name = ''], flags }) => {
    const { client, name: instance } = await cli.locate(text);
    const restored = name.includes('/') ? name : `${instance}/${name}`;
    await operate(cli, client, 'PUT', ['instances', instance], { restore: restored, stateful: flags.stateful });
  },
});
