import type { InstanceFull } from '@lxd-ts/api';
import type { Client } from '@lxd-ts/client';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, formatFlag, string } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { instanceFull } from '../../shapes/instance.ts';
import { isClustered } from '../server.ts';
import { defaultColumns, fastColumns, parseColumns } from './columns.ts';
import { needsState, selects, serverFilter } from './filter.ts';
import { listExamples, listHelp } from './list-help.ts';

const fetchInstances = async (
  client: Client,
  filters: readonly string[],
  options: { full: boolean; allProjects: boolean },
): Promise<InstanceFull[]> => {
  const scope = options.allProjects ? client.inProject('') : client;
  const { value } = await scope.get<InstanceFull[]>(['instances'], {
    recursion: options.full ? 2 : 1,
    filter: serverFilter(filters),
    'all-projects': options.allProjects,
  });
  return value.filter((instance) => selects(filters, instance));
};

export const list = command({
  use: '[<remote>:] [<filter>...]',
  short: 'List instances',
  long: listHelp,
  examples: listExamples,
  args: [0, Number.POSITIVE_INFINITY],
  flags: {
    'all-projects': bool('Display instances from all projects'),
    columns: string('Columns', { short: 'c', default: defaultColumns }),
    fast: bool(`Fast mode (same as --columns=${fastColumns})`),
    format: formatFlag,
  },
  run: async (cli, { args, flags, given }) => {
    if (given.has('columns') && flags.fast) throw new UserError("Can't specify --fast with --columns");
    const allProjects = flags['all-projects'];
    if (allProjects && cli.global.project) throw new UserError("Can't specify --project with --all-projects");
    const [first = '', ...more] = args;
    // The first word is a remote if it holds a colon and no filter: `local:` or `local:web`.
    const named = first.includes(':') && !first.includes('=');
    const { client, name } = await cli.locate(named ? first : '');
    const filters = named ? [...(name === '' ? [] : [name]), ...more] : args;

    const wanted = flags.fast ? fastColumns : flags.columns;
    const forPrograms = flags.format === 'json' || flags.format === 'yaml';
    const full = needsState(filters) || parseColumns(wanted, true).some((column) => column.full);
    const [clustered, instances] = await Promise.all([
      isClustered(client, !forPrograms && wanted.includes('L')),
      fetchInstances(client, filters, { full, allProjects }),
    ]);
    const columns = parseColumns(wanted, clustered || forPrograms);
    if (allProjects && !given.has('columns')) columns.unshift(...parseColumns('e', clustered));
    printListing(flags.format, {
      header: columns.map((column) => column.name),
      rows: instances.map((instance) => columns.map((column) => column.show(instance))).sort(compareRows),
      data: instances,
      shape: { list: instanceFull },
    });
  },
});
