import { command } from '../../command/command.ts';
import { bool, string } from '../../command/flags.ts';
import { exportBackup, importBackup } from '../common/backup.ts';
import { required } from '../common/object.ts';
import { memberFlags, volumePlace } from './place.ts';

export const volumeExport = command({
  use: '[<remote>:]<pool> <volume> [<path>]',
  short: 'Export custom storage volume',
  args: [2, 3],
  flags: {
    compression: string('Define a compression algorithm: for backup or none'),
    'optimized-storage': bool('Use storage driver optimized format (can only be restored on a similar pool)'),
    ...memberFlags,
    'volume-only': bool('Export the volume without its snapshots'),
  },
  run: async (cli, { args: [text = '', name = '', target = ''], flags }) => {
    const { client, volume } = await volumePlace(cli, [text, name], flags.target);
    await exportBackup(cli, client, {
      segments: [...volume, 'backups'],
      request: {
        volume_only: flags['volume-only'],
        optimized_storage: flags['optimized-storage'],
        compression_algorithm: flags.compression,
      },
      target,
      label: 'Backing up storage volume: %s',
    });
  },
});

export const volumeImport = command({
  use: '[<remote>:]<pool> <backup file> [<volume name>]',
  short: 'Import custom storage volumes',
  title: 'Import backups of custom volumes including their snapshots.',
  examples: `lxc storage volume import default backup0.tar.gz
\t\tCreate a new custom volume using backup0.tar.gz as the source.`,
  args: [2, 3],
  flags: memberFlags,
  run: async (cli, { args: [text = '', file = '', name = ''], flags }) => {
    const { client, name: pool } = await cli.locate(text);
    const server = flags.target === '' ? client : client.onMember(flags.target);
    await importBackup(cli, server, {
      segments: ['storage-pools', required(pool, 'pool name'), 'volumes', 'custom'],
      file,
      headers: name === '' ? {} : { 'x-lxd-name': name },
      label: 'Importing custom volume: %s',
    });
  },
});
