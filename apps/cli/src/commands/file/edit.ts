import { text as readAll } from 'node:stream/consumers';
import { pullFile, pushFile } from '@lxd-ts/client';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { editText } from '../common/edit.ts';
import { pipedStdin } from '../common/input.ts';
import { instanceFile } from './target.ts';

export const fileEdit = command({
  use: '[<remote>:]<instance>/<path>',
  short: 'Edit files in instances',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, instance, path } = await instanceFile(cli, text, 'path');
    const piped = pipedStdin();
    if (piped !== undefined) return pushFile(client, instance, path, { type: 'file', content: piped });
    const file = await pullFile(client, instance, path);
    if (file.type === 'directory') throw new UserError("Can't edit a directory");
    // A link leads to another file, which the server finds inside the instance's root; the link itself stays.
    if (file.type === 'symlink') throw new UserError(`${path} is a symbolic link to ${file.target}, edit that instead`);
    const { uid, gid, mode } = file;
    await pushFile(client, instance, path, {
      type: 'file',
      uid,
      gid,
      mode,
      content: editText(await readAll(file.content)),
    });
  },
});
