import type { Client } from '@lxd-ts/client';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, formatFlag, string } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { bytesIec } from '../../output/units.ts';
import { required } from '../common/object.ts';
import { isClustered } from '../server.ts';
import { volumeShape } from './shape.ts';

interface Volume {
  name: string;
  type: string;
  description: string;
  content_type: string;
  location: string;
  project: string;
  config: Record<string, string>;
  used_by: string[] | null;
  /** In bytes, once it was asked for. */
  used?: number;
}

interface Column {
  name: string;
  show(volume: Volume): string;
}

const isSnapshot = ({ name }: Volume): boolean => name.includes('/');

const columns: Record<string, Column> = {
  c: { name: 'CONTENT-TYPE', show: (volume) => volume.content_type },
  d: { name: 'DESCRIPTION', show: ({ description }) => description },
  e: { name: 'PROJECT', show: ({ project }) => project },
  L: { name: 'LOCATION', show: ({ location }) => location },
  n: { name: 'NAME', show: ({ name }) => name },
  t: { name: 'TYPE', show: (volume) => (isSnapshot(volume) ? `${volume.type} (snapshot)` : volume.type) },
  u: { name: 'USED BY', show: (volume) => String(volume.used_by?.length ?? 0) },
  U: { name: 'USAGE', show: ({ used }) => (used === undefined ? '' : bytesIec(used, 2)) },
};

const defaultColumns = 'etndcuL';

/** The letters of the columns; by default without what is the same for all rows. */
const parseColumns = (text: string, clustered: boolean, allProjects: boolean): Column[] => {
  let letters = text;
  if (text === defaultColumns) {
    if (!clustered) letters = letters.replace('L', '');
    if (!allProjects) letters = letters.replace('e', '');
  }
  return letters.split(',').flatMap((part) => {
    if (part === '') throw new UserError(`Empty column entry (redundant, leading or trailing command) in '${text}'`);
    return [...part].map((letter) => {
      const column = columns[letter];
      if (column === undefined) throw new UserError(`Unknown column shorthand char '${letter}' in '${part}'`);
      if (letter === 'L' && !clustered) throw new UserError("Can't specify column L when not clustered");
      return column;
    });
  });
};

const fieldOf = (volume: Volume, key: string): string => {
  if (key.startsWith('config.')) return volume.config[key.slice('config.'.length)] ?? '';
  const { name, type, content_type, location, project, description } = volume;
  const fields: Record<string, string> = { name, type, content_type, location, project, description };
  return fields[key] ?? volume.config[key] ?? '';
};

const matches = (pattern: string, value: string): boolean => {
  if (pattern.toLowerCase() === value.toLowerCase()) return true;
  try {
    return new RegExp(`^(?:${pattern})$`, 'i').test(value);
  } catch {
    // No regular expression: only the text itself is meant.
    return false;
  }
};

const accepts = (filter: string, volume: Volume): boolean => {
  const equals = filter.indexOf('=');
  if (equals < 0) return volume.name.startsWith(filter) || matches(filter, volume.name);
  return filter
    .slice(equals + 1)
    .split(',')
    .some((value) => matches(value, fieldOf(volume, filter.slice(0, equals))));
};

/** Asks for the space that a volume takes; snapshots have no state of their own. */
const withUsage = async (client: Client, pool: string, volume: Volume): Promise<Volume> => {
  if (isSnapshot(volume) || volume.type === 'image') return volume;
  const scope = volume.project === '' ? client : client.inProject(volume.project);
  const member = volume.location === '' || volume.location === 'none' ? scope : scope.onMember(volume.location);
  const { value } = await member.get<{ usage: { used: number } | null }>([
    'storage-pools',
    pool,
    'volumes',
    volume.type,
    volume.name,
    'state',
  ]);
  return value.usage ? { ...volume, used: value.usage.used } : volume;
};

/** A volume's snapshots stand below it, though their type is another word. */
const compareVolumes = (a: readonly string[], b: readonly string[]): number => {
  const folded = (row: readonly string[]): string[] => row.map((cell) => cell.replace(/ \(snapshot\)$/, ''));
  return compareRows(folded(a), folded(b));
};

export const volumeList = command({
  use: '[<remote>:]<pool> [<filter>...]',
  short: 'List storage volumes',
  long: `The -c option takes a (optionally comma-separated) list of arguments
that control which image attributes to output when displaying in table
or csv format.

Column shorthand chars:
    c - Content type (filesystem or block)
    d - Description
    e - Project name
    L - Location of the instance (e.g. its cluster member)
    n - Name
    t - Type of volume (custom, image, container or virtual-machine)
    u - Number of references (used by)
    U - Current disk usage`,
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    'all-projects': bool('All projects'),
    columns: string('Columns', { short: 'c', default: defaultColumns }),
    format: formatFlag,
  },
  run: async (cli, { args: [text = '', ...filters], flags }) => {
    const allProjects = flags['all-projects'];
    const { client, name } = await cli.locate(text);
    const pool = required(name, 'pool name');
    const scope = allProjects ? client.inProject('') : client;
    const [{ value }, clustered] = await Promise.all([
      scope.get<Volume[]>(['storage-pools', pool, 'volumes'], { recursion: 1, 'all-projects': allProjects }),
      isClustered(client),
    ]);
    const shown = parseColumns(flags.columns, clustered, allProjects);
    const wanted = value.filter((volume) => filters.every((filter) => accepts(filter, volume)));
    const usage = shown.some((column) => column.name === 'USAGE');
    const volumes = usage ? await Promise.all(wanted.map((volume) => withUsage(client, pool, volume))) : wanted;
    printListing(flags.format, {
      header: shown.map((column) => column.name),
      rows: volumes.map((volume) => shown.map((column) => column.show(volume))).sort(compareVolumes),
      data: volumes,
      shape: { list: volumeShape },
    });
  },
});
