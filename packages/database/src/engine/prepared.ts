/**
 * Queries whose SQL is built once. drizzle takes some 35 µs to build a simple SELECT and SQLite 2 µs to run it, so what
 * a request runs often is worth preparing.
 */
import { type Column, type Placeholder, type SQL, sql } from 'drizzle-orm';
import type { RunResult } from './connection.ts';
import { perConnection, type Reader, type Transaction } from './transaction.ts';

/** A list passed as one value; see `inList`. */
export type ListValue = readonly (string | number)[];

/** What stands in the place of a value. Lists travel as JSON text; anything else as its column stores it. */
type Value = string | number | boolean | Date | null | ListValue;
type Values<Name extends string> = Readonly<Record<Name, Value>>;
type Placeholders<Name extends string> = Readonly<Record<Name, Placeholder<Name>>>;

interface Readable<Row> {
  prepare(): { all(values: Record<string, unknown>): Promise<Row[]> };
}
interface Runnable {
  prepare(): { run(values: Record<string, unknown>): Promise<RunResult> };
}

const placeholders = <Name extends string>(names: readonly Name[]): Placeholders<Name> =>
  // Object.fromEntries forgets which keys went in.
  Object.fromEntries(names.map((name) => [name, sql.placeholder(name)])) as Placeholders<Name>;

const encoded = (values: Values<string>): Record<string, unknown> => {
  const plain: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values))
    plain[name] = Array.isArray(value) ? JSON.stringify(value) : value;
  return plain;
};

/**
 * A SELECT that is prepared once.
 *
 *     const byName = preparedQuery(['project', 'name'], (tx, { project, name }) =>
 *       tx.select().from(instances).where(and(eq(instances.projectId, project), eq(instances.name, name))));
 *     const [instance] = await byName(tx, { project: 1, name: 'c1' });
 *
 * @param names - the names of the values that differ from call to call
 * @param build - builds the query with placeholders for them; called once for each connection
 */
export const preparedQuery = <const Name extends string, Row>(
  names: readonly Name[],
  build: (tx: Reader, values: Placeholders<Name>) => Readable<Row>,
): ((tx: Reader, values: Values<Name>) => Promise<Row[]>) => {
  const prepared = perConnection((tx) => build(tx, placeholders(names)).prepare());
  return async (tx, values) => prepared(tx).all(encoded(values));
};

/** An INSERT, UPDATE or DELETE that is prepared once; otherwise like `preparedQuery`. */
export const preparedCommand = <const Name extends string>(
  names: readonly Name[],
  build: (tx: Transaction, values: Placeholders<Name>) => Runnable,
): ((tx: Transaction, values: Values<Name>) => Promise<RunResult>) => {
  const prepared = perConnection((tx) => build(tx, placeholders(names)).prepare());
  return async (tx, values) => prepared(tx).run(encoded(values));
};

/**
 * A placeholder in the form `update().set()` takes: its value is stored the way `column` stores values, null included.
 *
 *     tx.update(instances).set({ lastUseDate: stored(instances.lastUseDate, date) })
 */
export const stored = (column: Column, placeholder: Placeholder): SQL =>
  sql`${sql.param(placeholder, {
    mapToDriverValue: (value) => (value === null ? null : column.mapToDriverValue(value)),
  })}`;

/**
 * The condition that `column` has a value; null stands for any. For lists that are narrowed or not: it is no use to an
 * index, so a single row is looked up with `eq`.
 */
export const matches = (column: Column, placeholder: Placeholder): SQL =>
  sql`(${stored(column, placeholder)} is null or ${column} = ${stored(column, placeholder)})`;

/**
 * The condition that `column` is one of a list of any length: the list is one parameter, so the statement is always the
 * same and its parameters few.
 *
 *     inList(instances.id, [1, 2, 3])      inList(instances.id, placeholder)
 */
export const inList = (column: SQL.Aliased | SQL | Column, list: ListValue | Placeholder): SQL => {
  const json = Array.isArray(list) ? JSON.stringify(list) : list;
  return sql`${column} in (select value from json_each(${json}))`;
};
