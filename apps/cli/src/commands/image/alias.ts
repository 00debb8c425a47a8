import type { ImageAliasesEntry as Alias } from '@lxd-ts/api';
import { command, entry, group } from '../../command/command.ts';
import { formatFlag } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { required } from '../common/object.ts';
import { readAliases } from './aliases.ts';
import { imagesOf, isImageServer } from './remote.ts';
import { imageAlias } from './shape.ts';

const create = command({
  use: '[<remote>:]<alias> <fingerprint>',
  short: 'Create aliases for existing images',
  args: [2, 2],
  run: async (cli, { args: [text = '', target = ''] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('POST', ['images', 'aliases'], { name: required(name, 'alias name'), target });
  },
});

const remove = command({
  use: '[<remote>:]<alias>',
  short: 'Delete image aliases',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('DELETE', ['images', 'aliases', required(name, 'alias name')]);
  },
});

const rename = command({
  use: '[<remote>:]<alias> <new-name>',
  short: 'Rename aliases',
  args: [2, 2],
  run: async (cli, { args: [text = '', renamed = ''] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('POST', ['images', 'aliases', required(name, 'alias name')], { name: renamed });
  },
});

const list = command({
  use: '[<remote>:] [<filters>...]',
  short: 'List image aliases',
  long: 'Filters may be part of the image hash or part of the image alias name.',
  args: [0, Number.POSITIVE_INFINITY],
  flags: { format: formatFlag },
  run: async (cli, { args: [first = '', ...more], flags }) => {
    const named = first.includes(':');
    const { remote, name } = cli.resource(named ? first : '');
    const filters = [...(named ? [name] : [first]), ...more].filter((filter) => filter !== '');
    let aliases: Alias[];
    if (isImageServer(cli, remote)) {
      aliases = (await imagesOf(cli, remote)).flatMap(({ aliases: names, fingerprint, type }) =>
        names.map((alias) => ({ ...alias, target: fingerprint, type })),
      );
    } else {
      aliases = await readAliases(await cli.server(remote));
    }
    const shown = aliases.filter((alias) =>
      filters.every((filter) => alias.name.includes(filter) || alias.target.includes(filter)),
    );
    printListing(flags.format, {
      header: ['ALIAS', 'FINGERPRINT', 'TYPE', 'DESCRIPTION'],
      rows: shown
        .map((alias) => [alias.name, alias.target.slice(0, 12), alias.type.toUpperCase(), alias.description])
        .sort(compareRows),
      data: shown,
      shape: { list: imageAlias },
    });
  },
});

export const alias = group({ short: 'Manage image aliases' }, [
  entry('create', [], async () => create),
  entry('delete', ['rm'], async () => remove),
  entry('list', ['ls'], async () => list),
  entry('rename', ['mv'], async () => rename),
]);
