/** Configuration: maps of keys to values that belong to a row, or to the server as a whole. */
import { eq, sql } from 'drizzle-orm';
import { inList, preparedCommand, preparedQuery } from '../engine/prepared.ts';
import type { Reader, Transaction } from '../engine/transaction.ts';
import type { ConfigTable } from '../schema/columns.ts';
import type { config } from '../schema/global.ts';
import { jsonOf, perTable } from './json.ts';

/** Keys and values as the API shows them. */
export type Config = Record<string, string>;

/** Changes of some keys: null takes a key away. */
export type ConfigChange = Readonly<Record<string, string | null>>;

/** A table of keys and values without an owner: the server configuration, local or global. */
export type ServerConfigTable = typeof config;

const select = perTable((table: ConfigTable) =>
  preparedQuery(['owners'], (tx, { owners }) =>
    tx
      .select({ ownerId: table.ownerId, config: jsonOf(table.key, table.value) })
      .from(table)
      .where(inList(table.ownerId, owners))
      .groupBy(table.ownerId),
  ),
);

const removeAll = perTable((table: ConfigTable) =>
  preparedCommand(['owner'], (tx, { owner }) => tx.delete(table).where(eq(table.ownerId, owner))),
);

const remove = perTable((table: ConfigTable) =>
  preparedCommand(['owner', 'keys'], (tx, { owner, keys }) =>
    tx.delete(table).where(sql`${eq(table.ownerId, owner)} and ${inList(table.key, keys)}`),
  ),
);

/** Columns in the order of the table: owner, key, value. The `where` keeps `on conflict` from being read as a join. */
const upsert = perTable((table: ConfigTable) =>
  preparedCommand(['owner', 'config'], (tx, { owner, config }) =>
    tx
      .insert(table)
      .select(sql`select ${owner}, key, value from json_each(${config}) where true`)
      .onConflictDoUpdate({ target: [table.ownerId, table.key], set: { value: sql`excluded.value` } }),
  ),
);

/** The configuration of each of many owners, in one query. An owner without keys gets an empty one. */
export const loadConfigs = async (
  tx: Reader,
  table: ConfigTable,
  ownerIds: readonly number[],
): Promise<Map<number, Config>> => {
  const configs = new Map<number, Config>(ownerIds.map((id) => [id, {}]));
  for (const { ownerId, config } of await select(table)(tx, { owners: ownerIds })) configs.set(ownerId, config);
  return configs;
};

/** The configuration of one owner. */
export const loadConfig = async (tx: Reader, table: ConfigTable, ownerId: number): Promise<Config> => {
  const [row] = await select(table)(tx, { owners: [ownerId] });
  return row?.config ?? {};
};

/** Makes `config` the whole configuration of an owner. */
export const replaceConfig = async (
  tx: Transaction,
  table: ConfigTable,
  ownerId: number,
  config: Readonly<Config>,
): Promise<void> => {
  await removeAll(table)(tx, { owner: ownerId });
  await upsert(table)(tx, { owner: ownerId, config: JSON.stringify(config) });
};

/** The keys to set, as JSON, and those to take away. */
const parts = (change: ConfigChange) => {
  const entries = Object.entries(change);
  return {
    set: JSON.stringify(Object.fromEntries(entries.filter(([, value]) => value !== null))),
    unset: entries.filter(([, value]) => value === null).map(([key]) => key),
  };
};

/** Changes some keys of an owner's configuration and leaves the others alone. */
export const patchConfig = async (
  tx: Transaction,
  table: ConfigTable,
  ownerId: number,
  change: ConfigChange,
): Promise<void> => {
  const { set, unset } = parts(change);
  if (unset.length > 0) await remove(table)(tx, { owner: ownerId, keys: unset });
  await upsert(table)(tx, { owner: ownerId, config: set });
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
  if (unset.length > 0) await tx.delete(table).where(inList(table.key, unset));
  await tx
    .insert(table)
    .select(sql`select key, value from json_each(${set}) where true`)
    .onConflictDoUpdate({ target: table.key, set: { value: sql`excluded.value` } });
};
