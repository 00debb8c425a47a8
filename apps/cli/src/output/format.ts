import { isatty } from 'node:tty';
import { UserError } from '../command/errors.ts';
import { printYaml } from '../yaml/print.ts';
import type { Shape } from '../yaml/shape.ts';
import { printJson } from './json.ts';
import { out } from './streams.ts';
import { drawCompact, drawCsv, drawTable, fitTable, type Table } from './table.ts';

/** A list to show, both as a table for people and as data for programs. */
export interface Listing extends Table {
  data: unknown;
  shape: Shape;
}

/** A table as it fits the terminal; as it is where none is, for programs that read it. */
const fitting = (table: Table): Table => {
  const columns = isatty(1) ? process.stdout.columns : 0;
  return columns > 0 ? fitTable(table, columns) : table;
};

const renderers: Record<string, (listing: Listing) => string> = {
  table: (listing) => drawTable(fitting(listing)),
  compact: (listing) => drawCompact(fitting(listing)),
  csv: drawCsv,
  json: ({ data, shape }) => `${printJson(data, shape)}\n`,
  yaml: ({ data, shape }) => printYaml(data, shape),
};

/**
 * Prints a list in the format that was asked for.
 *
 * @throws UserError for a format that is not csv, json, table, yaml or compact
 */
export const printListing = (format: string, listing: Listing): void => {
  const render = renderers[format];
  if (render === undefined) throw new UserError(`Invalid format "${format}"`);
  out(render(listing));
};
