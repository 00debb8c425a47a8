/** Many rows at once, within the number of parameters a statement may have. */
import { getTableColumns, type InferInsertModel } from 'drizzle-orm';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';
import { maxParameters } from '../engine/connection.ts';
import type { Transaction } from '../engine/transaction.ts';

/** Cuts a list into pieces of at most `size`. */
const chunked = <T>(list: readonly T[], size: number): T[][] => {
  const pieces: T[][] = [];
  for (let at = 0; at < list.length; at += size) pieces.push(list.slice(at, at + size));
  return pieces;
};

/**
 * Inserts one row.
 *
 * @returns its id
 * @throws UniqueViolation, ForeignKeyViolation
 */
export const insertRow = async <Table extends SQLiteTable>(
  tx: Transaction,
  table: Table,
  row: InferInsertModel<Table>,
): Promise<number> => (await tx.insert(table).values(row)).lastInsertRowid;

/**
 * Inserts any number of rows, in as few statements as the number of parameters allows.
 *
 * @throws UniqueViolation, ForeignKeyViolation
 */
export const insertRows = async <Table extends SQLiteTable>(
  tx: Transaction,
  table: Table,
  rows: readonly InferInsertModel<Table>[],
): Promise<void> => {
  const perStatement = Math.floor(maxParameters / Object.keys(getTableColumns(table)).length);
  for (const piece of chunked(rows, perStatement)) await tx.insert(table).values(piece);
};
