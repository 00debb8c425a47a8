/**
 * Columns and kinds of table that come back in every subject. Only INTEGER and TEXT are used: other declared types
 * make dqlite misbehave. Dates are INTEGER milliseconds since 1970 (a JavaScript `Date` on this side), booleans 0 and 1.
 */
import { type AnySQLiteColumn, index, integer, primaryKey, sqliteTable, text, unique } from 'drizzle-orm/sqlite-core';

/** The number of a row. Never given out twice, so that a number kept elsewhere cannot come to mean another row. */
export const id = () => integer('id').primaryKey({ autoIncrement: true });

/** A moment, to the millisecond. */
export const date = (name: string) => integer(name, { mode: 'timestamp_ms' });

/** Yes or no. */
export const flag = (name: string) => integer(name, { mode: 'boolean' });

/** A description; empty when none was given. */
export const description = () => text('description').notNull().default('');

/**
 * Where a row stands that is written before the host is changed: `pending` until the thing it names exists in full.
 * A `pending` row found at start is what a crash left half made.
 */
export const state = () =>
  text('state', { enum: ['pending', 'ready'] })
    .notNull()
    .default('ready');

/** Where one cluster member stands with a pool or network. */
export const memberState = () =>
  text('state', { enum: ['pending', 'created', 'errored'] })
    .notNull()
    .default('pending');

/** A number of a row in another table. */
export const reference = (name: string, to: () => AnySQLiteColumn) => integer(name).references(to);

/** The number of the row this one belongs to; it goes when that goes. */
export const owner = (name: string, to: () => AnySQLiteColumn) =>
  integer(name).notNull().references(to, { onDelete: 'cascade' });

/**
 * A table of configuration: one row for each key of an owner.
 *
 * @param name - the table's name
 * @param column - the name of the column that holds the owner's number
 */
export const configTable = <Name extends string>(name: Name, column: string, to: () => AnySQLiteColumn) =>
  sqliteTable(
    name,
    { ownerId: owner(column, to), key: text('key').notNull(), value: text('value').notNull() },
    (table) => [primaryKey({ columns: [table.ownerId, table.key] })],
  );

/**
 * A table of devices: one row for each key of each device of an owner. The device's type is its key `type`, as in the API.
 */
export const deviceTable = <Name extends string>(name: Name, column: string, to: () => AnySQLiteColumn) =>
  sqliteTable(
    name,
    {
      ownerId: owner(column, to),
      name: text('name').notNull(),
      key: text('key').notNull(),
      value: text('value').notNull(),
    },
    (table) => [primaryKey({ columns: [table.ownerId, table.name, table.key] })],
  );

/**
 * A table of backup files (exports) that the server keeps of an owner.
 *
 * @param column - the name of the column that holds the owner's number
 * @param only - the name of the column that says that it is without the owner's snapshots
 */
export const backupTable = <Name extends string>(name: Name, column: string, only: string, to: () => AnySQLiteColumn) =>
  sqliteTable(
    name,
    {
      id: id(),
      ownerId: owner(column, to),
      name: text('name').notNull(),
      creationDate: date('creation_date').notNull(),
      /** Null: it is kept. */
      expiryDate: date('expiry_date'),
      /** Without the snapshots. */
      withoutSnapshots: flag(only).notNull().default(false),
      /** In the storage driver's own format. */
      optimizedStorage: flag('optimized_storage').notNull().default(false),
      state: state(),
    },
    (table) => [unique(`${name}_name`).on(table.ownerId, table.name), index(`${name}_expiry`).on(table.expiryDate)],
  );

export type BackupTable = ReturnType<typeof backupTable>;
export type ConfigTable = ReturnType<typeof configTable>;
export type DeviceTable = ReturnType<typeof deviceTable>;
