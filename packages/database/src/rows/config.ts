/** Configuration: maps of keys to values that belong to a row, or to the server as a whole. */
import { and, eq, inArray } from 'drizzle-orm';
import { maxParameters } from '../engine/connection.ts';
import type { Reader, Transaction } from '../engine/transaction.ts';
import type { ConfigTable } from '../schema/columns.ts';
import type { config } from '../schema/global.ts';
import { chunked, forIds, insertRows } from './bulk.ts';

/** Keys and values as the API shows them. */
export type Config = Record<string, string>;

/** Changes of some keys: null takes a key away. */
export type ConfigChange = Readonly<Record<string, string | null>>;

/** A table of keys and values without an owner: the server configuration, local or global. */
export type ServerConfigTable = typeof config;

/** The configuration of each of many owners, in few queries. An owner without keys gets an empty one. */
export const loadConfigs = async (
  tx: Reader,
  table: ConfigTable,
  ownerIds: Iterable<number>,
): Promise<Map<number, Config>> => {
  const ids = [...ownerIds];
  const configs = new Map<number, Config>(ids.map((id) => [id, {}]));
  const rows = await forIds(ids, (some) =>
    tx
      .select()
      .from(table)
      .where(inArray(table.ownerId, [...some])),
  );
  for (const { ownerId, key, value } of rows) {
    const config = configs.get(ownerId);
    if (config !== undefined) config[key] = value;
  }
  return configs;
};

/** The configuration of one owner. */
export const loadConfig = async (tx: Reader, table: ConfigTable, ownerId: number): Promise<Config> => {
  const rows = await tx.select().from(table).where(eq(table.ownerId, ownerId));
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
};

/** Makes `config` the whole configuration of an owner. */
export const replaceConfig = async (
  tx: Transaction,
  table: ConfigTable,
  ownerId: number,
  config: Readonly<Config>,
): Promise<void> => {
  await tx.delete(table).where(eq(table.ownerId, ownerId));
  await insertRows(
    tx,
    table,
    Object.entries(config).map(([key, value]) => ({ ownerId, key, value })),
  );
};

const parts = (change: ConfigChange) => {
  const set: [string, string][] = [];
  const unset: string[] = [];
  for (const [key, value] of Object.entries(change)) {
    if (value === null) unset.push(key);
    else set.push([key, value]);
  }
  return { set, unset: chunked(unset, maxParameters - 1) };
};

/** Changes some keys of an owner's configuration and leaves the others alone. */
export const patchConfig = async (
  tx: Transaction,
  table: ConfigTable,
  ownerId: number,
  change: ConfigChange,
): Promise<void> => {
  const { set, unset } = parts(change);
  for (const keys of unset) await tx.delete(table).where(and(eq(table.ownerId, ownerId), inArray(table.key, keys)));
  for (const [key, value] of set) {
    await tx
      .insert(table)
      .values({ ownerId, key, value })
      .onConflictDoUpdate({ target: [table.ownerId, table.key], set: { value } });
  }
};

/** The server configuration in a database. */
export const loadServerConfig = async (tx: Reader, table: ServerConfigTable): Promise<Config> => {
  const rows = await tx.select().from(table);
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
};

/** Changes some keys of the server configuration and leaves the others alone. */
export const patchServerConfig = async (
  tx: Transaction,
  table: ServerConfigTable,
  change: ConfigChange,
): Promise<void> => {
  const { set, unset } = parts(change);
  for (const keys of unset) await tx.delete(table).where(inArray(table.key, keys));
  for (const [key, value] of set) {
    await tx.insert(table).values({ key, value }).onConflictDoUpdate({ target: table.key, set: { value } });
  }
};
