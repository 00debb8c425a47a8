import {
  and,
  asc,
  type Database,
  eq,
  insertRow,
  isNotNull,
  loadConfigs,
  loadDevices,
  lte,
  matches,
  patchConfig,
  preparedQuery,
  type Reader,
  replaceConfig,
  replaceDevices,
  schema,
  type Transaction,
} from '@lxd-ts/database';
import { type Config, conflict, notFound } from '@lxd-ts/driver-kit';
import type { Devices } from './instance.ts';

const { instances, instancesSnapshots, instancesSnapshotsConfig, instancesSnapshotsDevices, projects } = schema;

/** A snapshot of an instance as it is stored. Architecture, profiles and whether it is ephemeral are the instance's. */
export interface InstanceSnapshot {
  readonly id: number;
  readonly instanceId: number;
  readonly name: string;
  readonly stateful: boolean;
  /** Own configuration of the instance at that moment, without the profiles'. */
  readonly config: Config;
  readonly devices: Devices;
  readonly createdAt: Date;
  /** Unset: it is kept. */
  readonly expiresAt: Date | undefined;
  /** `pending` while it is being made or deleted. */
  readonly state: 'pending' | 'ready';
}

export type NewInstanceSnapshot = Omit<InstanceSnapshot, 'id' | 'state'>;

export interface SnapshotStore {
  /** Snapshots of one instance, or of all in one go; oldest first. */
  list(instanceId?: number): Promise<readonly InstanceSnapshot[]>;
  /** @throws LxdError not-found */
  get(instance: { id: number; name: string; project: string }, name: string): Promise<InstanceSnapshot>;
  /** Adds a snapshot in state `pending`. @throws LxdError conflict when the name is taken */
  insert(snapshot: NewInstanceSnapshot): Promise<InstanceSnapshot>;
  markReady(id: number): Promise<void>;
  /** Notes that it is going to be deleted. */
  markPending(id: number): Promise<void>;
  setExpiry(id: number, expiresAt: Date | undefined): Promise<void>;
  /** Changes single configuration keys; an empty value removes the key. */
  setConfig(id: number, changes: Config): Promise<void>;
  rename(id: number, name: string): Promise<void>;
  delete(id: number): Promise<void>;
  /** Ready snapshots whose time has come, with the names of their instances. */
  expired(
    now: Date,
  ): Promise<readonly { readonly project: string; readonly instance: string; readonly name: string }[]>;
}

/** Of one instance, or of all (null). */
const selectSnapshots = preparedQuery(['instance'], (tx, { instance }) =>
  tx
    .select()
    .from(instancesSnapshots)
    .where(matches(instancesSnapshots.instanceId, instance))
    .orderBy(asc(instancesSnapshots.creationDate), asc(instancesSnapshots.id)),
);

const listIn = async (tx: Reader, instanceId: number | undefined): Promise<InstanceSnapshot[]> => {
  const rows = await selectSnapshots(tx, { instance: instanceId ?? null });
  const ids = rows.map((row) => row.id);
  const configs = await loadConfigs(tx, instancesSnapshotsConfig, ids);
  const devices = await loadDevices(tx, instancesSnapshotsDevices, ids);
  return rows.map((row) => ({
    id: row.id,
    instanceId: row.instanceId,
    name: row.name,
    stateful: row.stateful,
    config: configs.get(row.id) ?? {},
    devices: devices.get(row.id) ?? {},
    createdAt: row.creationDate,
    expiresAt: row.expiryDate ?? undefined,
    state: row.state,
  }));
};

/** Adds the rows of a snapshot. @throws LxdError conflict when the name is taken */
export const insertInstanceSnapshot = async (
  tx: Transaction,
  snapshot: NewInstanceSnapshot,
  state: InstanceSnapshot['state'],
): Promise<InstanceSnapshot> => {
  const { instanceId, name, stateful, config, devices, createdAt, expiresAt } = snapshot;
  const taken = await tx
    .select({ id: instancesSnapshots.id })
    .from(instancesSnapshots)
    .where(and(eq(instancesSnapshots.instanceId, instanceId), eq(instancesSnapshots.name, name)));
  if (taken.length > 0) throw conflict(`Snapshot "${name}" already exists`);
  const row = { instanceId, name, stateful, creationDate: createdAt, expiryDate: expiresAt ?? null };
  const id = await insertRow(tx, instancesSnapshots, { ...row, state });
  await replaceConfig(tx, instancesSnapshotsConfig, id, config);
  await replaceDevices(tx, instancesSnapshotsDevices, id, devices);
  return { ...snapshot, id, state };
};

export const createSnapshotStore = (database: Database): SnapshotStore => {
  const set = (id: number, change: Partial<typeof instancesSnapshots.$inferInsert>): Promise<void> =>
    database.transaction(async (tx) => {
      await tx.update(instancesSnapshots).set(change).where(eq(instancesSnapshots.id, id));
    });

  return {
    list: (instanceId) => database.read((tx) => listIn(tx, instanceId)),

    async get(instance, name) {
      const snapshot = (await database.read((tx) => listIn(tx, instance.id))).find((one) => one.name === name);
      if (snapshot) return snapshot;
      throw notFound(
        `Failed to fetch snapshot "${name}" of instance "${instance.name}" in project "${instance.project}": InstanceSnapshot not found`,
      );
    },

    insert: (snapshot) => database.transaction((tx) => insertInstanceSnapshot(tx, snapshot, 'pending')),

    markReady: (id) => set(id, { state: 'ready' }),
    markPending: (id) => set(id, { state: 'pending' }),
    setExpiry: (id, expiresAt) => set(id, { expiryDate: expiresAt ?? null }),
    rename: (id, name) => set(id, { name }),

    setConfig: (id, changes) =>
      database.transaction(async (tx) => {
        const change = Object.entries(changes).map(([key, value]) => [key, value === '' ? null : value] as const);
        await patchConfig(tx, instancesSnapshotsConfig, id, Object.fromEntries(change));
      }),

    delete: (id) =>
      database.transaction(async (tx) => {
        await tx.delete(instancesSnapshots).where(eq(instancesSnapshots.id, id));
      }),

    expired: (now) =>
      database.read((tx) =>
        tx
          .select({ project: projects.name, instance: instances.name, name: instancesSnapshots.name })
          .from(instancesSnapshots)
          .innerJoin(instances, eq(instances.id, instancesSnapshots.instanceId))
          .innerJoin(projects, eq(projects.id, instances.projectId))
          .where(
            and(
              isNotNull(instancesSnapshots.expiryDate),
              lte(instancesSnapshots.expiryDate, now),
              eq(instancesSnapshots.state, 'ready'),
            ),
          ),
      ),
  };
};
