/** One SQLite connection with its prepared statements. */
import BetterSqlite from 'better-sqlite3';
import { DatabaseError, notAllowed, toDatabaseError } from './errors.ts';
import { mayRun } from './sql-text.ts';

/** The largest number of parameters a statement may have: dqlite 1.11 silently reads null beyond it. */
export const maxParameters = 255;

/**
 * How long SQLite itself may block for a lock, in milliseconds: where the engine does not wait without blocking, at the opening and
 * in what runs alone.
 */
const blockingTimeout = 5000;

/** Prepared statements a connection keeps. The daemon has a few hundred different ones. */
const cacheSize = 500;

/** What a changing statement did. */
export interface RunResult {
  /** Rows inserted, updated or deleted, without those that went by cascade. */
  readonly changes: number;
  /** The id of the last row inserted on this connection; 0 when there was none. */
  readonly lastInsertRowid: number;
}

type Row = unknown[];
type Statement = BetterSqlite.Statement<unknown[], Row>;

export interface Connection {
  /** better-sqlite3's own object, for what `Transaction`s may not do. */
  readonly raw: BetterSqlite.Database;
  /** Runs statements without parameters or rows; for the engine's own `BEGIN`, `COMMIT`, migrations. */
  exec(sql: string): void;
  run(sql: string, params: readonly unknown[]): RunResult;
  all(sql: string, params: readonly unknown[]): Row[];
  get(sql: string, params: readonly unknown[]): Row | undefined;
  /** Whether SQLite blocks the program while another process has the database, or throws DatabaseBusy at once, as at first. */
  setBlocking(blocking: boolean): void;
  /** Takes the write-ahead log over into the file. Gives false when a reader of an older state kept some of it back. */
  checkpoint(): boolean;
  close(): void;
}

/** Gives the prepared form of a statement, made the first time; the oldest goes when the cache is full. */
const statementCache = (raw: BetterSqlite.Database) => {
  const statements = new Map<string, Statement>();
  return (sql: string): Statement => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    if (!mayRun(sql)) throw notAllowed(sql);
    const statement = raw.prepare<unknown[], Row>(sql);
    if (statement.reader) statement.raw(true);
    if (statements.size >= cacheSize) {
      const oldest = statements.keys().next();
      if (!oldest.done) statements.delete(oldest.value);
    }
    statements.set(sql, statement);
    return statement;
  };
};

/**
 * Opens a connection to a database file.
 *
 * Writing connections use the write-ahead log, so that readers go on while one writes, and `synchronous=FULL`: a commit
 * is on the disk when it is acknowledged, and survives a power cut as well as the death of the process.
 */
export const connect = (file: string, mode: 'read' | 'write'): Connection => {
  const raw = new BetterSqlite(file, { readonly: mode === 'read', timeout: blockingTimeout });
  const setBlocking = (blocking: boolean): void => {
    raw.pragma(`busy_timeout = ${blocking ? blockingTimeout : 0}`);
  };
  raw.pragma('foreign_keys = ON');
  if (mode === 'write') {
    raw.pragma('journal_mode = WAL');
    raw.pragma('synchronous = FULL');
  }
  setBlocking(false);
  const prepare = statementCache(raw);
  const translated = <T>(act: () => T): T => {
    try {
      return act();
    } catch (error) {
      throw toDatabaseError(error);
    }
  };
  const guarded = <T>(sql: string, params: readonly unknown[], act: (statement: Statement) => T): T => {
    if (params.length > maxParameters) {
      throw new DatabaseError(
        'SQLITE_RANGE',
        `A statement has ${params.length} parameters, ${maxParameters} are allowed`,
      );
    }
    return translated(() => act(prepare(sql)));
  };
  return {
    raw,
    setBlocking,
    exec: (sql) => translated(() => raw.exec(sql)),
    run: (sql, params) =>
      guarded(sql, params, (statement) => {
        const { changes, lastInsertRowid } = statement.run(...params);
        return { changes, lastInsertRowid: Number(lastInsertRowid) };
      }),
    all: (sql, params) => guarded(sql, params, (statement) => statement.all(...params)),
    get: (sql, params) => guarded(sql, params, (statement) => statement.get(...params)),
    checkpoint: () =>
      translated(() => {
        const [, logged, taken] = raw.prepare<[], number[]>('PRAGMA wal_checkpoint(PASSIVE)').raw(true).get() ?? [];
        return logged === taken;
      }),
    close: () => {
      raw.close();
    },
  };
};

/**
 * Ends a transaction that failed. SQLite itself rolls back on some errors (a full disk), after which nothing is left to do.
 */
export const rollBack = (connection: Connection): void => {
  if (connection.raw.inTransaction) connection.exec('ROLLBACK');
};

/** Runs `act` in a writing transaction without letting go of the thread: all of it is kept, or nothing when it throws. */
export const atomically = <T>(connection: Connection, act: () => T): T => {
  connection.exec('BEGIN IMMEDIATE');
  try {
    const result = act();
    connection.exec('COMMIT');
    return result;
  } catch (error) {
    rollBack(connection);
    throw error;
  }
};
