import type { Instance } from '@lxd-ts/api';
import type { Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { out } from '../../output/streams.ts';
import { required } from '../common/object.ts';
import { readInstance, writeInstance } from '../config/target.ts';

interface Bearer {
  client: Client;
  name: string;
  value: Instance;
  etag: string;
}

const open = async (cli: Cli, text: string): Promise<Bearer> => {
  const { client, name } = await cli.locate(text);
  return { client, name, ...(await readInstance(client, required(name, 'instance name'))) };
};

const write = (cli: Cli, { client, name, value, etag }: Bearer, profiles: string[]): Promise<void> =>
  writeInstance(cli, client, name, { ...value, profiles }, etag);

export const profileAdd = command({
  use: '[<remote>:]<instance> <profile>',
  short: 'Add profiles to instances',
  args: [2, 2],
  run: async (cli, { args: [text = '', profile = ''] }) => {
    const instance = await open(cli, text);
    await write(cli, instance, [...instance.value.profiles, profile]);
    if (!cli.global.quiet) out(`Profile ${profile} added to ${instance.name}\n`);
  },
});

export const profileRemove = command({
  use: '[<remote>:]<instance> <profile>',
  short: 'Remove profiles from instances',
  args: [2, 2],
  run: async (cli, { args: [text = '', profile = ''] }) => {
    const instance = await open(cli, text);
    const { profiles } = instance.value;
    if (!profiles.includes(profile)) {
      throw new UserError(`Profile ${profile} isn't currently applied to ${instance.name}`);
    }
    await write(
      cli,
      instance,
      profiles.filter((name) => name !== profile),
    );
    if (!cli.global.quiet) out(`Profile ${profile} removed from ${instance.name}\n`);
  },
});

export const profileAssign = command({
  use: '[<remote>:]<instance> <profiles>',
  short: 'Assign sets of profiles to instances',
  examples: `lxc profile assign foo default,bar
    Set the profiles for "foo" to "default" and "bar".

lxc profile assign foo default
    Reset "foo" to only using the "default" profile.

lxc profile assign foo ''
    Remove all profile from "foo"`,
  args: [2, 2],
  run: async (cli, { args: [text = '', names = ''] }) => {
    const instance = await open(cli, text);
    await write(cli, instance, names === '' ? [] : names.split(','));
    if (!cli.global.quiet) out(`Profiles ${names === '' ? '(none)' : names} applied to ${instance.name}\n`);
  },
});
