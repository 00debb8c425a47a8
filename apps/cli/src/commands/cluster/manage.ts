import { existsSync, readFileSync } from 'node:fs';
import type { ClusterMember as Member } from '@lxd-ts/api';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { formatFlag } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import type { Config } from '../../shapes/types.ts';
import { operate } from '../common/operate.ts';
import { certificatePath, rememberCertificate } from '../remote/certificate.ts';
import { requireCluster } from './place.ts';
import { memberShape } from './shape.ts';

export const clusterList = command({
  use: '[<remote>:]',
  short: 'List all the cluster members',
  args: [0, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client } = await cli.locate(text);
    await requireCluster(client);
    const { value } = await client.get<Member[]>(['cluster', 'members'], { recursion: 1 });
    printListing(flags.format, {
      header: ['NAME', 'URL', 'ROLES', 'ARCHITECTURE', 'FAILURE DOMAIN', 'DESCRIPTION', 'STATE', 'MESSAGE'],
      rows: value
        .map((member) => [
          member.server_name,
          member.url,
          member.roles.join(flags.format === 'csv' ? ',' : '\n'),
          member.architecture,
          member.failure_domain,
          member.description,
          member.status.toUpperCase(),
          member.message,
        ])
        .sort(compareRows),
      data: value,
      shape: { list: memberShape },
    });
  },
});

export const clusterEnable = command({
  use: '[<remote>:] <name>',
  short: 'Enable clustering on a single non-clustered LXD server',
  long: `  This command turns a non-clustered LXD server into the first member of a new
  LXD cluster, which will have the given name.

  It's required that the LXD is already available on the network. You can check
  that by running 'lxc config get core.https_address', and possibly set a value
  for the address if not yet set.`,
  args: [1, 2],
  run: async (cli, { args }) => {
    const { client } = await cli.locate(args.length > 1 ? (args[0] ?? '') : '');
    const { value } = await client.get<{ config: Config; environment: { server_clustered: boolean } }>([]);
    if (!value.config['core.https_address']) throw new UserError('This LXD server is not available on the network');
    if (value.environment.server_clustered) throw new UserError('This LXD server is already clustered');
    const { etag } = await client.get(['cluster']);
    await operate(cli, client, 'PUT', ['cluster'], { server_name: args.at(-1), enabled: true }, { etag });
    if (!cli.global.quiet) out('Clustering enabled\n');
  },
});

export const clusterUpdateCertificate = command({
  use: '[<remote>:] <cert.crt> <cert.key>',
  short: 'Update cluster certificate',
  title: 'Update cluster certificate with PEM certificate and key read from input files.',
  args: [2, 3],
  run: async (cli, { args }) => {
    const { client, remote } = await cli.locate(args.length > 2 ? (args[0] ?? '') : '');
    await requireCluster(client);
    const [certificate = '', key = ''] = args.slice(-2);
    if (!existsSync(certificate)) throw new UserError(`Could not find certificate file path: ${certificate}`);
    if (!existsSync(key)) throw new UserError(`Could not find certificate key file path: ${key}`);
    const pem = readFileSync(certificate, 'utf8');
    await client.send('PUT', ['cluster', 'certificate'], {
      cluster_certificate: pem,
      cluster_certificate_key: readFileSync(key, 'utf8'),
    });
    // The certificate remembered for the remote would no longer be the server's.
    if (existsSync(certificatePath(cli.config.directory, remote))) {
      rememberCertificate(cli.config.directory, remote, pem);
    }
    if (!cli.global.quiet) out(`Successfully updated cluster certificates for remote ${remote}\n`);
  },
});
