/** Opens the daemon's databases where LXD keeps them. */
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Database, openFile } from './engine/database.ts';
import { migrate } from './migrate.ts';
import { migrations } from './migrations/index.ts';
import { applyPatch } from './patch.ts';

/** `local`: what one server alone knows. `global`: what all members of a cluster share. */
export type DatabaseKind = 'local' | 'global';

export interface OpenOptions {
  /** The directory of the databases, `<LXD_DIR>/database`. Made when it is not there. */
  readonly directory: string;
  readonly kind: DatabaseKind;
}

/** Where the database of a kind is, below the directory of the databases. */
const place = { local: 'local.db', global: join('global', 'db.bin') };

/** SQLite gives its log the mode of the database file, so making that file first keeps both from other users' eyes. */
const prepareFile = (file: string): void => {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
};

/**
 * Opens a database, and makes or upgrades it first: `patch.<kind>.sql` in the directory is applied, then the migrations
 * that are due, after a copy to `<file>.bak`.
 *
 * @throws DatabaseError when the database is newer than this program, or the patch or a migration fails
 */
export const openDatabase = async ({ directory, kind }: OpenOptions): Promise<Database> => {
  const file = join(directory, place[kind]);
  prepareFile(file);
  const db = openFile(file);
  try {
    await applyPatch(db, join(directory, `patch.${kind}.sql`));
    await migrate(db, migrations[kind]);
    return db;
  } catch (error) {
    await db.close();
    throw error;
  }
};
