/**
 * A database of one machine: SQLite behind an async API, shaped so that dqlite can stand in its place.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { DrizzleQueryError } from 'drizzle-orm';
import { type Connection, connect, rollBack } from './connection.ts';
import { DatabaseBusy, DatabaseError } from './errors.ts';
import { queue } from './queue.ts';
import { bind, type Reader, type Transaction } from './transaction.ts';

export interface Database extends AsyncDisposable {
  /** The file the rows are in. */
  readonly file: string;
  /**
   * Runs `fn` on one moment's state of the database: what others commit while it runs it does not see. Any number run
   * side by side, beside a writer too. Keep it short; no waiting for the host inside, the log cannot shrink meanwhile.
   *
   * @throws DatabaseError when called inside another `read` or `transaction` of the same database: use its `tx`
   */
  read<T>(fn: (tx: Reader) => Promise<T>): Promise<T>;
  /**
   * Runs `fn` in a transaction: all of it is kept when `fn`'s promise resolves, nothing when it rejects. One at a time;
   * others wait their turn in the order they came. When this resolves, the rows are on the disk.
   *
   * `fn` must change nothing but the database: in a cluster it is run again when the leader changes under it.
   *
   * @throws what `fn` threw, freed of drizzle's wrapping; UniqueViolation, ForeignKeyViolation, DatabaseBusy;
   *   DatabaseError when called inside another `read` or `transaction` of the same database: use its `tx`
   */
  transaction<T>(fn: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Runs `fn` with the writing connection, alone and outside a transaction. For migrations, patches and `lxd sql`. */
  exclusive<T>(fn: (connection: Connection) => Promise<T>): Promise<T>;
  /**
   * Brings everything that was committed from the write-ahead log into the file itself. Readers go on meanwhile.
   *
   * @throws DatabaseBusy when a read goes on for more than 5 s
   */
  checkpoint(): Promise<void>;
  /** Waits for what runs, then closes the file. Harmless when closed already. */
  close(): Promise<void>;
}

/** Connections that wait for their next reader. More are opened when all are busy, and closed when they come back. */
const idleReaders = 4;

/** How long a read may keep the log from being taken over. */
const busyTimeout = 5000;

/** How often, and at which distance in milliseconds, another process (an operator's `sqlite3`) is asked to let go of the database. */
const attempts = 500;
const betweenAttempts = 10;

/**
 * Starts a transaction. Waits here rather than in SQLite, which would hold up the whole program meanwhile. Attempts are counted, not
 * seconds: a program that gets no processor for seconds has not asked often enough to give up.
 */
const begin = async (connection: Connection, how: 'read' | 'write'): Promise<void> => {
  for (let left = attempts; ; left--) {
    try {
      connection.exec(how === 'read' ? 'BEGIN' : 'BEGIN IMMEDIATE');
      // A reading transaction begins with its first statement: this is where it may find the database taken.
      if (how === 'read') connection.get('SELECT 1 FROM sqlite_master', []);
      return;
    } catch (error) {
      rollBack(connection);
      if (!(error instanceof DatabaseBusy) || left === 0) throw error;
    }
    await sleep(betweenAttempts);
  }
};

/** The error the caller should see: the database's own rather than drizzle's around it. */
const unwrapped = (error: unknown): unknown => (error instanceof DrizzleQueryError ? (error.cause ?? error) : error);

/** Opens the database in `file`, which is made when it is not there. */
export const openFile = (file: string): Database => {
  const writer = connect(file, 'write');
  const writers = queue();
  const idle: Connection[] = [];
  const reading = new Set<Promise<unknown>>();
  const inside = new AsyncLocalStorage<{ active: boolean }>();
  let closing: Promise<void> | undefined;

  const enter = async <T>(work: () => Promise<T>): Promise<T> => {
    if (closing !== undefined) throw new DatabaseError('SQLITE_MISUSE', `The database ${file} is closed`);
    if (inside.getStore()?.active) {
      throw new DatabaseError(
        'SQLITE_MISUSE',
        'A transaction was started inside another one: pass the outer transaction on instead',
      );
    }
    return work();
  };

  /** `fn` between the beginning and the end of a transaction on `connection`. */
  const within = async <T>(
    connection: Connection,
    how: 'read' | 'write',
    fn: (tx: Transaction) => Promise<T>,
  ): Promise<T> => {
    const bound = bind(connection);
    const mark = { active: true };
    try {
      await begin(connection, how);
      const result = await inside.run(mark, () => fn(bound.tx));
      connection.exec('COMMIT');
      return result;
    } catch (error) {
      rollBack(connection);
      throw unwrapped(error);
    } finally {
      bound.end();
      mark.active = false;
    }
  };

  const readOnce = async <T>(fn: (tx: Reader) => Promise<T>): Promise<T> => {
    const connection = idle.pop() ?? connect(file, 'read');
    try {
      return await within(connection, 'read', fn);
    } finally {
      if (idle.length < idleReaders) idle.push(connection);
      else connection.close();
    }
  };

  const finish = async (): Promise<void> => {
    await writers.idle();
    await Promise.allSettled(reading);
    for (const connection of idle) connection.close();
    writer.close();
  };
  const close = (): Promise<void> => {
    closing ??= finish();
    return closing;
  };

  return {
    file,
    read: (fn) =>
      enter(() => {
        const work = readOnce(fn);
        reading.add(work);
        return work.finally(() => reading.delete(work));
      }),
    transaction: (fn) => enter(() => writers.run(() => within(writer, 'write', fn))),
    exclusive: (fn) =>
      enter(() =>
        writers.run(async () => {
          writer.setBlocking(true);
          try {
            return await fn(writer);
          } finally {
            writer.setBlocking(false);
          }
        }),
      ),
    checkpoint: () =>
      enter(() =>
        writers.run(async () => {
          // Those that read an older state keep the log from being taken over; those that come now read the newest.
          await Promise.race([Promise.allSettled(reading), sleep(busyTimeout, undefined, { ref: false })]);
          if (!writer.checkpoint()) {
            throw new DatabaseBusy('SQLITE_BUSY', 'The database is still being read, try again');
          }
        }),
      ),
    close,
    [Symbol.asyncDispose]: close,
  };
};
