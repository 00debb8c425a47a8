import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { formatFlag, string } from '../../command/flags.ts';
import { out } from '../../output/streams.ts';
import { printTokens } from '../common/token-list.ts';
import { joinToken, waitingTokens } from '../common/tokens.ts';
import { requireCluster } from './place.ts';

export const clusterAdd = command({
  use: '[[<remote>:]<name>]',
  short: 'Request a join token for adding a cluster member',
  args: [0, 1],
  flags: { name: string('Cluster member name') },
  run: async (cli, { args: [text = ''], flags, showHelp }) => {
    const { client, name } = await cli.locate(text);
    if (name !== '' && flags.name !== '' && name !== flags.name) {
      throw new UserError('Cluster member name was provided as both a flag and as an argument');
    }
    const member = name || flags.name;
    if (member === '') return showHelp();
    const operation = await client.start('POST', ['cluster', 'members'], { server_name: member });
    const token = operation && joinToken(operation.object);
    if (token === undefined) throw new UserError('The server gave no token');
    if (!cli.global.quiet) out(`Member ${token.name} join token:\n`);
    out(`${token.token}\n`);
  },
});

export const clusterListTokens = command({
  use: '[<remote>:]',
  short: 'List all active cluster member join tokens',
  args: [0, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client } = await cli.locate(text);
    await requireCluster(client);
    printTokens(flags.format, await waitingTokens(client, joinToken), 'ServerName');
  },
});

export const clusterRevokeToken = command({
  use: '[<remote>:]<member>',
  short: 'Revoke cluster member join token',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, remote, name } = await cli.locate(text);
    await requireCluster(client);
    const found = (await waitingTokens(client, joinToken)).find((token) => token.name === name);
    if (found === undefined) throw new UserError(`No cluster join token for member ${name} on remote: ${remote}`);
    await client.send('DELETE', ['operations', found.operation]);
    if (!cli.global.quiet) out(`Cluster join token for ${remote}:${name} deleted\n`);
  },
});
