/** Brings a database forward to the schema the code knows. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { atomically, type Connection } from './engine/connection.ts';
import type { Database } from './engine/database.ts';
import { DatabaseError } from './engine/errors.ts';
import type { Migration } from './migrations/index.ts';

const versionTable = `CREATE TABLE IF NOT EXISTS schema (
  version INTEGER PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  applied_date INTEGER NOT NULL
)`;

/** How many migrations the database has been through; 0 when it is new. */
export const schemaVersion = ({ raw }: Connection): number => {
  const known = raw.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema'").get();
  if (known === undefined) return 0;
  return raw.prepare<[], number>('SELECT coalesce(max(version), 0) FROM schema').pluck().get() ?? 0;
};

/** Makes what was written to `path` outlast a power cut. */
const sync = (path: string): void => {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
};

/** Copies the database, as it is now, to `<file>.bak`. An older copy there is replaced once the new one is whole. */
const backUp = (connection: Connection, file: string): void => {
  const part = `${file}.bak.part`;
  rmSync(part, { force: true });
  // An empty file made first gives the copy its mode: VACUUM INTO accepts one.
  closeSync(openSync(part, 'wx', 0o600));
  connection.raw.prepare('VACUUM INTO ?').run(part);
  sync(part);
  renameSync(part, `${file}.bak`);
  sync(dirname(file));
};

/**
 * Runs one migration in a transaction. Foreign keys are checked at its end rather than at each step, so that a table can
 * be rebuilt while others refer to it (https://www.sqlite.org/lang_altertable.html#otheralter).
 */
const apply = (connection: Connection, version: number, { name, sql }: Migration): void => {
  const { raw } = connection;
  raw.pragma('foreign_keys = OFF');
  try {
    atomically(connection, () => {
      connection.exec(versionTable);
      connection.exec(sql);
      const broken = raw.prepare('PRAGMA foreign_key_check').get();
      if (broken !== undefined) throw new DatabaseError('SQLITE_CONSTRAINT_FOREIGNKEY', JSON.stringify(broken));
      raw.prepare('INSERT INTO schema (version, name, applied_date) VALUES (?, ?, ?)').run(version, name, Date.now());
    });
  } catch (error) {
    const message = `Migration ${version} (${name}) of the database failed: ${String(error)}`;
    throw new DatabaseError('SQLITE_ERROR', message, { cause: error });
  } finally {
    raw.pragma('foreign_keys = ON');
  }
};

/**
 * Applies the migrations a database has not been through yet, each in a transaction of its own. A database that holds
 * data is first copied to `<file>.bak`.
 *
 * @returns the versions before and after
 * @throws DatabaseError when the database is newer than the code, or a migration fails: it then stands at the last one
 *   that went through
 */
export const migrate = (db: Database, list: readonly Migration[]): Promise<{ from: number; to: number }> =>
  db.exclusive(async (connection) => {
    const from = schemaVersion(connection);
    const to = list.length;
    if (from > to) {
      throw new DatabaseError(
        'SQLITE_SCHEMA',
        `The database ${db.file} has schema version ${from}, this program knows versions up to ${to}: ` +
          `use the newer program, or put the copy ${db.file}.bak from before the upgrade in its place`,
      );
    }
    if (from > 0 && from < to) backUp(connection, db.file);
    for (const [index, migration] of list.entries()) if (index >= from) apply(connection, index + 1, migration);
    return { from, to };
  });
