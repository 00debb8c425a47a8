import { command } from '../command/command.ts';
import { find } from '../command/dispatch.ts';
import { help, rootFlags, usage } from '../command/help.ts';
import { err, out } from '../output/streams.ts';
import { root } from './root.ts';

export const helpCommand = command({
  use: '[command]',
  short: 'Help about any command',
  description: `Help provides help for any command in the application.
Simply type lxc help [path to command] for full details.`,
  args: [0, Number.POSITIVE_INFINITY],
  flags: rootFlags,
  run: async (cli, { args, flags }) => {
    const options = { all: flags.all, subCommands: cli.global['sub-commands'] };
    const found = await find(root, args);
    if (found.node.kind === 'group' && found.rest.length > 0) {
      err(`Unknown help topic [${args.map((word) => `\`${word}\``).join(' ')}]\n`);
      err(await usage(await find(root, []), options));
      return;
    }
    out(await help(found, options));
  },
});
