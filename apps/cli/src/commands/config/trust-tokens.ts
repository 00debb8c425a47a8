import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { formatFlag } from '../../command/flags.ts';
import { out } from '../../output/streams.ts';
import { printTokens } from '../common/token-list.ts';
import { certificateToken, waitingTokens } from '../common/tokens.ts';

export const trustListTokens = command({
  use: '[<remote>:]',
  short: 'List all active certificate add tokens',
  args: [0, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client } = await cli.locate(text);
    printTokens(flags.format, await waitingTokens(client, certificateToken), 'ClientName');
  },
});

export const trustRevokeToken = command({
  use: '[<remote>:] <name>',
  short: 'Revoke certificate add token',
  args: [1, 2],
  run: async (cli, { args }) => {
    const { client, remote, name } = await cli.locate(args.length > 1 ? `${args[0]}${args[1]}` : (args[0] ?? ''));
    const tokens = await waitingTokens(client, certificateToken);
    const found = tokens.find((token) => token.name === name);
    if (found === undefined) throw new UserError(`No certificate add token for member ${name} on remote: ${remote}`);
    await client.send('DELETE', ['operations', found.operation]);
    if (!cli.global.quiet) out(`Certificate add token for ${name} deleted\n`);
  },
});
