import {
  and,
  asc,
  type Database,
  eq,
  inList,
  insertRow,
  isNotNull,
  loadConfigs,
  lte,
  patchConfig,
  preparedQuery,
  type Reader,
  replaceConfig,
  schema,
  type Transaction,
} from '@lxd-ts/database';
import { type Config, conflict } from '@lxd-ts/driver-kit';

const { projects, storagePools, storageVolumes, storageVolumesSnapshots, storageVolumesSnapshotsConfig } = schema;

/** A volume's snapshot as it is stored. */
export interface StoredSnapshot {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly config: Config;
  readonly createdAt: Date;
  readonly expiresAt: Date | undefined;
  readonly state: 'pending' | 'ready';
}

export type NewSnapshot = Omit<StoredSnapshot, 'id' | 'createdAt' | 'state'> & { readonly createdAt?: Date };

/** Where a custom volume's snapshot is. */
export interface SnapshotPlace {
  readonly pool: string;
  readonly project: string;
  readonly volume: string;
  readonly name: string;
}

export interface VolumeSnapshotStore {
  /** Oldest first. */
  snapshots(volumeId: number): Promise<readonly StoredSnapshot[]>;
  /** Those of many volumes, by volume, in a constant number of queries; each oldest first. */
  snapshotsByVolume(volumeIds: readonly number[]): Promise<ReadonlyMap<number, readonly StoredSnapshot[]>>;
  /** Adds a snapshot in state `pending`. @throws LxdError conflict */
  insertSnapshot(volumeId: number, snapshot: NewSnapshot): Promise<StoredSnapshot>;
  markSnapshotReady(id: number): Promise<void>;
  /** Notes that it is going to be deleted. */
  markSnapshotPending(id: number): Promise<void>;
  updateSnapshot(id: number, change: { description: string; expiresAt: Date | undefined }): Promise<void>;
  /** Notes a name that it is going to have; undefined: no longer. */
  planSnapshotName(id: number, name: string | undefined): Promise<void>;
  /** Renames it, and forgets what was planned. */
  renameSnapshot(id: number, name: string): Promise<void>;
  deleteSnapshot(id: number): Promise<void>;
  /** Ready snapshots of custom volumes whose time has come. */
  expiredSnapshots(now: Date): Promise<readonly SnapshotPlace[]>;
  /** All snapshots of custom volumes in a pool. */
  snapshotsInPool(pool: string): Promise<readonly SnapshotPlace[]>;
}

/** Set on a volume or snapshot that is being renamed: the new name. */
export const renameKey = 'volatile.rename';

const selectSnapshots = preparedQuery(['volumes'], (tx, { volumes }) =>
  tx
    .select()
    .from(storageVolumesSnapshots)
    .where(inList(storageVolumesSnapshots.storageVolumeId, volumes))
    .orderBy(asc(storageVolumesSnapshots.creationDate), asc(storageVolumesSnapshots.id)),
);

const byVolume = async (tx: Reader, volumeIds: readonly number[]): Promise<Map<number, StoredSnapshot[]>> => {
  const rows = await selectSnapshots(tx, { volumes: volumeIds });
  const configs = await loadConfigs(
    tx,
    storageVolumesSnapshotsConfig,
    rows.map((row) => row.id),
  );
  const owners = new Map(rows.map((row) => [row.id, row.storageVolumeId]));
  const snapshots = rows.map((row) => ({
    id: row.id,
    name: row.name,
    description: row.description,
    config: configs.get(row.id) ?? {},
    createdAt: row.creationDate,
    expiresAt: row.expiryDate ?? undefined,
    state: row.state,
  }));
  return Map.groupBy(snapshots, ({ id }) => owners.get(id) ?? 0);
};

const snapshotsIn = async (tx: Reader, volumeId: number): Promise<StoredSnapshot[]> =>
  (await byVolume(tx, [volumeId])).get(volumeId) ?? [];

/** Adds the row of a volume's snapshot. @throws LxdError conflict */
export const insertVolumeSnapshot = async (
  tx: Transaction,
  volumeId: number,
  snapshot: NewSnapshot,
  state: StoredSnapshot['state'],
): Promise<StoredSnapshot> => {
  if ((await snapshotsIn(tx, volumeId)).some((one) => one.name === snapshot.name)) {
    throw conflict(`Snapshot "${snapshot.name}" already in use`);
  }
  const id = await insertRow(tx, storageVolumesSnapshots, {
    storageVolumeId: volumeId,
    name: snapshot.name,
    description: snapshot.description,
    creationDate: snapshot.createdAt ?? new Date(),
    expiryDate: snapshot.expiresAt ?? null,
    state,
  });
  await replaceConfig(tx, storageVolumesSnapshotsConfig, id, snapshot.config);
  const inserted = (await snapshotsIn(tx, volumeId)).find((one) => one.id === id);
  if (!inserted) throw new Error(`The row of snapshot "${snapshot.name}" is missing after its insertion`);
  return inserted;
};

const places = (tx: Reader) =>
  tx
    .select({
      pool: storagePools.name,
      project: projects.name,
      volume: storageVolumes.name,
      name: storageVolumesSnapshots.name,
    })
    .from(storageVolumesSnapshots)
    .innerJoin(storageVolumes, eq(storageVolumes.id, storageVolumesSnapshots.storageVolumeId))
    .innerJoin(storagePools, eq(storagePools.id, storageVolumes.storagePoolId))
    .innerJoin(projects, eq(projects.id, storageVolumes.projectId));

const selectInPool = preparedQuery(['pool'], (tx, { pool }) =>
  places(tx)
    .where(and(eq(storageVolumes.type, 'custom'), eq(storagePools.name, pool)))
    .orderBy(asc(storageVolumes.name), asc(storageVolumesSnapshots.creationDate), asc(storageVolumesSnapshots.id)),
);

/** The rows of volumes' snapshots, those of instances' root volumes included. */
export const createVolumeSnapshotStore = (database: Database): VolumeSnapshotStore => {
  const set = (id: number, change: Partial<typeof storageVolumesSnapshots.$inferInsert>): Promise<void> =>
    database.transaction(async (tx) => {
      await tx.update(storageVolumesSnapshots).set(change).where(eq(storageVolumesSnapshots.id, id));
    });

  return {
    snapshots: (volumeId) => database.read((tx) => snapshotsIn(tx, volumeId)),
    snapshotsByVolume: (volumeIds) => database.read((tx) => byVolume(tx, volumeIds)),

    insertSnapshot: (volumeId, snapshot) =>
      database.transaction((tx) => insertVolumeSnapshot(tx, volumeId, snapshot, 'pending')),

    markSnapshotReady: (id) => set(id, { state: 'ready' }),
    markSnapshotPending: (id) => set(id, { state: 'pending' }),
    updateSnapshot: (id, { description, expiresAt }) => set(id, { description, expiryDate: expiresAt ?? null }),

    planSnapshotName: (id, name) =>
      database.transaction((tx) => patchConfig(tx, storageVolumesSnapshotsConfig, id, { [renameKey]: name ?? null })),

    renameSnapshot: (id, name) =>
      database.transaction(async (tx) => {
        await tx.update(storageVolumesSnapshots).set({ name }).where(eq(storageVolumesSnapshots.id, id));
        await patchConfig(tx, storageVolumesSnapshotsConfig, id, { [renameKey]: null });
      }),

    deleteSnapshot: (id) =>
      database.transaction(async (tx) => {
        await tx.delete(storageVolumesSnapshots).where(eq(storageVolumesSnapshots.id, id));
      }),

    expiredSnapshots: (now) =>
      database.read((tx) =>
        places(tx).where(
          and(
            isNotNull(storageVolumesSnapshots.expiryDate),
            lte(storageVolumesSnapshots.expiryDate, now),
            eq(storageVolumesSnapshots.state, 'ready'),
            eq(storageVolumes.type, 'custom'),
          ),
        ),
      ),

    snapshotsInPool: (pool) => database.read((tx) => selectInPool(tx, { pool })),
  };
};
