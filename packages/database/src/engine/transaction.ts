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

/**
 * Binds drizzle to `connection`.
 *
 * After `end`, statements are refused: on the shared connection they would land in someone else's transaction.
 */
export const bind = (connection: Connection): Bound => {
  let ended = false;
  const remote = drizzle(async (sql, params, method) => {
    if (ended)
      throw new DatabaseError('SQLITE_MISUSE', `The transaction is over, this statement came too late: ${sql}`);
    if (method === 'run') return { rows: [], ...connection.run(sql, params) };
    // drizzle's type says that `rows` is a list, its session expects one row or undefined for `get`.
    if (method === 'get') return { rows: connection.get(sql, params) as unknown[] };
    return { rows: connection.all(sql, params) };
  });
  // What `run` gives is what the function above returned, which drizzle's type of it does not say.
  const tx = remote as unknown as Drizzle;
  return {
    tx,
    end: () => {
      ended = true;
    },
  };
};
