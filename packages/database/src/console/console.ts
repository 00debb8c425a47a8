/** The SQL console of an operator (`lxd sql`). */
import type { Connection } from '../engine/connection.ts';
import type { Database } from '../engine/database.ts';
import { notAllowed, toDatabaseError } from '../engine/errors.ts';
import { mayRun, splitStatements } from '../engine/sql-text.ts';
import { dumpText, schemaText } from './dump.ts';

/** What one statement gave. */
export interface StatementResult {
  /** `select`: it gives rows, even if none came; `exec`: it does not. */
  readonly type: 'select' | 'exec';
  readonly columns: readonly string[];
  /** Values in the order of `columns`; a blob is a Buffer. */
  readonly rows: readonly (readonly unknown[])[];
  readonly rowsAffected: number;
}

/** Text for `.dump` and `.schema`; otherwise a result for each statement, none for `.sync`. */
export type ConsoleResult = { readonly text: string } | { readonly results: readonly StatementResult[] };

const run = ({ raw }: Connection, sql: string): StatementResult => {
  if (!mayRun(sql)) throw notAllowed(sql);
  const statement = raw.prepare<[], unknown[]>(sql);
  if (!statement.reader) return { type: 'exec', columns: [], rows: [], rowsAffected: statement.run().changes };
  const columns = statement.columns().map(({ name }) => name);
  return { type: 'select', columns, rows: statement.raw(true).all(), rowsAffected: 0 };
};

/** All statements, in one transaction. */
const runAll = (connection: Connection, statements: readonly string[]): StatementResult[] => {
  connection.exec('BEGIN IMMEDIATE');
  try {
    const results = statements.map((statement) => run(connection, statement));
    connection.exec('COMMIT');
    return results;
  } catch (error) {
    if (connection.raw.inTransaction) connection.exec('ROLLBACK');
    throw toDatabaseError(error);
  }
};

/**
 * Runs what an operator typed: SQL statements, all kept or none; `.dump` and `.schema` for SQL text; `.sync` to bring
 * everything into the database file itself, so that a plain copy of that one file is whole.
 *
 * @throws DatabaseError with SQLite's message when a statement is wrong or may not be used here
 */
export const sqlConsole = async (db: Database, query: string): Promise<ConsoleResult> => {
  const command = query.trim();
  if (command === '.sync') {
    await db.checkpoint();
    return { results: [] };
  }
  return db.exclusive(async (connection) => {
    if (command === '.dump') return { text: dumpText(connection) };
    if (command === '.schema') return { text: schemaText(connection) };
    return { results: runAll(connection, splitStatements(query)) };
  });
};
