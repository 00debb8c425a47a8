import type { Image } from '@lxd-ts/api';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { formatFlag, string } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { inWords } from '../../output/time.ts';
import { imagesOf } from './remote.ts';
import { imageShape } from './shape.ts';

interface Column {
  name: string;
  show(image: Image): string;
}

const byLength = (image: Image): string[] =>
  image.aliases.map(({ name }) => name).toSorted((a, b) => a.length - b.length);

/** The shortest alias, and how many more there are. */
const alias = (image: Image): string => {
  const [shortest = '', ...others] = byLength(image);
  return others.length === 0 ? shortest : `${shortest} (${others.length} more)`;
};

/** Bytes as megabytes of 1024 × 1024, as the reference client counts images. */
export const megabytes = (size: number): string => `${(size / 1024 / 1024).toFixed(2)}MB`;

const columns: Record<string, Column> = {
  l: { name: 'ALIAS', show: alias },
  L: { name: 'ALIASES', show: (image) => image.aliases.map(({ name }) => name).join('\n') },
  f: { name: 'FINGERPRINT', show: ({ fingerprint }) => fingerprint.slice(0, 12) },
  F: { name: 'FINGERPRINT', show: ({ fingerprint }) => fingerprint },
  p: { name: 'PUBLIC', show: (image) => (image.public ? 'yes' : 'no') },
  d: { name: 'DESCRIPTION', show: ({ properties }) => properties.description ?? '' },
  a: { name: 'ARCHITECTURE', show: ({ architecture }) => architecture },
  s: { name: 'SIZE', show: ({ size }) => megabytes(size) },
  u: { name: 'UPLOAD DATE', show: ({ uploaded_at: time }) => inWords(time) },
  t: { name: 'TYPE', show: ({ type }) => type.toUpperCase() },
};

const parseColumns = (text: string): Column[] =>
  text.split(',').flatMap((part) => {
    if (part === '') {
      throw new UserError(`Empty column entry (redundant, leading or trailing command) in '${text}'`);
    }
    return [...part].map((letter) => {
      const column = columns[letter];
      if (column === undefined) throw new UserError(`Unknown column shorthand char '${letter}' in '${text}'`);
      return column;
    });
  });

const abbreviates = (short: string, full: string): boolean => {
  const parts = full.split('.');
  return short.split('.').every((part, index) => parts[index]?.startsWith(part));
};

const matches = (pattern: string, value: string): boolean => {
  if (pattern === value) return true;
  try {
    return new RegExp(`^(?:${pattern})$`).test(value);
  } catch {
    // No regular expression: only the text itself is meant.
    return false;
  }
};

const accepts = (filter: string, image: Image): boolean => {
  const equals = filter.indexOf('=');
  if (equals < 0) {
    return image.aliases.some(({ name }) => name.includes(filter)) || image.fingerprint.includes(filter);
  }
  const key = filter.slice(0, equals);
  const value = filter.slice(equals + 1);
  if (key === 'type') return value.toLowerCase() === image.type;
  if (key === 'architecture' && matches(value, image.architecture)) return true;
  return Object.entries(image.properties).some(([name, actual]) => abbreviates(key, name) && matches(value, actual));
};

export const imageList = command({
  use: '[<remote>:] [<filter>...]',
  short: 'List images',
  long: `Filters may be of the <key>=<value> form for property based filtering,
or part of the image hash or part of the image alias name.

The -c option takes a (optionally comma-separated) list of arguments
that control which image attributes to output when displaying in table
or csv format.

Default column layout is: lfpdasu

Column shorthand chars:

    l - Shortest image alias (and optionally number of other aliases)
    L - Newline-separated list of all image aliases
    f - Fingerprint (short)
    F - Fingerprint (long)
    p - Whether image is public
    d - Description
    a - Architecture
    s - Size
    u - Upload date
    t - Type`,
  args: [0, Number.POSITIVE_INFINITY],
  flags: { columns: string('Columns', { short: 'c', default: 'lfpdatsu' }), format: formatFlag },
  run: async (cli, { args: [first = '', ...more], flags }) => {
    const shown = parseColumns(flags.columns);
    const named = first.includes(':') && !first.includes('=');
    const { remote, name } = cli.resource(named ? first : '');
    const filters = [...(named ? [name] : [first]), ...more].filter((filter) => filter !== '');
    const images = (await imagesOf(cli, remote)).filter((image) => filters.every((filter) => accepts(filter, image)));
    printListing(flags.format, {
      header: shown.map((column) => column.name),
      rows: images.map((image) => shown.map((column) => column.show(image))).sort(compareRows),
      data: images,
      shape: { list: imageShape },
    });
  },
});
