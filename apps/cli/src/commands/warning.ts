import type { Warning } from '@lxd-ts/api';
import { command, entry, group } from '../command/command.ts';
import { UserError } from '../command/errors.ts';
import { bool, formatFlag, string } from '../command/flags.ts';
import { printListing } from '../output/format.ts';
import { compareRows } from '../output/sort.ts';
import { out } from '../output/streams.ts';
import { inWords } from '../output/time.ts';
import { printYaml } from '../yaml/print.ts';
import type { Struct } from '../yaml/shape.ts';
import { isClustered } from './server.ts';

const warningShape: Struct = {
  fields: {
    status: 'string',
    uuid: 'string',
    location: 'string',
    project: 'string',
    type: 'string',
    count: 'number',
    first_seen_at: 'time',
    last_seen_at: 'time',
    last_message: 'string',
    severity: 'string',
    entity_url: 'string',
  },
};

const columns: Record<string, { name: string; show(warning: Warning): string }> = {
  c: { name: 'COUNT', show: ({ count }) => String(count) },
  f: { name: 'FIRST SEEN', show: ({ first_seen_at: time }) => inWords(time) },
  l: { name: 'LAST SEEN', show: ({ last_seen_at: time }) => inWords(time) },
  L: { name: 'LOCATION', show: ({ location }) => location },
  p: { name: 'PROJECT', show: ({ project }) => project },
  s: { name: 'SEVERITY', show: ({ severity }) => severity.toUpperCase() },
  S: { name: 'STATUS', show: ({ status }) => status.toUpperCase() },
  t: { name: 'TYPE', show: ({ type }) => type },
  u: { name: 'UUID', show: ({ uuid }) => uuid },
};

const defaultColumns = 'utSscpLl';

const list = command({
  use: '[<remote>:]',
  short: 'List warnings',
  long: `The -c option takes a (optionally comma-separated) list of arguments
that control which warning attributes to output when displaying in table
or csv format.

Default column layout is: utSscpLl

Column shorthand chars:

    c - Count
    l - Last seen
    L - Location
    f - First seen
    p - Project
    s - Severity
    S - Status
    u - UUID
    t - Type`,
  args: [0, 1],
  flags: {
    all: bool('List all warnings', { short: 'a' }),
    columns: string('Columns', { short: 'c', default: defaultColumns }),
    format: formatFlag,
  },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client } = await cli.locate(text);
    const clustered = await isClustered(client);
    const letters = flags.columns === defaultColumns && !clustered ? flags.columns.replace('L', '') : flags.columns;
    const shown = letters.split(',').flatMap((part) => {
      if (part === '')
        throw new UserError(`Empty column entry (redundant, leading or trailing command) in '${letters}'`);
      return [...part].map((letter) => {
        const column = columns[letter];
        if (column === undefined) throw new UserError(`Unknown column shorthand char '${letter}' in '${part}'`);
        if (letter === 'L' && !clustered) throw new UserError("Can't specify column L when not clustered");
        return column;
      });
    });
    const { value } = await client.get<Warning[]>(['warnings'], { recursion: 1 });
    const wanted = flags.all ? value : value.filter(({ status }) => status === 'new');
    printListing(flags.format, {
      header: shown.map((column) => column.name),
      rows: wanted.map((warning) => shown.map((column) => column.show(warning))).sort(compareRows),
      data: wanted,
      shape: { list: warningShape },
    });
  },
});

const use = '[<remote>:]<warning-uuid>';

const show = command({
  use,
  short: 'Show warning',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    out(printYaml((await client.get(['warnings', name])).value, warningShape));
  },
});

const acknowledge = command({
  use,
  short: 'Acknowledge warning',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('PUT', ['warnings', name], { status: 'acknowledged' });
  },
});

const remove = command({
  use,
  short: 'Delete warning',
  args: [0, 1],
  flags: { all: bool('Delete all warnings', { short: 'a' }) },
  run: async (cli, { args: [text = ''], flags, wrongArguments, showHelp }) => {
    if (text === '' && !flags.all) return showHelp();
    const { client, name } = await cli.locate(text);
    if (!flags.all) {
      await client.send('DELETE', ['warnings', name]);
      return;
    }
    if (name !== '') return wrongArguments();
    const { value } = await client.get<Warning[]>(['warnings'], { recursion: 1 });
    for (const { uuid } of value) await client.send('DELETE', ['warnings', uuid]);
  },
});

export const warning = group({ short: 'Manage warnings' }, [
  entry('acknowledge', ['ack'], async () => acknowledge),
  entry('delete', ['rm'], async () => remove),
  entry('list', ['ls'], async () => list),
  entry('show', [], async () => show),
]);
