import type { OperationObject } from '@lxd-ts/client';
import { command, entry, group } from '../command/command.ts';
import { formatFlag } from '../command/flags.ts';
import { printListing } from '../output/format.ts';
import { compareRows } from '../output/sort.ts';
import { out } from '../output/streams.ts';
import { minute } from '../output/time.ts';
import { printYaml } from '../yaml/print.ts';
import { type Struct, strings } from '../yaml/shape.ts';
import { isClustered } from './server.ts';

const operationShape: Struct = {
  fields: {
    id: 'string',
    class: 'string',
    description: 'string',
    created_at: 'time',
    updated_at: 'time',
    status: 'string',
    status_code: 'number',
    resources: { map: strings },
    metadata: { map: 'any' },
    may_cancel: 'bool',
    err: 'string',
    location: 'string',
  },
};

const use = '[<remote>:]<operation>';

const remove = command({
  use,
  short: 'Delete a background operation (will attempt to cancel)',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('DELETE', ['operations', name]);
    if (!cli.global.quiet) out(`Operation ${name} deleted\n`);
  },
});

const list = command({
  use: '[<remote>:]',
  short: 'List background operations',
  args: [0, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client } = await cli.locate(text);
    const [{ value }, clustered] = await Promise.all([
      client.get<Record<string, OperationObject[]> | null>(['operations'], { recursion: 1 }),
      isClustered(client),
    ]);
    const operations = Object.values(value ?? {}).flat();
    printListing(flags.format, {
      header: ['ID', 'TYPE', 'DESCRIPTION', 'STATUS', 'CANCELABLE', 'CREATED', ...(clustered ? ['LOCATION'] : [])],
      rows: operations
        .map((operation) => [
          operation.id,
          operation.class.toUpperCase(),
          operation.description,
          operation.status.toUpperCase(),
          operation.may_cancel ? 'YES' : 'NO',
          minute(operation.created_at),
          ...(clustered ? [operation.location] : []),
        ])
        .sort(compareRows),
      data: operations,
      shape: { list: operationShape },
    });
  },
});

const show = command({
  use,
  short: 'Show details on a background operation',
  examples: `lxc operation show 344a79e4-d88a-45bf-9c39-c72c26f6ab8a
    Show details on that operation UUID`,
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    out(printYaml((await client.get(['operations', name])).value, operationShape));
  },
});

export const operation = group({ short: 'List, show and delete background operations' }, [
  entry('delete', ['cancel', 'rm'], async () => remove),
  entry('list', ['ls'], async () => list),
  entry('show', [], async () => show),
]);
