import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite from 'better-sqlite3';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { instanceRow, openGlobal } from '../../test/member.ts';
import { temporaryDirectory } from '../../test/temporary.ts';
import type { Database } from '../engine/database.ts';
import { splitStatements } from '../engine/sql-text.ts';
import { insertRow } from '../rows/bulk.ts';
import { replaceConfig } from '../rows/config.ts';
import { instances, instancesConfig } from '../schema/global.ts';
import { sqlConsole } from './console.ts';

let directory: ReturnType<typeof temporaryDirectory>;
let db: Database;
beforeEach(async () => {
  directory = temporaryDirectory();
  db = await openGlobal(directory.path);
  await db.transaction(async (tx) => {
    const id = await insertRow(tx, instances, instanceRow('c1'));
    await replaceConfig(tx, instancesConfig, id, { 'user.text': `it's "quoted";\nand más` });
  });
});
afterEach(async () => {
  await db.close();
  directory[Symbol.dispose]();
});

const run = async (query: string) => {
  const result = await sqlConsole(db, query);
  if ('text' in result) throw new Error('text was not expected');
  return result.results;
};
const text = async (query: string) => {
  const result = await sqlConsole(db, query);
  if (!('text' in result)) throw new Error('text was expected');
  return result.text;
};

describe('[09.DBG-05] the SQL console', () => {
  it('gives columns and rows of a query', async () => {
    expect(await run('SELECT id, name, last_use_date FROM instances')).toEqual([
      { type: 'select', columns: ['id', 'name', 'last_use_date'], rows: [[1, 'c1', null]], rowsAffected: 0 },
    ]);
    expect(await run('SELECT name FROM instances WHERE id = 7')).toMatchObject([{ columns: ['name'], rows: [] }]);
    expect(await run("PRAGMA index_info('instances_name')")).toMatchObject([{ columns: ['seqno', 'cid', 'name'] }]);
  });

  it('gives the number of rows a statement changed', async () => {
    expect(await run("UPDATE instances SET description = 'RETURNING; soon'")).toEqual([
      { type: 'exec', columns: [], rows: [], rowsAffected: 1 },
    ]);
    expect(await run('SELECT description FROM instances')).toMatchObject([{ rows: [['RETURNING; soon']] }]);
  });

  it('runs several statements, all or none', async () => {
    const both = await run("INSERT INTO config VALUES ('a', '1;2'); -- and look\n SELECT value FROM config;");
    expect(both).toMatchObject([
      { type: 'exec', rowsAffected: 1 },
      { type: 'select', rows: [['1;2']] },
    ]);
    await expect(run("DELETE FROM config; INSERT INTO config VALUES ('b')")).rejects.toThrow(/2 columns but 1 values/);
    await expect(run('SELEC')).rejects.toMatchObject({ name: 'DatabaseError', message: 'near "SELEC": syntax error' });
    expect(await run('SELECT key FROM config')).toMatchObject([{ rows: [['a']] }]);
    expect(await run(' ; -- nothing\n')).toEqual([]);
  });

  it.each([
    'COMMIT',
    'ROLLBACK; SELECT 1',
    '/* x */ PRAGMA journal_mode = DELETE',
    'VACUUM',
    'PRAGMA user_version = 3',
  ])('refuses what would break the transaction or dqlite: %s', async (statement) => {
    await expect(run(`DELETE FROM instances; ${statement}`)).rejects.toThrow(/may not be used here/);
    expect(await run('SELECT count(*) FROM instances')).toMatchObject([{ rows: [[1]] }]);
  });

  it('[09.DBG-05] .dump gives SQL that makes an equal database', async () => {
    const copy = new BetterSqlite(':memory:');
    copy.exec(await text('.dump'));
    const tables = copy.prepare<[], string>("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all();
    expect(tables.length).toBeGreaterThan(40);
    for (const table of tables) {
      const rows = await db.exclusive(async ({ all }) => all(`SELECT * FROM "${table}" ORDER BY rowid`, []));
      expect(copy.prepare(`SELECT * FROM "${table}" ORDER BY rowid`).raw(true).all()).toEqual(rows);
    }
    const made = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name";
    expect(copy.prepare(made).raw(true).all()).toEqual(await db.exclusive(async ({ all }) => all(made, [])));
    expect(copy.pragma('foreign_key_check')).toEqual([]);
  });

  it('.schema gives the tables without rows', async () => {
    const copy = new BetterSqlite(':memory:');
    copy.exec(await text(' .schema\n'));
    expect(copy.prepare('SELECT count(*) FROM instances').pluck().get()).toBe(0);
    expect(() => copy.exec("INSERT INTO config VALUES ('a', 'b'), ('a', 'c')")).toThrow(/UNIQUE/);
  });

  it('.sync brings everything into db.bin itself, while others read', async () => {
    const copied = join(directory.path, 'copy');
    const count = () => {
      copyFileSync(db.file, copied);
      const copy = new BetterSqlite(copied, { readonly: true });
      try {
        return copy.prepare("SELECT count(*) FROM sqlite_master WHERE name = 'made_now'").pluck().get();
      } finally {
        copy.close();
      }
    };
    const started = Promise.withResolvers<void>();
    const reading = db.read(async (tx) => {
      await tx.select().from(instances);
      started.resolve();
      await new Promise((resolve) => setTimeout(resolve, 30));
    });
    await started.promise;
    await run('CREATE TABLE made_now (id INTEGER)');
    expect(count()).toBe(0);
    expect(await sqlConsole(db, '.sync')).toEqual({ results: [] });
    expect(count()).toBe(1);
    await reading;
  });
});

describe('splitting SQL text', () => {
  it('keeps semicolons in quotes, comments and triggers', () => {
    expect(splitStatements(`SELECT ';', ";", [;], \`;\` /* ; */; SELECT 'it''s;' -- ;\n; ;`)).toEqual([
      `SELECT ';', ";", [;], \`;\` /* ; */`,
      `SELECT 'it''s;' -- ;`,
    ]);
    const trigger = 'CREATE TRIGGER t AFTER DELETE ON a BEGIN DELETE FROM b; SELECT CASE 1 WHEN 1 THEN 2 END; END';
    expect(splitStatements(`${trigger};\nSELECT 1`)).toEqual([trigger, 'SELECT 1']);
  });

  it('gives back any list of quoted texts', () => {
    const literal = fc.string().map((value) => `SELECT '${value.replaceAll("'", "''")}'`);
    fc.assert(
      fc.property(fc.array(literal), (list) => {
        expect(splitStatements(list.join(';'))).toEqual(list);
      }),
    );
  });
});
