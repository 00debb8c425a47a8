import type { Profile } from '@lxd-ts/api';
import { command } from '../../command/command.ts';
import { formatFlag, string } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import { pipedStdin } from '../common/input.ts';
import { pick, required } from '../common/object.ts';
import { profilePut, profileShape } from './kind.ts';

export const profileCreate = command({
  use: '[<remote>:]<profile>',
  short: 'Create profiles',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    const piped = pipedStdin() ?? '';
    const { readYaml } = await import('../../yaml/read.ts');
    // The reader gives a map for a struct.
    const given = ((await readYaml(piped, profilePut)) ?? {}) as object;
    await client.send('POST', ['profiles'], { ...given, name: required(name, 'profile name') });
    if (!cli.global.quiet) out(`Profile ${name} created\n`);
  },
});

export const profileDelete = command({
  use: '[<remote>:]<profile>',
  short: 'Delete profiles',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('DELETE', ['profiles', required(name, 'profile name')]);
    if (!cli.global.quiet) out(`Profile ${name} deleted\n`);
  },
});

export const profileList = command({
  use: '[<remote>:]',
  short: 'List profiles',
  args: [0, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client } = await cli.locate(text);
    const { value } = await client.get<Profile[]>(['profiles'], { recursion: 1 });
    printListing(flags.format, {
      header: ['NAME', 'DESCRIPTION', 'USED BY'],
      rows: value
        .map(({ name, description, used_by }) => [name, description, String(used_by?.length ?? 0)])
        .sort(compareRows),
      data: value,
      shape: { list: profileShape },
    });
  },
});

export const profileRename = command({
  use: '[<remote>:]<profile> <new-name>',
  short: 'Rename profiles',
  args: [2, 2],
  run: async (cli, { args: [text = '', renamed = ''] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('POST', ['profiles', required(name, 'profile name')], { name: renamed });
    if (!cli.global.quiet) out(`Profile ${name} renamed to ${renamed}\n`);
  },
});

export const profileCopy = command({
  use: '[<remote>:]<profile> [<remote>:]<profile>',
  short: 'Copy profiles',
  args: [2, 2],
  flags: { 'target-project': string('Copy to a project different from the source') },
  run: async (cli, { args: [from = '', to = ''], flags }) => {
    const source = await cli.locate(from);
    const target = await cli.locate(to);
    const { value } = await source.client.get<object>(['profiles', required(source.name, 'source profile name')]);
    const client = flags['target-project'] === '' ? target.client : target.client.inProject(flags['target-project']);
    await client.send('POST', ['profiles'], { ...pick(value, profilePut), name: target.name || source.name });
  },
});
