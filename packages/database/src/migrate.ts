/** Brings databases forward to the schema the code knows. */
import { existsSync, rmSync } from 'node:fs';
import { createEmpty, remove, replace } from './durable.ts';
import { atomically, type Connection } from './engine/connection.ts';
import type { Database } from './engine/database.ts';
import { DatabaseError } from './engine/errors.ts';
import type { Migration } from './migrations.ts';

/** A database and all its migrations, oldest first. */
export interface Target {
  readonly db: Database;
  readonly migrations: readonly Migration[];
}

const versionTable = `CREATE TABLE IF NOT EXISTS schema (
  version INTEGER PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  applied_date INTEGER NOT NULL
)`;

/** How many migrations a database has been through; 0 when it is new. */
export const schemaVersion = (db: Database): Promise<number> =>
  db.exclusive(async ({ raw }) => {
    const known = raw.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema'").get();
    if (known === undefined) return 0;
    return raw.prepare<[], number>('SELECT coalesce(max(version), 0) FROM schema').pluck().get() ?? 0;
  });

/** Copies a database, as it is now, to `<file>.bak`. An older copy there is replaced once the new one is whole. */
const backUp = (db: Database): Promise<void> =>
  db.exclusive(async ({ raw }) => {
    const part = `${db.file}.bak.part`;
    rmSync(part, { force: true });
    // VACUUM INTO accepts an empty file, and so keeps its mode.
    createEmpty(part);
    raw.prepare('VACUUM INTO ?').run(part);
    replace(`${db.file}.bak`, part);
  });

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

/** @throws DatabaseError when the database is newer than the code */
const checkedVersion = async ({ db, migrations }: Target): Promise<number> => {
  const version = await schemaVersion(db);
  if (version <= migrations.length) return version;
  throw new DatabaseError(
    'SQLITE_SCHEMA',
    `The database ${db.file} has schema version ${version}, this program knows versions up to ${migrations.length}: ` +
      `use the newer program, or put the copy ${db.file}.bak from before the upgrade in its place`,
  );
};

/**
 * Applies the migrations that databases have not been through yet, each in a transaction of its own. When one that holds
 * data is due, all that hold data are first copied to `<file>.bak`: together they are the state to go back to.
 *
 * @param marker - a file that stands while these databases are upgraded, and is theirs alone. An upgrade that was cut short
 *   is taken up where it was, and the copies from its beginning are kept.
 * @throws DatabaseError when one is newer than the code, before anything is changed; or when a migration fails: the
 *   database then stands at the last one that went through
 */
export const migrate = async (marker: string, targets: readonly Target[]): Promise<void> => {
  const found = await Promise.all(
    targets.map(async (target) => ({ ...target, version: await checkedVersion(target) })),
  );
  const upgrade = found.some(({ version, migrations }) => version > 0 && version < migrations.length);
  if (upgrade && !existsSync(marker)) {
    for (const { db, version } of found) if (version > 0) await backUp(db);
    createEmpty(marker);
  }
  for (const { db, version, migrations } of found) {
    await db.exclusive(async (connection) => {
      for (const [at, migration] of migrations.entries()) if (at >= version) apply(connection, at + 1, migration);
    });
  }
  if (existsSync(marker)) remove(marker);
};
