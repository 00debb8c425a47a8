import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { out } from '../../output/streams.ts';
import { operate } from '../common/operate.ts';
import { readImage, resolveImage } from './source.ts';

const use = '[<remote>:]<image> [[<remote>:]<image>...]';

export const imageDelete = command({
  use,
  short: 'Delete images',
  args: [1, Number.POSITIVE_INFINITY],
  run: async (cli, { args }) => {
    for (const text of args) {
      const { client, name } = await cli.locate(text);
      if (name === '') throw new UserError('Image identifier missing');
      await operate(cli, client, 'DELETE', ['images', await resolveImage(client, name, '')]);
    }
  },
});

export const imageRefresh = command({
  use,
  short: 'Refresh images',
  args: [1, Number.POSITIVE_INFINITY],
  run: async (cli, { args }) => {
    for (const text of args) {
      const { client, name } = await cli.locate(text);
      if (name === '') throw new UserError('Image identifier missing');
      const { value } = await readImage(client, name);
      const ended = await operate(
        cli,
        client,
        'POST',
        ['images', value.fingerprint, 'refresh'],
        {},
        { label: 'Refreshing the image: %s' },
      );
      const refreshed = ended?.metadata?.refreshed === true;
      if (!cli.global.quiet) out(refreshed ? 'Image refreshed successfully!\n' : 'Image already up to date.\n');
    }
  },
});
