import { deleteFile } from '@lxd-ts/client';
import { command } from '../../command/command.ts';
import { instanceFile } from './target.ts';

export const fileDelete = command({
  use: '[<remote>:]<instance>/<path> [[<remote>:]<instance>/<path>...]',
  short: 'Delete files in instances',
  args: [1, Number.POSITIVE_INFINITY],
  run: async (cli, { args }) => {
    for (const text of args) {
      const { client, instance, path } = await instanceFile(cli, text, 'path');
      await deleteFile(client, instance, path);
    }
  },
});
