/** Opens the daemon's databases where LXD keeps them. */
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Database, openFile } from './engine/database.ts';
import { migrate } from './migrate.ts';
import { migrations } from './migrations.ts';
import { applyPatch } from './patch.ts';

/** `local`: what one server alone knows. `global`: what all members of a cluster share. */
export type DatabaseKind = 'local' | 'global';

export interface OpenOptions {
  /** `<LXD_DIR>/database`; made when it is not there. */
  readonly directory: string;
  readonly kind: DatabaseKind;
}

/** Both databases of a server. */
export type Databases = Readonly<Record<DatabaseKind, Database>>;

/** Where the database of a kind is, below the directory of the databases. */
const place = { local: 'local.db', global: join('global', 'db.bin') };

/** SQLite gives its log the mode of the database file, so making that file first keeps both from other users' eyes. */
const prepareFile = (file: string): void => {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
};

/** Opens the databases of the given kinds, patches and migrates them; closes all when that fails. */
const open = async <Kind extends DatabaseKind>(directory: string, kinds: readonly Kind[]) => {
  await using opened = new AsyncDisposableStack();
  const targets = kinds.map((kind) => {
    const file = join(directory, place[kind]);
    prepareFile(file);
    return { kind, db: opened.use(openFile(file)), migrations: migrations[kind] };
  });
  for (const { kind, db } of targets) await applyPatch(db, join(directory, `patch.${kind}.sql`));
  await migrate(join(directory, ['upgrading', ...kinds].join('.')), targets);
  opened.move();
  // Object.fromEntries forgets which keys went in.
  return Object.fromEntries(targets.map(({ kind, db }) => [kind, db])) as Record<Kind, Database>;
};

/**
 * Opens both databases of a server, and makes or upgrades them first: the operator's `patch.local.sql` and
 * `patch.global.sql` in the directory are applied, then the migrations that are due, after a copy of both to `<file>.bak`.
 *
 * @param directory - `<LXD_DIR>/database`; made when it is not there
 * @throws DatabaseError when a database is newer than this program, or a patch or a migration fails
 */
export const openDatabases = (directory: string): Promise<Databases> => open(directory, ['local', 'global']);

/** Opens one of the databases alone; otherwise like `openDatabases`. */
export const openDatabase = async ({ directory, kind }: OpenOptions): Promise<Database> =>
  (await open(directory, [kind]))[kind];
