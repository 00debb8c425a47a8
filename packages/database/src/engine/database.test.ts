import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import BetterSqlite from 'better-sqlite3';
import { eq, sql } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { instanceRow, openGlobal } from '../../test/member.ts';
import { temporaryDirectory } from '../../test/temporary.ts';
import { insertRow, insertRows } from '../rows/bulk.ts';
import { config, instances, instancesConfig, profiles, projects } from '../schema/global.ts';
import type { Database } from './database.ts';
import { DatabaseBusy, DatabaseError, databaseError, ForeignKeyViolation, UniqueViolation } from './errors.ts';
import type { Reader, Transaction } from './transaction.ts';

let directory: ReturnType<typeof temporaryDirectory>;
let db: Database;
beforeEach(async () => {
  directory = temporaryDirectory();
  db = await openGlobal(directory.path);
});
afterEach(async () => {
  await db.close();
  directory[Symbol.dispose]();
});

const names = (tx: Reader) => tx.select({ name: instances.name }).from(instances).orderBy(instances.id);
const stored = async () => (await db.read(names)).map(({ name }) => name);
const add = (tx: Transaction, name: string) => insertRow(tx, instances, instanceRow(name));

/** A promise to be settled by hand. */
const gate = () => Promise.withResolvers<void>();

describe('a transaction', () => {
  it('keeps everything when its function resolves, and gives its result', async () => {
    const id = await db.transaction(async (tx) => {
      await add(tx, 'a');
      await sleep(5);
      return add(tx, 'b');
    });
    expect(id).toBe(2);
    expect(await stored()).toEqual(['a', 'b']);
  });

  it('keeps nothing when its function rejects, and passes the error on', async () => {
    const failure = new Error('the host said no');
    const attempt = db.transaction(async (tx) => {
      await add(tx, 'a');
      await sleep(5);
      throw failure;
    });
    await expect(attempt).rejects.toBe(failure);
    expect(await stored()).toEqual([]);
    await db.transaction((tx) => add(tx, 'after'));
    expect(await stored()).toEqual(['after']);
  });

  it('is not seen by readers before it is whole, and sees its own rows', async () => {
    const written = gate();
    const go = gate();
    const writing = db.transaction(async (tx) => {
      await add(tx, 'a');
      await add(tx, 'b');
      expect(await names(tx)).toHaveLength(2);
      written.resolve();
      await go.promise;
    });
    await written.promise;
    expect(await stored()).toEqual([]);
    go.resolve();
    await writing;
    expect(await stored()).toEqual(['a', 'b']);
  });

  it('runs alone: concurrent read-modify-writes lose nothing, and come in order', async () => {
    await db.transaction((tx) => tx.insert(config).values({ key: 'n', value: '0' }));
    const order: number[] = [];
    const increment = (i: number) =>
      db.transaction(async (tx) => {
        const [row] = await tx.select().from(config).where(eq(config.key, 'n'));
        if (i % 10 === 0) await sleep(1);
        order.push(i);
        await tx
          .update(config)
          .set({ value: String(Number(row?.value) + 1) })
          .where(eq(config.key, 'n'));
      });
    await Promise.all(Array.from({ length: 100 }, (_, i) => increment(i)));
    expect(await db.read((tx) => tx.select().from(config))).toEqual([{ key: 'n', value: '100' }]);
    expect(order).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it('refuses another one inside it, and goes on when told to', async () => {
    const inner = [
      () => db.transaction(async () => undefined),
      () => db.read(async () => undefined),
      () => db.checkpoint(),
    ];
    for (const start of inner) {
      await expect(db.transaction(start)).rejects.toThrow(/started inside another one/);
      await expect(db.read(start)).rejects.toThrow(/started inside another one/);
    }
    await db.transaction((tx) => add(tx, 'a'));
  });

  it('lets what it started go on to transactions of its own once it is over', async () => {
    const over = gate();
    const later: Promise<unknown>[] = [];
    await db.transaction(async (tx) => {
      await add(tx, 'a');
      later.push(over.promise.then(() => db.transaction((own) => add(own, 'b'))));
    });
    over.resolve();
    await Promise.all(later);
    expect(await stored()).toEqual(['a', 'b']);
  });

  it('refuses statements that come when it is over', async () => {
    const late = await db.transaction(async (tx) => ({ tx }));
    const attempt = async () => add(late.tx, 'late');
    await expect(attempt().catch((error: unknown) => Promise.reject(databaseError(error)))).rejects.toThrow(/too late/);
    expect(await stored()).toEqual([]);
  });

  it('waits for another process that holds the database, without holding up this one', async () => {
    const other = new BetterSqlite(db.file);
    other.exec('BEGIN IMMEDIATE');
    const ticks: number[] = [];
    const timer = setInterval(() => ticks.push(Date.now()), 20);
    const writing = db.transaction((tx) => add(tx, 'a'));
    await sleep(600);
    clearInterval(timer);
    // Were each attempt to wait in SQLite, there would be hardly any.
    expect(ticks.length).toBeGreaterThan(8);
    expect(await stored()).toEqual([]);
    other.exec('COMMIT');
    await writing;
    expect(await stored()).toEqual(['a']);
    other.close();
  });

  it('waits on when it has had no processor for longer than it would wait', async () => {
    const other = new BetterSqlite(db.file);
    other.exec('BEGIN IMMEDIATE');
    const writing = db.transaction((tx) => add(tx, 'a'));
    await sleep(30);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5500);
    await sleep(30);
    other.exec('COMMIT');
    other.close();
    await writing;
    expect(await stored()).toEqual(['a']);
  });

  it('gives up with DatabaseBusy when the other process does not let go', async () => {
    const other = new BetterSqlite(db.file);
    other.exec('BEGIN IMMEDIATE');
    await expect(db.transaction((tx) => add(tx, 'a'))).rejects.toBeInstanceOf(DatabaseBusy);
    other.close();
    await db.transaction((tx) => add(tx, 'b'));
    expect(await stored()).toEqual(['b']);
  });
});

describe('a read', () => {
  it('stays on the state it began with while others write', async () => {
    await db.transaction((tx) => add(tx, 'a'));
    const seen = await db.read(async (tx) => {
      const before = await names(tx);
      await sleep(20);
      return [before.length, (await names(tx)).length];
    });
    expect(seen).toEqual([1, 1]);
    const started = gate();
    const committed = gate();
    const reading = db.read(async (tx) => {
      const before = await names(tx);
      started.resolve();
      await committed.promise;
      return [before.length, (await names(tx)).length];
    });
    await started.promise;
    await db.transaction((tx) => add(tx, 'b'));
    committed.resolve();
    expect(await reading).toEqual([1, 1]);
    expect(await stored()).toEqual(['a', 'b']);
  });

  it('runs beside many others', async () => {
    await db.transaction((tx) => add(tx, 'a'));
    const go = gate();
    const started: Promise<void>[] = [];
    const reads = Array.from({ length: 20 }, () => {
      const { promise, resolve } = gate();
      started.push(promise);
      return db.read(async (tx) => {
        await names(tx);
        resolve();
        await go.promise;
        return (await names(tx)).length;
      });
    });
    await Promise.all(started);
    go.resolve();
    expect(await Promise.all(reads)).toEqual(Array(20).fill(1));
  });

  it('cannot write', async () => {
    // The type has no `insert`; the connection itself must refuse too.
    const attempt = db.read((tx) => (tx as Transaction).insert(config).values({ key: 'a', value: 'b' }));
    await expect(attempt).rejects.toMatchObject({ name: 'DatabaseError', code: 'SQLITE_READONLY' });
  });
});

describe('errors', () => {
  it('name the table and the columns of a value that must be unique', async () => {
    await db.transaction((tx) => add(tx, 'a'));
    const error = await db.transaction((tx) => add(tx, 'a')).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UniqueViolation);
    expect(error).toMatchObject({
      table: 'instances',
      columns: ['project_id', 'name'],
      code: 'SQLITE_CONSTRAINT_UNIQUE',
    });
  });

  it('name the columns of a key that must be unique', async () => {
    const row = { key: 'core.https_address', value: '' };
    await db.transaction((tx) => tx.insert(config).values(row));
    const attempt = db.transaction((tx) => tx.insert(config).values(row));
    await expect(attempt).rejects.toMatchObject({ name: 'UniqueViolation', table: 'config', columns: ['key'] });
  });

  it('tell of rows that are missing or still in use', async () => {
    const missing = db.transaction((tx) => insertRow(tx, instances, { ...instanceRow('a'), projectId: 99 }));
    await expect(missing).rejects.toBeInstanceOf(ForeignKeyViolation);
    await db.transaction((tx) => add(tx, 'a'));
    const inUse = db.transaction((tx) => tx.delete(projects).where(eq(projects.id, 1)));
    await expect(inUse).rejects.toBeInstanceOf(ForeignKeyViolation);
    expect(await db.read((tx) => tx.select().from(profiles))).toHaveLength(1);
  });

  it('can be caught inside the transaction, which goes on', async () => {
    await db.transaction(async (tx) => {
      await add(tx, 'a');
      const error = await add(tx, 'a').catch((thrown: unknown) => thrown);
      expect(databaseError(error)).toBeInstanceOf(UniqueViolation);
      await add(tx, 'b');
    });
    expect(await stored()).toEqual(['a', 'b']);
  });

  it('come out as the caller wrapped them', async () => {
    const wrapped = new Error('the name is taken', { cause: new DatabaseError('SQLITE_ERROR', 'the reason') });
    await expect(db.transaction(() => Promise.reject(wrapped))).rejects.toBe(wrapped);
  });

  it('carry the message of SQLite', async () => {
    const attempt = db.read((tx) => tx.values(sql`select * from nothing_such`));
    await expect(attempt).rejects.toMatchObject({
      name: 'DatabaseError',
      code: 'SQLITE_ERROR',
      message: 'no such table: nothing_such',
    });
  });
});

describe('what dqlite does not survive is refused', () => {
  const refused = [
    'vacuum',
    'pragma journal_mode = delete',
    "attach ':memory:' as x",
    'commit',
    'begin',
    'savepoint s',
  ];
  it.each([...refused, '/* hidden */ commit', '-- hidden\ncommit'])('%s', async (statement) => {
    const attempt = db.transaction(async (tx) => {
      await add(tx, 'a');
      await tx.run(sql.raw(statement));
    });
    await expect(attempt).rejects.toThrow(/may not be used here/);
    expect(await stored()).toEqual([]);
  });

  it('RETURNING, but not a text that says so', async () => {
    const returning = db.transaction((tx) => tx.insert(config).values({ key: 'a', value: 'b' }).returning());
    await expect(returning).rejects.toThrow(/may not be used here/);
    await db.transaction((tx) => tx.run(sql.raw("insert into config (key, value) values ('returning', 'soon')")));
    expect(await db.read((tx) => tx.select().from(config))).toEqual([{ key: 'returning', value: 'soon' }]);
  });

  it('more than 255 parameters; insertRows stays below', async () => {
    await db.transaction((tx) => add(tx, 'a'));
    const rows = Array.from({ length: 86 }, (_, i) => ({ ownerId: 1, key: `k${i}`, value: 'v' }));
    await expect(db.transaction((tx) => tx.insert(instancesConfig).values(rows))).rejects.toThrow(/258 parameters/);
    const many = Array.from({ length: 1000 }, (_, i) => ({ ownerId: 1, key: `k${i}`, value: 'v' }));
    await db.transaction((tx) => insertRows(tx, instancesConfig, many));
    await db.transaction((tx) => insertRows(tx, instancesConfig, []));
    expect(await db.read((tx) => tx.$count(instancesConfig))).toBe(1000);
  });
});

describe('[01.36 09.DBG-04] the files', () => {
  it('are where LXD keeps them, for root alone, the log too', async () => {
    await db.transaction((tx) => add(tx, 'a'));
    const file = join(directory.path, 'global', 'db.bin');
    expect(db.file).toBe(file);
    for (const path of [file, `${file}-wal`, `${file}-shm`]) expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory.path, 'global')).mode & 0o777).toBe(0o700);
  });

  it('are synced at each commit, and check foreign keys', async () => {
    const settings = await db.exclusive(async ({ raw }) => ({
      journal: raw.pragma('journal_mode', { simple: true }),
      synchronous: raw.pragma('synchronous', { simple: true }),
      foreignKeys: raw.pragma('foreign_keys', { simple: true }),
    }));
    expect(settings).toEqual({ journal: 'wal', synchronous: 2, foreignKeys: 1 });
  });
});

describe('a full disk', () => {
  it('fails the transaction alone, and what was acknowledged stays', async () => {
    const mounted = join(directory.path, 'small');
    mkdirSync(mounted);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'lxd-ts-database', mounted]);
    try {
      await using small = await openGlobal(mounted);
      const other = join(mounted, 'other');
      writeFileSync(other, Buffer.alloc(700_000));
      const put = (n: number) =>
        small.transaction((tx) => tx.insert(config).values({ key: `k${n}`, value: 'x'.repeat(100_000) }));
      let kept = 0;
      const filling = async () => {
        for (;;) {
          await put(kept);
          kept++;
        }
      };
      await expect(filling()).rejects.toMatchObject({ name: 'DatabaseError', code: 'SQLITE_FULL' });
      expect(kept).toBeGreaterThan(0);
      expect(await small.read((tx) => tx.$count(config))).toBe(kept);
      await expect(small.checkpoint()).rejects.toMatchObject({ name: 'DatabaseError', code: 'SQLITE_FULL' });
      rmSync(other);
      await small.transaction((tx) => tx.delete(config).where(eq(config.key, 'k0')));
      expect(await small.read((tx) => tx.$count(config))).toBe(kept - 1);
      expect(await small.exclusive(async ({ raw }) => raw.pragma('integrity_check', { simple: true }))).toBe('ok');
    } finally {
      execFileSync('umount', [mounted]);
    }
  });
});

describe('a process that has the database for itself for a while', () => {
  /** Another process that opens the database, keeps all others out, and lets go after half a second. */
  const holder = async () => {
    const program = `
      const BetterSqlite = require('better-sqlite3');
      const db = new BetterSqlite(process.argv[1]);
      db.pragma('locking_mode = EXCLUSIVE');
      db.exec('BEGIN EXCLUSIVE; CREATE TABLE held (id INTEGER); COMMIT');
      process.stdout.write('held');
      setTimeout(() => db.close(), 500);
    `;
    const child = spawn(process.execPath, ['-e', program, db.file], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    await once(child.stdout, 'data');
    return { ended };
  };

  it('is waited for when the database is opened', async () => {
    await db.transaction((tx) => add(tx, 'a'));
    await db.close();
    const { ended } = await holder();
    db = await openGlobal(directory.path);
    expect(await stored()).toEqual(['a']);
    await ended;
    expect(await db.read((tx) => tx.$count(instances))).toBe(1);
  });
});

describe('closing', () => {
  it('waits for what runs and what waits, then refuses', async () => {
    const slow = db.transaction(async (tx) => {
      await sleep(20);
      return add(tx, 'a');
    });
    const waiting = db.transaction((tx) => add(tx, 'b'));
    const reading = db.read(async (tx) => {
      await sleep(40);
      return (await names(tx)).length;
    });
    await Promise.all([db.close(), db.close()]);
    await db.close();
    // What is read is the state at the beginning, when nothing was written.
    expect(await Promise.all([slow, waiting, reading])).toEqual([1, 2, 0]);
    await expect(db.read(names)).rejects.toBeInstanceOf(DatabaseError);
    await expect(db.transaction((tx) => add(tx, 'c'))).rejects.toThrow(/is closed/);
    db = await openGlobal(directory.path);
    expect(await stored()).toEqual(['a', 'b']);
  });
});
