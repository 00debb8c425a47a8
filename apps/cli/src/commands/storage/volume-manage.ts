import { isNotFound } from '@lxd-ts/client';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, string } from '../../command/flags.ts';
import { out } from '../../output/streams.ts';
import { operate } from '../common/operate.ts';
import { properties } from '../common/values.ts';
import { memberFlags, volumePlace } from './place.ts';

export const volumeCreate = command({
  use: '[<remote>:]<pool> <volume> [key=value...]',
  short: 'Create new custom storage volumes',
  args: [2, Number.POSITIVE_INFINITY],
  flags: { ...memberFlags, type: string('Content type, block or filesystem', { default: 'filesystem' }) },
  run: async (cli, { args: [text = '', volume = '', ...words], flags }) => {
    const { client, pool, name, type } = await volumePlace(cli, [text, volume], flags.target);
    await client.send('POST', ['storage-pools', pool, 'volumes', type], {
      name,
      type,
      content_type: flags.type,
      description: '',
      config: properties(words),
    });
    if (!cli.global.quiet) out(`Storage volume ${volume} created\n`);
  },
});

export const volumeDelete = command({
  use: '[<remote>:]<pool> <volume>[/<snapshot>]',
  short: 'Delete storage volumes',
  args: [2, 2],
  flags: memberFlags,
  run: async (cli, { args, flags }) => {
    const { client, segments, snapshot } = await volumePlace(cli, args, flags.target);
    if (snapshot === undefined) await client.send('DELETE', segments);
    else await operate(cli, client, 'DELETE', segments);
    if (!cli.global.quiet) out(`Storage volume ${args[1]} deleted\n`);
  },
});

export const volumeRename = command({
  use: '[<remote>:]<pool> <old name>[/<old snapshot name>] <new name>[/<new snapshot name>]',
  short: 'Rename storage volumes and storage volume snapshots',
  title: 'Rename storage volumes',
  args: [3, 3],
  flags: memberFlags,
  run: async (cli, { args: [text = '', old = '', renamed = ''], flags }) => {
    const { client, segments, snapshot, name } = await volumePlace(cli, [text, old], flags.target);
    if (snapshot === undefined) {
      await client.send('POST', segments, { name: renamed });
      if (!cli.global.quiet) out(`Renamed storage volume from "${old}" to "${renamed}"\n`);
      return;
    }
    const [parent, to] = renamed.split('/', 2);
    if (parent !== name || to === undefined) {
      throw new UserError('Invalid new snapshot name, parent volume must be the same as source');
    }
    await operate(cli, client, 'POST', segments, { name: to });
    if (!cli.global.quiet) out(`Renamed storage volume from "${old}" to "${to}"\n`);
  },
});

export const volumeSnapshot = command({
  use: '[<remote>:]<pool> <volume> [<snapshot>]',
  short: 'Snapshot storage volumes',
  args: [2, 3],
  flags: {
    'no-expiry': bool('Ignore any configured auto-expiry for the storage volume'),
    reuse: bool('If the snapshot name already exists, delete and create a new one'),
    ...memberFlags,
  },
  run: async (cli, { args: [text = '', volume = '', name = ''], flags }) => {
    const place = await volumePlace(cli, [text, volume], flags.target);
    if (place.type !== 'custom') throw new UserError('Only "custom" volumes can be snapshotted');
    const snapshots = [...place.volume, 'snapshots'];
    if (flags.reuse && name !== '') {
      try {
        await operate(cli, place.client, 'DELETE', [...snapshots, name]);
      } catch (error) {
        // There was none of that name to replace.
        if (!isNotFound(error)) throw error;
      }
    }
    const expires = flags['no-expiry'] ? { expires_at: '0001-01-01T00:00:00Z' } : {};
    await operate(cli, place.client, 'POST', snapshots, { name, ...expires });
  },
});

export const volumeRestore = command({
  use: '[<remote>:]<pool> <volume> <snapshot>',
  short: 'Restore storage volume snapshots',
  args: [3, 3],
  flags: memberFlags,
  run: async (cli, { args: [text = '', volume = '', snapshot = ''], flags }) => {
    const { client, segments } = await volumePlace(cli, [text, volume], flags.target);
    const { etag } = await client.get(segments);
    await client.send('PUT', segments, { restore: snapshot }, { etag });
  },
});
