import { existsSync } from 'node:fs';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, string } from '../../command/flags.ts';
import { exportBackup, importBackup } from '../common/backup.ts';

export const exportInstance = command({
  use: '[<remote>:]<instance> [target] [--instance-only] [--optimized-storage]',
  short: 'Export instance backups',
  title: 'Export instances as backup tarballs.',
  examples: `lxc export u1 backup0.tar.gz
    Download a backup tarball of the u1 instance.`,
  args: [1, 2],
  flags: {
    compression: string('Compression algorithm to use (none for uncompressed)'),
    'instance-only': bool('Whether or not to only backup the instance (without snapshots)'),
    'optimized-storage': bool('Use storage driver optimized format (can only be restored on a similar pool)'),
  },
  run: async (cli, { args: [text = '', target], flags }) => {
    const { client, name } = await cli.locate(text);
    await exportBackup(cli, client, {
      segments: ['instances', name, 'backups'],
      request: {
        instance_only: flags['instance-only'],
        container_only: flags['instance-only'],
        optimized_storage: flags['optimized-storage'],
        compression_algorithm: flags.compression,
      },
      name,
      target: target ?? '',
      label: 'Backing up instance: %s',
      what: 'Create instance backup',
    });
  },
});

export const importInstance = command({
  use: '[<remote>:] <backup file> [<instance name>]',
  short: 'Import instance backups',
  title: 'Import backups of instances including their snapshots.',
  examples: `lxc import backup0.tar.gz
    Create a new instance using backup0.tar.gz as the source.`,
  args: [1, 3],
  flags: { storage: string('Storage pool name', { short: 's' }) },
  run: async (cli, { args, flags }) => {
    const [first = '', ...more] = args;
    const named = first.endsWith(':') && !existsSync(first);
    const [file = '', name = ''] = named ? more : args;
    const { client } = await cli.locate(named ? first : '');
    if (file === '') throw new UserError('Missing the backup file');
    await importBackup(cli, client, {
      segments: ['instances'],
      file,
      headers: {
        ...(flags.storage === '' ? {} : { 'x-lxd-pool': flags.storage }),
        ...(name === '' ? {} : { 'x-lxd-name': name }),
      },
      label: 'Importing instance: %s',
    });
  },
});
