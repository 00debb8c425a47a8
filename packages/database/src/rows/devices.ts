/** Devices: named maps of keys to values that belong to a row. */
import { asc, eq, inArray } from 'drizzle-orm';
import type { Reader, Transaction } from '../engine/transaction.ts';
import type { DeviceTable } from '../schema/columns.ts';
import { forIds, insertRows } from './bulk.ts';
import type { Config } from './config.ts';

/** Devices by name, as the API shows them; the key `type` is one of the keys. */
export type Devices = Record<string, Config>;

/** The devices of each of many owners, in few queries, by name. An owner without devices gets an empty record. */
export const loadDevices = async (
  tx: Reader,
  table: DeviceTable,
  ownerIds: Iterable<number>,
): Promise<Map<number, Devices>> => {
  const ids = [...ownerIds];
  const all = new Map<number, Devices>(ids.map((id) => [id, {}]));
  const rows = await forIds(ids, (some) =>
    tx
      .select()
      .from(table)
      .where(inArray(table.ownerId, [...some]))
      .orderBy(asc(table.ownerId), asc(table.name), asc(table.key)),
  );
  for (const { ownerId, name, key, value } of rows) {
    const devices = all.get(ownerId);
    if (devices === undefined) continue;
    const device = devices[name];
    if (device === undefined) devices[name] = { [key]: value };
    else device[key] = value;
  }
  return all;
};

/** Makes `devices` all the devices of an owner. Each has at least one key, its `type`. */
export const replaceDevices = async (
  tx: Transaction,
  table: DeviceTable,
  ownerId: number,
  devices: Readonly<Record<string, Readonly<Config>>>,
): Promise<void> => {
  await tx.delete(table).where(eq(table.ownerId, ownerId));
  const rows = Object.entries(devices).flatMap(([name, keys]) =>
    Object.entries(keys).map(([key, value]) => ({ ownerId, name, key, value })),
  );
  await insertRows(tx, table, rows);
};
