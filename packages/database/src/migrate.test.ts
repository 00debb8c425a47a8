import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite from 'better-sqlite3';
import { generateSQLiteDrizzleJson, generateSQLiteMigration } from 'drizzle-kit/api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../test/temporary.ts';
import { type Database, openFile } from './engine/database.ts';
import { migrate, schemaVersion } from './migrate.ts';
import { type Migration, migrations } from './migrations.ts';
import { openDatabase } from './open.ts';
import { applyPatch } from './patch.ts';
import * as global from './schema/global.ts';
import * as local from './schema/local.ts';

let directory: ReturnType<typeof temporaryDirectory>;
let file: string;
beforeEach(() => {
  directory = temporaryDirectory();
  file = join(directory.path, 'x.db');
});
afterEach(() => directory[Symbol.dispose]());

const first: Migration = {
  name: 'first',
  sql: `CREATE TABLE pool (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE volume (id INTEGER PRIMARY KEY, pool_id INTEGER NOT NULL REFERENCES pool (id));
    INSERT INTO pool VALUES (1, 'a'); INSERT INTO volume VALUES (1, 1);`,
};
/** Builds the table anew that the other refers to, as SQLite needs it for most changes of a column. */
const rebuild: Migration = {
  name: 'rebuild',
  sql: `CREATE TABLE new_pool (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    INSERT INTO new_pool SELECT * FROM pool; DROP TABLE pool; ALTER TABLE new_pool RENAME TO pool;`,
};
const wrong: Migration = { name: 'wrong', sql: `UPDATE pool SET name = 'changed'; INSERT INTO nowhere VALUES (1);` };
const dangling: Migration = { name: 'dangling', sql: 'DELETE FROM pool;' };

/** Migrates as one start of a program that knows these migrations does; gives the version before and after. */
const migrated = async (list: readonly Migration[]): Promise<[number, number]> => {
  await using db = openFile(file);
  const before = await schemaVersion(db);
  await migrate(join(directory.path, 'upgrading'), [{ db, migrations: list }]);
  return [before, await schemaVersion(db)];
};
const values = (sql: string, at = file): unknown[] => {
  const raw = new BetterSqlite(at, { readonly: true });
  try {
    return raw.prepare(sql).pluck().all();
  } finally {
    raw.close();
  }
};

describe('[01.38] migrations', () => {
  it('make a new database, without a copy, and are not run again', async () => {
    expect(await migrated([first])).toEqual([0, 1]);
    expect(await migrated([first])).toEqual([1, 1]);
    expect(values('SELECT name FROM schema')).toEqual(['first']);
    expect(existsSync(`${file}.bak`)).toBe(false);
  });

  it('[01.39 09.DBG-04] copy a database beside it before they change it', async () => {
    await migrated([first]);
    expect(await migrated([first, rebuild])).toEqual([1, 2]);
    expect(values('SELECT name FROM schema ORDER BY version')).toEqual(['first', 'rebuild']);
    expect(values('SELECT name FROM schema', `${file}.bak`)).toEqual(['first']);
    expect(values('SELECT name FROM pool', `${file}.bak`)).toEqual(['a']);
    expect(values('PRAGMA integrity_check', `${file}.bak`)).toEqual(['ok']);
    expect(statSync(`${file}.bak`).mode & 0o777).toBe(0o600);
  });

  it('copy what is still in the log of a daemon that was killed, over an older copy', async () => {
    await migrated([first]);
    writeFileSync(`${file}.bak`, 'old');
    writeFileSync(`${file}.bak.part`, 'half');
    const killed = new BetterSqlite(file);
    killed.exec("INSERT INTO pool VALUES (2, 'in the log')");
    expect(statSync(`${file}-wal`).size).toBeGreaterThan(0);
    await migrated([first, rebuild]);
    killed.close();
    expect(values('SELECT name FROM pool', `${file}.bak`)).toEqual(['a', 'in the log']);
    expect(existsSync(`${file}.bak.part`)).toBe(false);
  });

  it.each([wrong, dangling])(
    'leave the database at the last version that went through when one fails: $name',
    async (failing) => {
      await migrated([first]);
      await expect(migrated([first, rebuild, failing])).rejects.toThrow(`Migration 3 (${failing.name})`);
      expect(values('SELECT name FROM schema ORDER BY version')).toEqual(['first', 'rebuild']);
      expect(values('SELECT name FROM pool')).toEqual(['a']);
      await using db = openFile(file);
      expect(await schemaVersion(db)).toBe(2);
      expect(await db.exclusive(async ({ raw }) => raw.pragma('foreign_keys', { simple: true }))).toBe(1);
    },
  );

  it('copy all databases when one is due, and keep those copies when the upgrade is cut short', async () => {
    const otherFile = join(directory.path, 'other.db');
    const start = async (list: readonly Migration[], otherList: readonly Migration[]) => {
      await using db = openFile(file);
      await using other = openFile(otherFile);
      await migrate(join(directory.path, 'upgrading'), [
        { db, migrations: list },
        { db: other, migrations: otherList },
      ]);
    };
    await start([first], [first]);
    await expect(start([first, rebuild], [first, wrong])).rejects.toThrow('Migration 2 (wrong)');
    expect(values('SELECT name FROM schema ORDER BY version')).toEqual(['first', 'rebuild']);
    await start([first, rebuild], [first, rebuild]);
    for (const at of [file, otherFile]) {
      expect(values('SELECT name FROM schema ORDER BY version', at)).toEqual(['first', 'rebuild']);
      expect(values('SELECT name FROM schema', `${at}.bak`)).toEqual(['first']);
    }
    const more: Migration = { name: 'more', sql: 'CREATE TABLE more (id INTEGER)' };
    await start([first, rebuild, more], [first, rebuild]);
    expect(values('SELECT max(version) FROM schema', `${otherFile}.bak`)).toEqual([2]);
    await expect(start([first, rebuild, more, more], [first])).rejects.toThrow(/other\.db has schema version 2/);
    expect(values('SELECT max(version) FROM schema')).toEqual([3]);
  });

  it('[01.40] refuse a database from a newer program, until its copy is put back', async () => {
    await migrated([first]);
    await migrated([first, rebuild]);
    await expect(migrated([first])).rejects.toThrow(/schema version 2, this program knows versions up to 1/);
    writeFileSync(file, readFileSync(`${file}.bak`));
    expect(await migrated([first])).toEqual([1, 1]);
  });
});

describe('the released migrations', () => {
  /** Everything about the tables and indexes that matters, in an order that does not depend on how they were made. */
  const structure = (raw: BetterSqlite.Database) => {
    const ours = "name NOT LIKE 'sqlite_%' AND name NOT IN ('schema', 'applied_patch')";
    const tables = raw.prepare<[], string>(`SELECT name FROM sqlite_master WHERE type = 'table' AND ${ours}`).pluck();
    return tables
      .all()
      .sort()
      .map((table) => ({
        table,
        columns: raw.pragma(`table_info(${table})`),
        foreignKeys: raw.pragma(`foreign_key_list(${table})`),
        indexes: raw
          .prepare<[string], string>(`SELECT name || ' ' || coalesce(sql, '') FROM sqlite_master
             WHERE type = 'index' AND tbl_name = ? ORDER BY name`)
          .pluck()
          .all(table)
          .map((text) => text.replaceAll(/[`"]/g, '')),
      }));
  };

  it.each([
    ['global' as const, { ...global }],
    ['local' as const, { ...local }],
  ])('lead to the schema in the code: %s', async (kind, schema) => {
    await using db = await openDatabase({ directory: directory.path, kind });
    const empty = await generateSQLiteDrizzleJson({});
    const wanted = new BetterSqlite(':memory:');
    for (const sql of await generateSQLiteMigration(empty, await generateSQLiteDrizzleJson(schema))) wanted.exec(sql);
    expect(structure(wanted).length).toBeGreaterThan(1);
    expect(await db.exclusive(async ({ raw }) => structure(raw))).toEqual(structure(wanted));
    expect(await schemaVersion(db)).toBe(migrations[kind].length);
  });

  it('declare nothing but INTEGER and TEXT columns, for the sake of dqlite', async () => {
    await using db = await openDatabase({ directory: directory.path, kind: 'global' });
    const types = await db.exclusive(async ({ all }) =>
      all("SELECT DISTINCT upper(c.type) FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'", []),
    );
    // The empty type is that of the columns of SQLite's own sqlite_sequence.
    expect(types.flat().sort()).toEqual(['', 'INTEGER', 'TEXT']);
  });
});

describe('[09.DBG-06] a patch', () => {
  const patchFile = () => join(directory.path, 'patch.local.sql');
  const open = () => openDatabase({ directory: directory.path, kind: 'local' });
  const rows = (db: Database) => db.exclusive(async ({ all }) => all('SELECT key, value FROM config ORDER BY key', []));
  beforeEach(async () => {
    await using db = await open();
    await db.exclusive(async ({ exec }) => exec("INSERT INTO config VALUES ('n', '1')"));
  });

  it('is run at start and deleted', async () => {
    writeFileSync(patchFile(), "-- repair;\nUPDATE config SET value = 'a;b';\nINSERT INTO config VALUES ('m', '2');");
    await using db = await open();
    expect(await rows(db)).toEqual([
      ['m', '2'],
      ['n', 'a;b'],
    ]);
    expect(existsSync(patchFile())).toBe(false);
  });

  it('for the global database lies beside the local one', async () => {
    const globalPatch = join(directory.path, 'patch.global.sql');
    await (await openDatabase({ directory: directory.path, kind: 'global' })).close();
    writeFileSync(globalPatch, "INSERT INTO config VALUES ('x', 'y')");
    await using db = await openDatabase({ directory: directory.path, kind: 'global' });
    expect(await rows(db)).toEqual([['x', 'y']]);
    expect(existsSync(globalPatch)).toBe(false);
  });

  it.each([
    "UPDATE config SET value = '2'; INSERT INTO nowhere VALUES (1);",
    "UPDATE config SET value = '2'; COMMIT; INSERT INTO nowhere VALUES (1);",
    "UPDATE config SET value = '2'; COMMIT;",
    "COMMIT; UPDATE config SET value = '2';",
  ])('that fails changes nothing, stays, and keeps the daemon from starting: %s', async (sql) => {
    writeFileSync(patchFile(), sql);
    await expect(open()).rejects.toThrow(/The patch .*patch\.local\.sql failed, nothing was changed/);
    expect(readFileSync(patchFile(), 'utf8')).toBe(sql);
    expect(values('SELECT value FROM config', join(directory.path, 'local.db'))).toEqual(['1']);
  });

  it('is not run twice when the daemon dies before it could delete the file', async () => {
    const sql = 'UPDATE config SET value = value + 1';
    writeFileSync(patchFile(), sql);
    await using db = await open();
    expect(await rows(db)).toEqual([['n', '2']]);
    // What is left behind then: the mark of the patch in the database, and its file.
    const digest = createHash('sha256').update(sql).digest('hex');
    await db.exclusive(async ({ exec, run }) => {
      exec('CREATE TABLE applied_patch (digest TEXT PRIMARY KEY NOT NULL)');
      run('INSERT INTO applied_patch (digest) VALUES (?)', [digest]);
    });
    writeFileSync(patchFile(), sql);
    expect(await applyPatch(db, patchFile())).toBe(true);
    expect(await rows(db)).toEqual([['n', '2']]);
    expect(existsSync(patchFile())).toBe(false);
  });

  it('may be run again later, when the operator asks again', async () => {
    for (const value of ['2', '3']) {
      writeFileSync(patchFile(), 'UPDATE config SET value = value + 1');
      await using db = await open();
      expect(await rows(db)).toEqual([['n', value]]);
    }
  });
});
