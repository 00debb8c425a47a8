import type { Instance } from '@lxd-ts/api';
import type { Client, Reply } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { UserError } from '../../command/errors.ts';
import { instancePut } from '../../shapes/instance.ts';
import type { Config } from '../../shapes/types.ts';
import { pick } from '../common/object.ts';
import { operate } from '../common/operate.ts';

/** What a `config` command is about: an instance, one of its snapshots, or the server itself. */
export type ConfigTarget =
  | { kind: 'instance'; client: Client; name: string }
  | { kind: 'snapshot'; client: Client; name: string; snapshot: string }
  | { kind: 'server'; client: Client };

/** Finds what `remote:instance`, `remote:instance/snapshot` or `remote:` means. */
export const configTarget = async (cli: Cli, text: string, member: string): Promise<ConfigTarget> => {
  const { client, name } = await cli.locate(text);
  if (name === '') return { kind: 'server', client: member === '' ? client : client.onMember(member) };
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
export const setInstanceConfig = async (cli: Cli, client: Client, name: string, changes: Config): Promise<void> => {
  const { value, etag } = await readInstance(client, name);
  const config = { ...value.config };
  for (const [key, text] of Object.entries(changes)) {
    if (text === '') {
      if (!(key in config)) throw new UserError(`Can't unset key '${key}', it's not currently set`);
      delete config[key];
    } else {
      config[key] = text;
    }
  }
  await writeInstance(cli, client, name, { ...value, config }, etag);
};
