import type {
  StorageVolumeSnapshot as Snapshot,
  StorageVolumeState as State,
  StorageVolume as Volume,
} from '@lxd-ts/api';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import { drawTable } from '../../output/table.ts';
import { isSet, minute } from '../../output/time.ts';
import { bytesIec } from '../../output/units.ts';
import { memberFlags, volumePlace } from './place.ts';

export const volumeInfo = command({
  use: '[<remote>:]<pool> <volume>',
  short: 'Show storage volume state information',
  args: [2, 2],
  flags: memberFlags,
  run: async (cli, { args, flags }) => {
    const { client, volume, type, snapshot } = await volumePlace(cli, args, flags.target);
    if (snapshot !== undefined) throw new UserError('Only the volume itself has a state, not its snapshots');
    if (type === 'image') throw new UserError('Only instance or custom volumes are supported');
    const { value: found } = await client.get<Volume>(volume);
    const [{ value: state }, { value: snapshots }] = await Promise.all([
      client.get<State>([...volume, 'state']),
      client.get<Snapshot[] | null>([...volume, 'snapshots'], { recursion: 1 }),
    ]);
    const lines = [`Name: ${found.name}`];
    if (found.description !== '') lines.push(`Description: ${found.description}`);
    lines.push(`Type: ${found.type}`, `Content type: ${found.content_type}`);
    if (found.location !== '' && found.location !== 'none') lines.push(`Location: ${found.location}`);
    if (isSet(found.created_at)) lines.push(`Created: ${minute(found.created_at)}`);
    if (state.usage) {
      lines.push(`Usage: ${bytesIec(state.usage.used, 2)}`);
      if (state.usage.total) lines.push(`Total: ${bytesIec(state.usage.total, 2)}`);
    }
    out(`${lines.join('\n')}\n`);
    if (snapshots && snapshots.length > 0) {
      const table = drawTable({
        header: ['NAME', 'DESCRIPTION', 'EXPIRES AT'],
        rows: snapshots
          .map(({ name, description, expires_at: expires }) => [
            name.split('/').pop() ?? '',
            description,
            isSet(expires) ? minute(expires) : '',
          ])
          .sort(compareRows),
      });
      out(`\nSnapshots:\n${table}`);
    }
  },
});
