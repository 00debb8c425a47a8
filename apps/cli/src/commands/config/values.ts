import type { Reply } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, targetFlag } from '../../command/flags.ts';
import { out } from '../../output/streams.ts';
import type { Config } from '../../shapes/types.ts';
import { settings } from '../common/values.ts';
import { type ConfigTarget, configTarget, readInstance, setInstanceConfig, unsetInstanceConfig } from './target.ts';

/** The server's settings, whose values may be of any kind. */
export interface ServerConfig {
  config: Record<string, unknown>;
}

export const readServer = (target: ConfigTarget): Promise<Reply<ServerConfig>> => target.client.get<ServerConfig>([]);

export const configGet = command({
  use: '[<remote>:][<instance>] <key>',
  short: 'Get values for instance or server configuration keys',
  args: [1, 2],
  flags: { expanded: bool('Access the expanded configuration', { short: 'e' }), target: targetFlag },
  run: async (cli, { args, flags }) => {
    const key = args.at(-1) ?? '';
    const target = await configTarget(cli, args.length > 1 ? (args[0] ?? '') : '', flags.target);
    if (target.kind === 'server') {
      if (flags.expanded) throw new UserError('--expanded cannot be used with a server');
      const value = (await readServer(target)).value.config[key];
      out(`${value ?? ''}\n`);
      return;
    }
    if (target.kind === 'snapshot') {
      const { value } = await target.client.get<{ config: Config; expanded_config: Config }>([
        'instances',
        target.name,
        'snapshots',
        target.snapshot,
      ]);
      out(`${(flags.expanded ? value.expanded_config : value.config)[key] ?? ''}\n`);
      return;
    }
    const { value } = await readInstance(target.client, target.name);
    out(`${(flags.expanded ? value.expanded_config : value.config)[key] ?? ''}\n`);
  },
});

const apply = async (cli: Cli, target: ConfigTarget, changes: Config): Promise<void> => {
  if (target.kind === 'instance') return setInstanceConfig(cli, target.client, target.name, changes);
  if (target.kind === 'snapshot') throw new UserError('Invalid instance name');
  const { value, etag } = await readServer(target);
  await target.client.send('PUT', [], { config: { ...value.config, ...changes } }, { etag });
};

/** Whether the first word names an instance or a remote, and is no setting itself. */
const namesTarget = (args: readonly string[]): boolean => {
  const [first = '', second] = args;
  if (first.includes('=')) return false;
  if (second === undefined) return !first.includes('.');
  return args.length > 2 || second.includes('=') || first.endsWith(':');
};

export const configSet = command({
  use: '[<remote>:][<instance>] <key>=<value>...',
  short: 'Set instance or server configuration keys',
  long: `For backward compatibility, a single configuration key may still be set with:
    lxc config set [<remote>:][<instance>] <key> <value>`,
  examples: `lxc config set [<remote>:]<instance> limits.cpu=2
    Will set a CPU limit of "2" for the instance.

lxc config set core.https_address=[::]:8443
    Will have LXD listen on IPv4 and IPv6 port 8443.

lxc config set core.trust_password=blah
    Will set the server's trust password to blah.`,
  args: [1, Number.POSITIVE_INFINITY],
  flags: { target: targetFlag },
  run: async (cli, { args, flags }) => {
    const named = namesTarget(args);
    const words = named ? args.slice(1) : args;
    const changes = settings(words);
    await apply(cli, await configTarget(cli, named ? (args[0] ?? '') : '', flags.target), changes);
  },
});

export const configUnset = command({
  use: '[<remote>:][<instance>] <key>',
  short: 'Unset instance or server configuration keys',
  args: [1, 2],
  flags: { target: targetFlag },
  run: async (cli, { args, flags }) => {
    const target = await configTarget(cli, args.length > 1 ? (args[0] ?? '') : '', flags.target);
    const key = args.at(-1) ?? '';
    if (target.kind === 'instance') return unsetInstanceConfig(cli, target.client, target.name, key);
    await apply(cli, target, { [key]: '' });
  },
});
