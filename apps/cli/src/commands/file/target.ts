import type { Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { UserError } from '../../command/errors.ts';

/** A path in an instance, as `remote:instance/path` names it. */
export interface InstancePath {
  client: Client;
  instance: string;
  /** Absolute; as typed, with a slash at its end if there was one. */
  path: string;
}

/** Takes `remote:instance/path` apart. Throws UserError with the word `what`, e.g. `Invalid path c1`. */
export const instanceFile = async (cli: Cli, text: string, what: string): Promise<InstancePath> => {
  const { client, name } = await cli.locate(text);
  const slash = name.indexOf('/');
  if (slash < 0) throw new UserError(`Invalid ${what} ${text}`);
  return { client, instance: name.slice(0, slash), path: name.slice(slash) };
};
