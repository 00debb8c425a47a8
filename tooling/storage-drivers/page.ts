/** docs/storage-drivers.md: text written by hand, with tables that are made of the drivers' records. */
import type { StorageDriver } from '@lxd-ts/driver-kit';
import { keyTable } from './keys.ts';
import { markdownTable, replacePart } from './markdown.ts';
import { type Table, tables } from './matrix.ts';

export const pagePath = 'docs/storage-drivers.md';

const featureTable = ({ title, rows }: Table, drivers: readonly StorageDriver[]): string =>
  markdownTable([
    [title, ...drivers.map(({ name }) => name)],
    ...rows.map(({ name, cell }) => [name, ...drivers.map(cell)]),
  ]);

const proofTable = (): string =>
  markdownTable([
    ['Row', 'Proven by'],
    ...tables
      .flatMap(({ rows }) => rows)
      .map(({ name, proofs }) => [
        name,
        proofs.map(({ file, title }) => `“${title}” ([${file.split('/').slice(-2).join('/')}](../${file}))`).join('; '),
      ]),
  ]);

/** The page with its tables made anew. */
export const renewPage = (page: string, drivers: readonly StorageDriver[]): string => {
  const parts: Readonly<Record<string, string>> = {
    features: tables.map((table) => featureTable(table, drivers)).join('\n\n'),
    'pool keys': keyTable(drivers, ({ poolConfig }) => poolConfig),
    'volume keys': keyTable(drivers, ({ volumeConfig }) => volumeConfig),
    'bucket keys': keyTable(drivers, ({ bucketConfig }) => bucketConfig ?? []),
    proofs: proofTable(),
  };
  return Object.entries(parts).reduce((text, [name, part]) => replacePart(text, name, part), page);
};
