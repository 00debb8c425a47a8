import { UserError } from '../command/errors.ts';
import { printYaml } from '../yaml/print.ts';
import type { Shape } from '../yaml/shape.ts';
import { printJson } from './json.ts';
import { out } from './streams.ts';
import { drawCompact, drawCsv, drawTable, type Table } from './table.ts';

/** A list to show, both as a table for people and as data for programs. */
export interface Listing extends Table {
  data: unknown;
  shape: Shape;
}

/**
 * Prints a list in the format that was asked for.
 *
 * @throws UserError for a format that is not csv, json, table, yaml or compact
 */
export const printListing = (format: string, listing: Listing): void => {
  if (format === 'table') return out(drawTable(listing));
  if (format === 'compact') return out(drawCompact(listing));
  if (format === 'csv') return out(drawCsv(listing));
  if (format === 'json') return out(`${printJson(listing.data, listing.shape)}\n`);
  if (format === 'yaml') return out(printYaml(listing.data, listing.shape));
  throw new UserError(`Invalid format "${format}"`);
};
