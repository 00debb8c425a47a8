import {
  and,
  asc,
  type Database,
  eq,
  firstNodeId,
  insertRow,
  loadConfigs,
  matches,
  patchConfig,
  preparedQuery,
  type Reader,
  replaceConfig,
  schema,
  type Transaction,
} from '@lxd-ts/database';
import { type Config, type ContentType, conflict, notFound, type VolumeType } from '@lxd-ts/driver-kit';
import { projectId } from '../projects/store.ts';
import { repointDevices, type VolumePlace } from './volume-references.ts';
import { createVolumeSnapshotStore, renameKey, type VolumeSnapshotStore } from './volume-snapshot-store.ts';

export type { NewSnapshot, StoredSnapshot } from './volume-snapshot-store.ts';

const { projects, storagePools, storageVolumes, storageVolumesConfig } = schema;

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

export type NewVolume = Omit<StoredVolume, 'id' | 'createdAt' | 'state'> & { readonly createdAt?: Date };

/** Narrows a list; what is left out matches all. */
export interface VolumeQuery {
  readonly pool?: string;
  readonly project?: string;
  readonly type?: VolumeType;
  readonly name?: string;
}

export interface VolumeStore extends VolumeSnapshotStore {
  list(query?: VolumeQuery): Promise<readonly StoredVolume[]>;
  find(pool: string, project: string, type: VolumeType, name: string): Promise<StoredVolume | undefined>;
  /** @throws LxdError not-found */
  get(pool: string, project: string, type: VolumeType, name: string): Promise<StoredVolume>;
  /** Adds a volume in state `pending`. @throws LxdError conflict when the name is taken */
  insert(volume: NewVolume): Promise<StoredVolume>;
  markReady(id: number): Promise<void>;
  /** Notes that it is going to be deleted. */
  markPending(id: number): Promise<void>;
  /** In one step makes `newer` ready, and `older` pending: to be deleted. */
  replace(older: number, newer: number): Promise<void>;
  /** Like `replace`, and points the devices that attach the older one at the newer. */
  moveOver(older: StoredVolume, newer: StoredVolume): Promise<void>;
  /** Notes a name that it is going to have; undefined: no longer. */
  planName(id: number, name: string | undefined): Promise<void>;
  /** Renames a custom volume, points the devices that attach it at the new name, and forgets what was planned. */
  renameCustom(volume: StoredVolume, name: string): Promise<void>;
  update(id: number, change: { description: string; config: Config }): Promise<void>;
  /** Sets some keys, and removes those that are null. */
  patchConfig(id: number, changes: Record<string, string | null>): Promise<void>;
  rename(id: number, name: string): Promise<void>;
  /** Moves the row to another project, under another name if given. */
  setProject(id: number, project: string, name: string): Promise<void>;
  delete(id: number): Promise<void>;
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

const setState = async (tx: Transaction, id: number, state: StoredVolume['state']): Promise<void> => {
  await tx.update(storageVolumes).set({ state }).where(eq(storageVolumes.id, id));
};

const exchange = async (tx: Transaction, older: number, newer: number): Promise<void> => {
  await setState(tx, older, 'pending');
  await setState(tx, newer, 'ready');
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

    markReady: (id) => database.transaction((tx) => setState(tx, id, 'ready')),
    markPending: (id) => database.transaction((tx) => setState(tx, id, 'pending')),
    replace: (older, newer) => database.transaction((tx) => exchange(tx, older, newer)),

    moveOver: (older, newer) =>
      database.transaction(async (tx) => {
        await exchange(tx, older.id, newer.id);
        await repointDevices(tx, older, newer);
      }),

    planName: (id, name) =>
      database.transaction((tx) => patchConfig(tx, storageVolumesConfig, id, { [renameKey]: name ?? null })),

    patchConfig: (id, changes) => database.transaction((tx) => patchConfig(tx, storageVolumesConfig, id, changes)),

    renameCustom: (volume, name) =>
      database.transaction(async (tx) => {
        const renamed: VolumePlace = { pool: volume.pool, project: volume.project, name };
        await tx.update(storageVolumes).set({ name }).where(eq(storageVolumes.id, volume.id));
        await patchConfig(tx, storageVolumesConfig, volume.id, { [renameKey]: null });
        await repointDevices(tx, volume, renamed);
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

    ...createVolumeSnapshotStore(database),
  };
};
