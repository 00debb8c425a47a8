import {
  and,
  asc,
  type Database,
  eq,
  firstNodeId,
  insertRow,
  loadConfigs,
  matches,
  preparedQuery,
  type Reader,
  replaceConfig,
  schema,
  type Transaction,
} from '@lxd-ts/database';
import { type Config, type ContentType, conflict, notFound, type VolumeType } from '@lxd-ts/driver-kit';
import { projectId } from '../projects/store.ts';

const {
  projects,
  storagePools,
  storageVolumes,
  storageVolumesConfig,
  storageVolumesSnapshots,
  storageVolumesSnapshotsConfig,
} = schema;

/** The row number of this member. */
const member = firstNodeId;

/** A volume as it is stored. */
export interface StoredVolume {
  readonly id: number;
  readonly pool: string;
  readonly project: string;
  readonly type: VolumeType;
  readonly content: ContentType;
  readonly name: string;
  readonly description: string;
  readonly config: Config;
  readonly createdAt: Date;
  readonly state: 'pending' | 'ready';
}

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

export type NewVolume = Omit<StoredVolume, 'id' | 'createdAt' | 'state'> & { readonly createdAt?: Date };
export type NewSnapshot = Omit<StoredSnapshot, 'id' | 'createdAt' | 'state'> & { readonly createdAt?: Date };

/** Narrows a list; what is left out matches all. */
export interface VolumeQuery {
  readonly pool?: string;
  readonly project?: string;
  readonly type?: VolumeType;
  readonly name?: string;
}

export interface VolumeStore {
  list(query?: VolumeQuery): Promise<readonly StoredVolume[]>;
  find(pool: string, project: string, type: VolumeType, name: string): Promise<StoredVolume | undefined>;
  /** @throws LxdError not-found */
  get(pool: string, project: string, type: VolumeType, name: string): Promise<StoredVolume>;
  /** Adds a volume in state `pending`. @throws LxdError conflict when the name is taken */
  insert(volume: NewVolume): Promise<StoredVolume>;
  markReady(id: number): Promise<void>;
  /** In one step makes `newer` ready, and `older` pending: to be deleted. */
  replace(older: number, newer: number): Promise<void>;
  update(id: number, change: { description: string; config: Config }): Promise<void>;
  rename(id: number, name: string): Promise<void>;
  /** Moves the row to another project, under another name if given. */
  setProject(id: number, project: string, name: string): Promise<void>;
  delete(id: number): Promise<void>;

  /** Oldest first. */
  snapshots(volumeId: number): Promise<readonly StoredSnapshot[]>;
  /** Adds a snapshot in state `pending`. @throws LxdError conflict */
  insertSnapshot(volumeId: number, snapshot: NewSnapshot): Promise<StoredSnapshot>;
  markSnapshotReady(id: number): Promise<void>;
  updateSnapshot(id: number, change: { description: string; expiresAt: Date | undefined }): Promise<void>;
  renameSnapshot(id: number, name: string): Promise<void>;
  deleteSnapshot(id: number): Promise<void>;
}

const withPlace = (tx: Reader) =>
  tx
    .select({ volume: storageVolumes, pool: storagePools.name, project: projects.name })
    .from(storageVolumes)
    .innerJoin(storagePools, eq(storagePools.id, storageVolumes.storagePoolId))
    .innerJoin(projects, eq(projects.id, storageVolumes.projectId));

const selectVolumes = preparedQuery(['pool', 'project', 'type'], (tx, { pool, project, type }) =>
  withPlace(tx)
    .where(and(matches(storagePools.name, pool), matches(projects.name, project), matches(storageVolumes.type, type)))
    .orderBy(asc(storageVolumes.type), asc(storageVolumes.name)),
);

const selectNamed = preparedQuery(['pool', 'project', 'type', 'name'], (tx, { pool, project, type, name }) =>
  withPlace(tx)
    .where(
      and(
        eq(storageVolumes.name, name),
        matches(storagePools.name, pool),
        matches(projects.name, project),
        matches(storageVolumes.type, type),
      ),
    )
    .orderBy(asc(storageVolumes.type)),
);

const selectSnapshots = preparedQuery(['volume'], (tx, { volume }) =>
  tx
    .select()
    .from(storageVolumesSnapshots)
    .where(eq(storageVolumesSnapshots.storageVolumeId, volume))
    .orderBy(asc(storageVolumesSnapshots.creationDate), asc(storageVolumesSnapshots.id)),
);

const listIn = async (tx: Reader, query: VolumeQuery): Promise<StoredVolume[]> => {
  const { pool = null, project = null, type = null, name } = query;
  const rows = await (name === undefined
    ? selectVolumes(tx, { pool, project, type })
    : selectNamed(tx, { pool, project, type, name }));
  const configs = await loadConfigs(
    tx,
    storageVolumesConfig,
    rows.map((row) => row.volume.id),
  );
  return rows.map(({ volume, pool, project }) => ({
    id: volume.id,
    pool,
    project,
    type: volume.type,
    content: volume.contentType,
    name: volume.name,
    description: volume.description,
    config: configs.get(volume.id) ?? {},
    createdAt: volume.creationDate,
    state: volume.state,
  }));
};

const snapshotsIn = async (tx: Reader, volumeId: number): Promise<StoredSnapshot[]> => {
  const rows = await selectSnapshots(tx, { volume: volumeId });
  const configs = await loadConfigs(
    tx,
    storageVolumesSnapshotsConfig,
    rows.map((row) => row.id),
  );
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    description: row.description,
    config: configs.get(row.id) ?? {},
    createdAt: row.creationDate,
    expiresAt: row.expiryDate ?? undefined,
    state: row.state,
  }));
};

/** Adds the row of a volume. @throws LxdError conflict when the name is taken */
export const insertVolume = async (
  tx: Transaction,
  volume: NewVolume,
  state: StoredVolume['state'],
): Promise<StoredVolume> => {
  const [pool] = await tx.select({ id: storagePools.id }).from(storagePools).where(eq(storagePools.name, volume.pool));
  if (!pool) throw notFound('Storage pool not found');
  const key = { pool: volume.pool, project: volume.project, type: volume.type, name: volume.name };
  const [taken] = await listIn(tx, key);
  if (taken) throw conflict(`Volume "${volume.name}" already exists in pool "${volume.pool}"`);
  const id = await insertRow(tx, storageVolumes, {
    storagePoolId: pool.id,
    nodeId: member,
    projectId: await projectId(tx, volume.project),
    name: volume.name,
    type: volume.type,
    contentType: volume.content,
    description: volume.description,
    creationDate: volume.createdAt ?? new Date(),
    state,
  });
  await replaceConfig(tx, storageVolumesConfig, id, volume.config);
  const [inserted] = await listIn(tx, key);
  if (!inserted) throw new Error(`The row of volume "${volume.name}" is missing after its insertion`);
  return inserted;
};

/** Adds the row of a volume's snapshot. @throws LxdError conflict */
export const insertVolumeSnapshot = async (
  tx: Transaction,
  volumeId: number,
  snapshot: NewSnapshot,
  state: StoredSnapshot['state'],
): Promise<StoredSnapshot> => {
  if ((await snapshotsIn(tx, volumeId)).some((one) => one.name === snapshot.name)) {
    throw conflict(`Snapshot "${snapshot.name}" already exists`);
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

export const createVolumeStore = (database: Database): VolumeStore => {
  const find: VolumeStore['find'] = async (pool, project, type, name) => {
    const [volume] = await database.read((tx) => listIn(tx, { pool, project, type, name }));
    return volume;
  };

  return {
    list: (query = {}) => database.read((tx) => listIn(tx, query)),
    find,

    async get(pool, project, type, name) {
      const volume = await find(pool, project, type, name);
      if (!volume) throw notFound('Storage volume not found');
      return volume;
    },

    insert: (volume) => database.transaction((tx) => insertVolume(tx, volume, 'pending')),

    markReady: (id) =>
      database.transaction(async (tx) => {
        await tx.update(storageVolumes).set({ state: 'ready' }).where(eq(storageVolumes.id, id));
      }),

    replace: (older, newer) =>
      database.transaction(async (tx) => {
        await tx.update(storageVolumes).set({ state: 'pending' }).where(eq(storageVolumes.id, older));
        await tx.update(storageVolumes).set({ state: 'ready' }).where(eq(storageVolumes.id, newer));
      }),

    update: (id, { description, config }) =>
      database.transaction(async (tx) => {
        await tx.update(storageVolumes).set({ description }).where(eq(storageVolumes.id, id));
        await replaceConfig(tx, storageVolumesConfig, id, config);
      }),

    rename: (id, name) =>
      database.transaction(async (tx) => {
        await tx.update(storageVolumes).set({ name }).where(eq(storageVolumes.id, id));
      }),

    setProject: (id, project, name) =>
      database.transaction(async (tx) => {
        await tx
          .update(storageVolumes)
          .set({ projectId: await projectId(tx, project), name })
          .where(eq(storageVolumes.id, id));
      }),

    delete: (id) =>
      database.transaction(async (tx) => {
        await tx.delete(storageVolumes).where(eq(storageVolumes.id, id));
      }),

    snapshots: (volumeId) => database.read((tx) => snapshotsIn(tx, volumeId)),

    insertSnapshot: (volumeId, snapshot) =>
      database.transaction((tx) => insertVolumeSnapshot(tx, volumeId, snapshot, 'pending')),

    markSnapshotReady: (id) =>
      database.transaction(async (tx) => {
        await tx.update(storageVolumesSnapshots).set({ state: 'ready' }).where(eq(storageVolumesSnapshots.id, id));
      }),

    updateSnapshot: (id, { description, expiresAt }) =>
      database.transaction(async (tx) => {
        await tx
          .update(storageVolumesSnapshots)
          .set({ description, expiryDate: expiresAt ?? null })
          .where(eq(storageVolumesSnapshots.id, id));
      }),

    renameSnapshot: (id, name) =>
      database.transaction(async (tx) => {
        await tx.update(storageVolumesSnapshots).set({ name }).where(eq(storageVolumesSnapshots.id, id));
      }),

    deleteSnapshot: (id) =>
      database.transaction(async (tx) => {
        await tx.delete(storageVolumesSnapshots).where(eq(storageVolumesSnapshots.id, id));
      }),
  };
};
