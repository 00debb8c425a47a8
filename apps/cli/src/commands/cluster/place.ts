import type { Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { UserError } from '../../command/errors.ts';
import { required } from '../common/object.ts';

/** Throws UserError if a server is not in a cluster. */
export const requireCluster = async (client: Client): Promise<void> => {
  const { value } = await client.get<{ enabled: boolean }>(['cluster']);
  if (!value.enabled) throw new UserError("LXD server isn't part of a cluster");
};

/** A cluster member by `[<remote>:]<member>`. */
export const memberPlace = async (
  cli: Cli,
  text: string,
): Promise<{ client: Client; remote: string; name: string; segments: string[] }> => {
  const { client, remote, name } = await cli.locate(text);
  return { client, remote, name, segments: ['cluster', 'members', required(name, 'cluster member name')] };
};
