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
  out(drawListing(format, listing));
};

const drawListing = (format: string, listing: Listing): string => {
  if (format === 'table') return drawTable(listing);
  if (format === 'compact') return drawCompact(listing);
  if (format === 'csv') return drawCsv(listing);
  if (format === 'json') return `${printJson(listing.data, listing.shape)}\n`;
  if (format === 'yaml') return printYaml(listing.data, listing.shape);
  throw new UserError(`Invalid format "${format}"`);
};
