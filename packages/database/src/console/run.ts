/** Runs SQL text of any number of statements. */
import type { Connection } from '../engine/connection.ts';
import { notAllowed, toDatabaseError } from '../engine/errors.ts';
import { mayRun, splitStatements } from '../engine/sql-text.ts';

/** What one statement gave. */
export interface StatementResult {
  /** `select`: it gives rows, even if none came; `exec`: it does not. */
  readonly type: 'select' | 'exec';
  readonly columns: readonly string[];
  /** Values in the order of `columns`; a blob is a Buffer. */
  readonly rows: readonly (readonly unknown[])[];
  readonly rowsAffected: number;
}

const runStatement = ({ raw }: Connection, sql: string): StatementResult => {
  if (!mayRun(sql)) throw notAllowed(sql);
  const statement = raw.prepare<[], unknown[]>(sql);
  if (!statement.reader) return { type: 'exec', columns: [], rows: [], rowsAffected: statement.run().changes };
  const columns = statement.columns().map(({ name }) => name);
  return { type: 'select', columns, rows: statement.raw(true).all(), rowsAffected: 0 };
};

/**
 * Runs the statements in `sql` one after another, within the transaction the connection is in.
 *
 * @throws DatabaseError with SQLite's message at the first that fails or may not be used here; the caller rolls back
 */
export const runStatements = (connection: Connection, sql: string): StatementResult[] => {
  try {
    return splitStatements(sql).map((statement) => runStatement(connection, statement));
  } catch (error) {
    throw toDatabaseError(error);
  }
};
