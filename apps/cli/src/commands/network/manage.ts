import type { Network } from '@lxd-ts/api';
import { command } from '../../command/command.ts';
import { formatFlag, string, targetFlag } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import { required } from '../common/object.ts';
import { createProperties } from '../common/values.ts';
import { networkShape } from './shape.ts';

export const networkCreate = command({
  use: '[<remote>:]<network> [key=value...]',
  short: 'Create new networks',
  args: [1, Number.POSITIVE_INFINITY],
  flags: { target: targetFlag, type: string('Network type', { short: 't' }) },
  run: async (cli, { args: [text = '', ...words], flags }) => {
    const { client, name } = await cli.locate(text);
    const server = flags.target === '' ? client : client.onMember(flags.target);
    await server.send('POST', ['networks'], {
      name: required(name, 'network name'),
      type: flags.type,
      description: '',
      config: createProperties(words),
    });
    if (cli.global.quiet) return;
    out(flags.target === '' ? `Network ${name} created\n` : `Network ${name} pending on member ${flags.target}\n`);
  },
});

export const networkDelete = command({
  use: '[<remote>:]<network>',
  short: 'Delete networks',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('DELETE', ['networks', required(name, 'network name')]);
    if (!cli.global.quiet) out(`Network ${name} deleted\n`);
  },
});

export const networkRename = command({
  use: '[<remote>:]<network> <new-name>',
  short: 'Rename networks',
  args: [2, 2],
  run: async (cli, { args: [text = '', renamed = ''] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('POST', ['networks', required(name, 'network name')], { name: renamed });
    if (!cli.global.quiet) out(`Network ${name} renamed to ${renamed}\n`);
  },
});

export const networkList = command({
  use: '[<remote>:]',
  short: 'List available networks',
  args: [0, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client } = await cli.locate(text);
    const { value } = await client.get<Network[]>(['networks'], { recursion: 1 });
    // The loopback is nothing to attach to, nor is what the server does not know.
    const shown = value.filter(({ type }) => type !== 'loopback' && type !== 'unknown');
    printListing(flags.format, {
      header: ['NAME', 'TYPE', 'MANAGED', 'IPV4', 'IPV6', 'DESCRIPTION', 'USED BY', 'STATE'],
      rows: shown
        .map((network) => [
          network.name,
          network.type,
          network.managed ? 'YES' : 'NO',
          network.config?.['ipv4.address'] ?? '',
          network.config?.['ipv6.address'] ?? '',
          network.description,
          String(network.used_by?.length ?? 0),
          network.status.toUpperCase(),
        ])
        .sort(compareRows),
      data: shown,
      shape: { list: networkShape },
    });
  },
});
