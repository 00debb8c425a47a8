/** drizzle bound to one connection for the length of one transaction. */

import type { BaseSQLiteDatabase } from 'drizzle-orm/sqlite-core';
import { drizzle } from 'drizzle-orm/sqlite-proxy';
import type { Connection, RunResult } from './connection.ts';
import { DatabaseError } from './errors.ts';

type Drizzle = BaseSQLiteDatabase<'async', RunResult>;

/** What a reading function gets. */
export type Reader = Pick<Drizzle, 'select' | 'selectDistinct' | '$count' | '$with' | 'with' | 'values'>;

/** What a writing function gets: all of a `Reader`, and the changing statements. */
export type Transaction = Reader & Pick<Drizzle, 'insert' | 'update' | 'delete' | 'run'>;

/** A `Transaction` that is good until `end` is called. */
export interface Bound {
  readonly tx: Transaction;
  end(): void;
}

/** drizzle on a connection; `check` is called before each statement. */
const drizzleOn = (connection: Connection, check: () => void): Drizzle => {
  const remote = drizzle(async (sql, params, method) => {
    check();
    if (method === 'run') return { rows: [], ...connection.run(sql, params) };
    // drizzle's type says that `rows` is a list, its session expects one row or undefined for `get`.
    if (method === 'get') return { rows: connection.get(sql, params) as unknown[] };
    return { rows: connection.all(sql, params) };
  });
  // What `run` gives is what the function above returned, which drizzle's type of it does not say.
  return remote as unknown as Drizzle;
};

/** The connection each open transaction is on. One that has ended is not here. */
const connections = new WeakMap<Reader, Connection>();

/**
 * The connection a transaction is on.
 *
 * @throws DatabaseError when it is over: on the shared connection, its statement would land in someone else's transaction
 */
const connectionOf = (tx: Reader): Connection => {
  const connection = connections.get(tx);
  if (connection === undefined) {
    throw new DatabaseError('SQLITE_MISUSE', 'The transaction is over, a statement in it came too late');
  }
  return connection;
};

/** Binds drizzle to `connection`, until `end`. */
export const bind = (connection: Connection): Bound => {
  const tx: Transaction = drizzleOn(connection, () => connectionOf(tx));
  connections.set(tx, connection);
  return { tx, end: () => connections.delete(tx) };
};

/** A cache of what is made once for each connection and used by all transactions on it. */
export const perConnection = <T>(make: (tx: Transaction) => T): ((tx: Reader) => T) => {
  const made = new WeakMap<Connection, T>();
  return (tx) => {
    const connection = connectionOf(tx);
    const known = made.get(connection);
    if (known !== undefined) return known;
    const fresh = make(drizzleOn(connection, () => undefined));
    made.set(connection, fresh);
    return fresh;
  };
};
