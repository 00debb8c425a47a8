import type { Instance } from '@lxd-ts/api';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, list, string } from '../../command/flags.ts';
import { out } from '../../output/streams.ts';
import { operate } from '../common/operate.ts';
import { properties } from '../common/values.ts';
import { assignAliases } from '../image/aliases.ts';
import { copyImage } from '../image/transfer.ts';

export const publish = command({
  use: '[<remote>:]<instance>[/<snapshot>] [<remote>:]',
  usageEnd: ' [flags] [key=value...]',
  short: 'Publish instances as images',
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    alias: list('New alias to define at target'),
    compression: string('Compression algorithm to use (none for uncompressed)', { label: 'compression none' }),
    expire: string('Image expiration date (format: rfc3339)'),
    force: bool('Stop the instance if currently running', { short: 'f' }),
    public: bool('Make the image public'),
    reuse: bool('If the image alias already exists, delete and create a new one'),
  },
  run: async (cli, { args: [text = '', ...words], flags }) => {
    const source = await cli.locate(text);
    const toRemote = words[0] !== undefined && !words[0].includes('=');
    const target = toRemote ? cli.resource(words[0] ?? '') : { remote: source.remote, name: '' };
    if (target.name !== '') throw new UserError(`There is no "image name".  Did you want an alias?`);
    if (source.name === '') throw new UserError('Instance name is mandatory');
    const props = properties(toRemote ? words.slice(1) : words);
    if (flags.expire !== '' && Number.isNaN(Date.parse(flags.expire))) {
      throw new UserError(
        `Invalid expiration date: parsing time "${flags.expire}" as "2006-01-02T15:04:05Z07:00" failed`,
      );
    }
    const { client, name } = source;
    const isSnapshot = name.includes('/');
    const destination = await cli.server(target.remote);

    let restart = false;
    if (!isSnapshot) {
      const { value } = await client.get<Instance>(['instances', name]);
      const running = value.status_code !== 0 && value.status_code !== 102;
      if (running && !flags.force) {
        throw new UserError('The instance is currently running. Use --force to have it stopped and restarted');
      }
      if (running) {
        if (value.ephemeral)
          throw new UserError('An ephemeral instance goes away when it is stopped, it cannot be published');
        await operate(cli, client, 'PUT', ['instances', name, 'state'], { action: 'stop', timeout: -1, force: true });
        restart = true;
      }
    }

    try {
      const operation = await operate(
        cli,
        client,
        'POST',
        ['images'],
        {
          source: { type: isSnapshot ? 'snapshot' : 'instance', name },
          public: flags.public && target.remote === source.remote,
          // With none given the server takes over those of the image that the instance was made from.
          ...(Object.keys(props).length === 0 ? {} : { properties: props }),
          compression_algorithm: flags.compression,
          expires_at: flags.expire || '0001-01-01T00:00:00Z',
        },
        { label: 'Publishing instance: %s' },
      );
      const fingerprint = operation?.metadata?.fingerprint;
      if (typeof fingerprint !== 'string') throw new UserError('The server gave no fingerprint of the new image');
      if (target.remote !== source.remote) {
        await copyImage(cli, { client, fingerprint, mode: 'pull' }, { client: destination, public: flags.public });
        await operate(cli, client, 'DELETE', ['images', fingerprint]);
      }
      await assignAliases(cli, destination, fingerprint, flags.alias, flags.reuse);
      out(`Instance published with fingerprint: ${fingerprint}\n`);
    } finally {
      if (restart) {
        await operate(cli, client, 'PUT', ['instances', name, 'state'], { action: 'start', timeout: -1, force: true });
      }
    }
  },
});
