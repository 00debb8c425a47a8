/** The SQL console of an operator (`lxd sql`). */
import { atomically } from '../engine/connection.ts';
import type { Database } from '../engine/database.ts';
import { dumpText, schemaText } from './dump.ts';
import { runStatements, type StatementResult } from './run.ts';

/** Text for `.dump` and `.schema`; otherwise a result for each statement, none for `.sync`. */
export type ConsoleResult = { readonly text: string } | { readonly results: readonly StatementResult[] };

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
    return { results: atomically(connection, () => runStatements(connection, query)) };
  });
};
