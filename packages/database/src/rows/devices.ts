/** Devices: named maps of keys to values that belong to a row. */
import { asc, eq, sql } from 'drizzle-orm';
import { inList, preparedCommand, preparedQuery } from '../engine/prepared.ts';
import type { Reader, Transaction } from '../engine/transaction.ts';
import type { DeviceTable } from '../schema/columns.ts';
import type { Config } from './config.ts';
import { jsonOf, perTable } from './json.ts';

/** Devices by name, as the API shows them; the key `type` is one of the keys. */
export type Devices = Record<string, Config>;

const select = perTable((table: DeviceTable) =>
  preparedQuery(['owners'], (tx, { owners }) =>
    tx
      .select({ ownerId: table.ownerId, name: table.name, device: jsonOf(table.key, table.value) })
      .from(table)
      .where(inList(table.ownerId, owners))
      .groupBy(table.ownerId, table.name)
      .orderBy(asc(table.ownerId), asc(table.name)),
  ),
);

const removeAll = perTable((table: DeviceTable) =>
  preparedCommand(['owner'], (tx, { owner }) => tx.delete(table).where(eq(table.ownerId, owner))),
);

/** Columns in the order of the table: owner, name, key, value. */
const insertAll = perTable((table: DeviceTable) =>
  preparedCommand(['owner', 'devices'], (tx, { owner, devices }) =>
    tx
      .insert(table)
      .select(
        sql`select ${owner}, device.key, setting.key, setting.value from json_each(${devices}) as device, json_each(device.value) as setting`,
      ),
  ),
);

/** The devices of each of many owners, in one query, by name. An owner without devices gets an empty record. */
export const loadDevices = async (
  tx: Reader,
  table: DeviceTable,
  ownerIds: readonly number[],
): Promise<Map<number, Devices>> => {
  const entries = new Map<number, [string, Config][]>(ownerIds.map((id) => [id, []]));
  for (const { ownerId, name, device } of await select(table)(tx, { owners: ownerIds })) {
    entries.get(ownerId)?.push([name, device]);
  }
  return new Map(entries.entries().map(([id, devices]) => [id, Object.fromEntries(devices)]));
};

/** Makes `devices` all the devices of an owner. Each has at least one key, its `type`. */
export const replaceDevices = async (
  tx: Transaction,
  table: DeviceTable,
  ownerId: number,
  devices: Readonly<Record<string, Readonly<Config>>>,
): Promise<void> => {
  await removeAll(table)(tx, { owner: ownerId });
  await insertAll(table)(tx, { owner: ownerId, devices: JSON.stringify(devices) });
};
