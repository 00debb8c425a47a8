import type { Instance } from '@lxd-ts/api';
import type { Client, Reply } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { UserError } from '../../command/errors.ts';
import { instancePut } from '../../shapes/instance.ts';
import type { Config } from '../../shapes/types.ts';
import { pick } from '../common/object.ts';
import { operate } from '../common/operate.ts';
import { onMember } from '../server.ts';

/** What a `config` command is about: an instance, one of its snapshots, or the server itself. */
export type ConfigTarget =
  | { kind: 'instance'; client: Client; name: string }
  | { kind: 'snapshot'; client: Client; name: string; snapshot: string }
  | { kind: 'server'; client: Client };

/** Finds what `remote:instance`, `remote:instance/snapshot` or `remote:` means. */
export const configTarget = async (cli: Cli, text: string, member: string): Promise<ConfigTarget> => {
  const { client, name } = await cli.locate(text);
  if (name === '') return { kind: 'server', client: await onMember(client, member) };
  if (member !== '') throw new UserError('--target cannot be used with instances');
  const [instance = '', snapshot] = name.split('/', 2);
  return snapshot === undefined
    ? { kind: 'instance', client, name: instance }
    : { kind: 'snapshot', client, name: instance, snapshot };
};

export const readInstance = (client: Client, name: string): Promise<Reply<Instance>> =>
  client.get<Instance>(['instances', name]);

/** Writes the changeable part of an instance, only if it is still as it was read. */
export const writeInstance = async (
  cli: Cli,
  client: Client,
  name: string,
  value: object,
  etag: string,
): Promise<void> => {
  await operate(cli, client, 'PUT', ['instances', name], pick(value, instancePut), { etag });
};

/** Gives keys of an instance their values; empty ones are taken away. */
/** Takes the value of one key away. Throws UserError if it has none. */
export const unsetInstanceConfig = async (cli: Cli, client: Client, name: string, key: string): Promise<void> => {
  const { value, etag } = await readInstance(client, name);
  const { [key]: gone, ...config } = value.config;
  if (gone === undefined) throw new UserError(`Can't unset key '${key}', it's not currently set`);
  await writeInstance(cli, client, name, { ...value, config }, etag);
};

export const setInstanceConfig = async (cli: Cli, client: Client, name: string, changes: Config): Promise<void> => {
  const { value, etag } = await readInstance(client, name);
  await writeInstance(cli, client, name, { ...value, config: { ...value.config, ...changes } }, etag);
};
