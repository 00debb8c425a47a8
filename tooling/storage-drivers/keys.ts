/** The configuration keys of the storage drivers as a table. What several drivers declare alike stands there once. */
import type { ConfigKey, StorageDriver } from '@lxd-ts/driver-kit';
import { markdownTable } from './markdown.ts';

const typeOf = ({ type, values }: ConfigKey): string => (values ? values.map((one) => `\`${one}\``).join(', ') : type);

const rowOf = (key: ConfigKey): readonly string[] => [
  `\`${key.key}\``,
  typeOf(key),
  key.default === undefined ? '' : /\s/.test(key.default) ? key.default : `\`${key.default}\``,
  key.condition ?? '',
  key.scope === 'local' ? `${key.description} (each member has its own)` : key.description,
];

/** @param keysOf - which keys of a driver: those of its pools, volumes or buckets */
export const keyTable = (
  drivers: readonly StorageDriver[],
  keysOf: (driver: StorageDriver) => readonly ConfigKey[],
): string => {
  const found = new Map<string, { readonly row: readonly string[]; readonly drivers: string[] }>();
  for (const driver of drivers) {
    for (const key of keysOf(driver).filter(({ internal }) => !internal)) {
      const row = rowOf(key);
      const same = JSON.stringify(row);
      const one = found.get(same) ?? { row, drivers: [] };
      one.drivers.push(driver.name);
      found.set(same, one);
    }
  }
  const rows = [...found.values()].sort((a, b) =>
    (a.row[0] ?? '') < (b.row[0] ?? '') ? -1 : a.row[0] === b.row[0] ? 0 : 1,
  );
  return markdownTable([
    ['Key', 'Drivers', 'Type', 'Default', 'Applies when', 'What it does'],
    ...rows.map(({ row: [key = '', ...rest], drivers: names }) => [key, names.join(' '), ...rest]),
  ]);
};
