import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
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
    const { client, volume, type, snapshot } = await volumePlace(cli, [text, name], flags.target);
    if (type !== 'custom') throw new UserError('Only "custom" volumes can be exported');
    if (snapshot !== undefined) {
      throw new UserError('A snapshot cannot be exported, copy it to a volume of its own: lxc storage volume copy');
    }
    await exportBackup(cli, client, {
      segments: [...volume, 'backups'],
      request: {
        volume_only: flags['volume-only'],
        optimized_storage: flags['optimized-storage'],
        compression_algorithm: flags.compression,
      },
      name: volume.at(-1) ?? name,
      target,
      label: 'Backing up storage volume: %s',
      what: 'Failed to create storage volume backup',
    });
  },
});

export const volumeImport = command({
  use: '[<remote>:]<pool> <backup file> [<volume name>]',
  short: 'Import custom storage volumes',
  title: 'Import backups of custom volumes including their snapshots.',
  examples: `lxc storage volume import default backup0.tar.gz
\t\tCreate a new custom volume using backup0.tar.gz as the source.

lxc storage volume import default install.iso installer --type iso
\t\tCreate a new custom volume that holds install.iso as a CD-ROM.`,
  args: [2, 3],
  flags: { ...memberFlags, type: string('Import type, backup or iso (default "backup")') },
  run: async (cli, { args: [text = '', file = '', name = ''], flags }) => {
    const { client, name: pool } = await cli.locate(text);
    const server = flags.target === '' ? client : client.onMember(flags.target);
    const type = flags.type || (file.endsWith('.iso') ? 'iso' : 'backup');
    if (type !== 'backup' && type !== 'iso') throw new UserError('Import type needs to be "backup" or "iso"');
    if (type === 'iso' && name === '') throw new UserError('Importing ISO images requires a volume name to be set');
    await importBackup(cli, server, {
      segments: ['storage-pools', required(pool, 'pool name'), 'volumes', 'custom'],
      file,
      headers: {
        ...(name === '' ? {} : { 'x-lxd-name': name }),
        ...(type === 'iso' ? { 'x-lxd-type': 'iso' } : {}),
      },
      label: 'Importing custom volume: %s',
    });
  },
});
