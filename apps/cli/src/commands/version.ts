import { command } from '../command/command.ts';
import { out } from '../output/streams.ts';
import { version } from '../version.ts';
import type { Server } from './server.ts';

export const versionCommand = command({
  use: '[<remote>:]',
  short: 'Show local and remote versions',
  args: [0, 1],
  run: async (cli, { args: [text = ''] }) => {
    let server = 'unreachable';
    try {
      const { value } = await (await cli.locate(text)).client.get<Server>([]);
      server = value.environment?.server_version ?? '';
    } catch (error) {
      // What cannot be asked has no version; why is only told to who wants to know.
      if (cli.global.debug) throw error;
    }
    out(`Client version: ${version}\nServer version: ${server}\n`);
  },
});
