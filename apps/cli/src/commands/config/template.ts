import type { Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { formatFlag } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import { strings } from '../../yaml/shape.ts';
import { editText } from '../common/edit.ts';
import { pipedStdin } from '../common/input.ts';
import { required } from '../common/object.ts';
import { readBody } from '../common/raw.ts';

const open = async (cli: Cli, text: string): Promise<{ client: Client; segments: string[] }> => {
  const { client, name } = await cli.locate(text);
  return { client, segments: ['instances', required(name, 'instance name'), 'metadata', 'templates'] };
};

const write = async (client: Client, segments: readonly string[], path: string, content: string): Promise<void> => {
  await client.send('POST', segments, content, { query: { path } });
};

const use = '[<remote>:]<instance> <template>';

export const templateCreate = command({
  use,
  short: 'Create new instance file templates',
  args: [2, 2],
  run: async (cli, { args: [text = '', path = ''] }) => {
    const { client, segments } = await open(cli, text);
    await write(client, segments, path, '');
  },
});

export const templateDelete = command({
  use,
  short: 'Delete instance file templates',
  args: [2, 2],
  run: async (cli, { args: [text = '', path = ''] }) => {
    const { client, segments } = await open(cli, text);
    await client.send('DELETE', segments, undefined, { query: { path } });
  },
});

export const templateEdit = command({
  use,
  short: 'Edit instance file templates',
  args: [2, 2],
  run: async (cli, { args: [text = '', path = ''] }) => {
    const { client, segments } = await open(cli, text);
    const content = pipedStdin() ?? editText(await readBody(client, segments, { path }));
    await write(client, segments, path, content);
  },
});

export const templateList = command({
  use: '[<remote>:]<instance>',
  short: 'List instance file templates',
  args: [1, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, segments } = await open(cli, text);
    const { value } = await client.get<string[] | null>(segments);
    printListing(flags.format, {
      header: ['FILENAME'],
      rows: (value ?? []).map((name) => [name]).sort(compareRows),
      data: value,
      shape: strings,
    });
  },
});

export const templateShow = command({
  use,
  short: 'Show content of instance file templates',
  args: [2, 2],
  run: async (cli, { args: [text = '', path = ''] }) => {
    const { client, segments } = await open(cli, text);
    out(await readBody(client, segments, { path }));
  },
});
