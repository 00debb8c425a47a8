/** SQL an operator leaves beside the database to repair it at the next start. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { runStatements } from './console/run.ts';
import { remove } from './durable.ts';
import { atomically, type Connection } from './engine/connection.ts';
import type { Database } from './engine/database.ts';
import { DatabaseError } from './engine/errors.ts';

/** Holds the patch that was applied and whose file is still to be deleted, so that a crash between the two harms nothing. */
const table = 'CREATE TABLE IF NOT EXISTS applied_patch (digest TEXT PRIMARY KEY NOT NULL)';

const applied = ({ raw }: Connection, digest: string): boolean => {
  const known = raw.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'applied_patch'").get();
  return known !== undefined && raw.prepare('SELECT 1 FROM applied_patch WHERE digest = ?').get(digest) !== undefined;
};

const read = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
};

/**
 * Runs the SQL in `file`, if there is such a file, in one transaction, and deletes the file.
 *
 * @returns whether a patch was applied
 * @throws DatabaseError when a statement fails; nothing is changed then and the file stays
 */
export const applyPatch = (db: Database, file: string): Promise<boolean> =>
  db.exclusive(async (connection) => {
    const sql = read(file);
    if (sql === undefined) {
      connection.exec('DROP TABLE IF EXISTS applied_patch');
      return false;
    }
    const { raw } = connection;
    const digest = createHash('sha256').update(sql).digest('hex');
    if (!applied(connection, digest)) {
      try {
        atomically(connection, () => {
          connection.exec(table);
          raw.prepare('INSERT INTO applied_patch (digest) VALUES (?)').run(digest);
          runStatements(connection, sql);
        });
      } catch (error) {
        throw new DatabaseError('SQLITE_ERROR', `The patch ${file} failed, nothing was changed: ${String(error)}`, {
          cause: error,
        });
      }
    }
    remove(file);
    connection.exec('DROP TABLE applied_patch');
    return true;
  });
