/** Rows of keys and values as JSON objects: SQLite puts them together faster than rows can be handed over one by one. */
import { type Column, type SQL, sql } from 'drizzle-orm';

/** SQL that gathers the keys and values of a group into one record. Both columns hold text that is not null. */
export const jsonOf = (key: Column, value: Column): SQL<Record<string, string>> =>
  sql`json_group_object(${key}, ${value})`.mapWith((text: string): Record<string, string> => JSON.parse(text));

/** A cache of what is made once for each table. */
export const perTable = <Table extends object, T>(make: (table: Table) => T): ((table: Table) => T) => {
  const made = new WeakMap<Table, T>();
  return (table) => {
    const known = made.get(table);
    if (known !== undefined) return known;
    const fresh = make(table);
    made.set(table, fresh);
    return fresh;
  };
};
