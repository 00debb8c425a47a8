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
import { type BucketKey, type Config, conflict, notFound } from '@lxd-ts/driver-kit';
import { projectId } from '../projects/store.ts';

const { projects, storageBuckets, storageBucketsConfig, storageBucketsKeys, storagePools } = schema;

/** The row number of this member. */
const member = firstNodeId;

/** A bucket as it is stored. */
export interface StoredBucket {
  readonly id: number;
  readonly pool: string;
  readonly project: string;
  readonly name: string;
  readonly description: string;
  readonly config: Config;
  /** On this member alone; else in a pool that all members share. */
  readonly local: boolean;
  /** `pending`: being made or deleted. */
  readonly state: 'pending' | 'ready';
}

/** A bucket's key as it is stored. */
export interface StoredKey extends BucketKey {
  readonly id: number;
  readonly description: string;
}

/** Narrows a list; what is left out matches all. */
export interface BucketQuery {
  readonly pool?: string;
  readonly project?: string;
  readonly name?: string;
}

type NewBucket = Omit<StoredBucket, 'id' | 'state'>;

export interface BucketStore {
  /** Those that are being made or deleted too. */
  list(query?: BucketQuery): Promise<readonly StoredBucket[]>;
  /** @throws LxdError not-found, also when the pool is not there */
  get(pool: string, project: string, name: string): Promise<StoredBucket>;
  /** Adds a bucket in state `pending`. @throws LxdError conflict when the name is taken in the pool, in any project */
  insert(bucket: NewBucket): Promise<StoredBucket>;
  setState(id: number, state: StoredBucket['state']): Promise<void>;
  update(id: number, change: { description: string; config: Config }): Promise<void>;
  /** With its keys. */
  delete(id: number): Promise<void>;
  keys(bucketId: number): Promise<readonly StoredKey[]>;
  /** @throws LxdError not-found */
  key(bucketId: number, name: string): Promise<StoredKey>;
  /** @throws LxdError conflict when the name or the access key is taken */
  insertKey(bucketId: number, key: Omit<StoredKey, 'id'>): Promise<StoredKey>;
  /** @throws LxdError conflict when the access key is another key's */
  updateKey(id: number, key: Omit<StoredKey, 'id'>): Promise<void>;
  deleteKey(id: number): Promise<void>;
  /** The bucket that an access key opens; undefined when there is no such key. */
  byAccessKey(accessKey: string): Promise<{ readonly bucket: StoredBucket; readonly key: StoredKey } | undefined>;
}

const select = (tx: Reader) =>
  tx
    .select({ bucket: storageBuckets, pool: storagePools.name, project: projects.name })
    .from(storageBuckets)
    .innerJoin(storagePools, eq(storagePools.id, storageBuckets.storagePoolId))
    .innerJoin(projects, eq(projects.id, storageBuckets.projectId));

const selectBuckets = preparedQuery(['pool', 'project', 'name'], (tx, { pool, project, name }) =>
  select(tx)
    .where(and(matches(storagePools.name, pool), matches(projects.name, project), matches(storageBuckets.name, name)))
    .orderBy(asc(storagePools.name), asc(storageBuckets.name)),
);

const selectById = preparedQuery(['id'], (tx, { id }) => select(tx).where(eq(storageBuckets.id, id)));

const selectKeys = preparedQuery(['bucket'], (tx, { bucket }) =>
  tx
    .select()
    .from(storageBucketsKeys)
    .where(eq(storageBucketsKeys.storageBucketId, bucket))
    .orderBy(asc(storageBucketsKeys.name)),
);

const selectAccessKey = preparedQuery(['accessKey'], (tx, { accessKey }) =>
  tx.select().from(storageBucketsKeys).where(eq(storageBucketsKeys.accessKey, accessKey)),
);

type Rows = Awaited<ReturnType<typeof selectBuckets>>;

const withConfigs = async (tx: Reader, rows: Rows): Promise<StoredBucket[]> => {
  const configs = await loadConfigs(
    tx,
    storageBucketsConfig,
    rows.map(({ bucket }) => bucket.id),
  );
  return rows.map(({ bucket, pool, project }) => ({
    id: bucket.id,
    pool,
    project,
    name: bucket.name,
    description: bucket.description,
    config: configs.get(bucket.id) ?? {},
    local: bucket.nodeId !== null,
    state: bucket.state,
  }));
};

const listIn = async (
  tx: Reader,
  { pool = null, project = null, name = null }: { [Key in keyof BucketQuery]: BucketQuery[Key] | null },
) => withConfigs(tx, await selectBuckets(tx, { pool, project, name }));

const refuseTakenAccessKey = async (tx: Reader, accessKey: string, own?: number): Promise<void> => {
  const taken = (await selectAccessKey(tx, { accessKey })).some(({ id }) => id !== own);
  if (taken) throw conflict('Invalid value for "access-key": another bucket key has it already');
};

const keysIn = (tx: Reader, bucket: number): Promise<StoredKey[]> => selectKeys(tx, { bucket });

/** Adds a bucket. @throws LxdError not-found, conflict when the name is taken in the pool, in any project */
export const insertBucket = async (
  tx: Transaction,
  bucket: NewBucket,
  state: StoredBucket['state'],
): Promise<StoredBucket> => {
  const [pool] = await tx.select({ id: storagePools.id }).from(storagePools).where(eq(storagePools.name, bucket.pool));
  if (!pool) throw notFound('Storage pool not found');
  // S3 knows no projects: a name is one bucket's.
  const taken = await listIn(tx, { pool: bucket.pool, name: bucket.name });
  if (taken.length > 0) throw conflict('A bucket for that name already exists');
  const id = await insertRow(tx, storageBuckets, {
    storagePoolId: pool.id,
    nodeId: bucket.local ? member : null,
    projectId: await projectId(tx, bucket.project),
    name: bucket.name,
    description: bucket.description,
    state,
  });
  await replaceConfig(tx, storageBucketsConfig, id, bucket.config);
  return { ...bucket, id, state };
};

/** Adds a key to a bucket. @throws LxdError conflict when the name or the access key is taken */
export const insertBucketKey = async (
  tx: Transaction,
  bucketId: number,
  key: Omit<StoredKey, 'id'>,
): Promise<StoredKey> => {
  if ((await keysIn(tx, bucketId)).some(({ name }) => name === key.name)) {
    throw conflict('A bucket key for that name already exists');
  }
  await refuseTakenAccessKey(tx, key.accessKey);
  const id = await insertRow(tx, storageBucketsKeys, { ...key, storageBucketId: bucketId });
  return { ...key, id };
};

export const createBucketStore = (database: Database): BucketStore => {
  return {
    list: (query = {}) => database.read((tx) => listIn(tx, query)),

    get: (pool, project, name) =>
      database.read(async (tx) => {
        const [bucket] = await listIn(tx, { pool, project, name });
        if (bucket) return bucket;
        const [known] = await tx.select({ id: storagePools.id }).from(storagePools).where(eq(storagePools.name, pool));
        throw notFound(known ? 'Storage bucket not found' : 'Storage pool not found');
      }),

    insert: (bucket) => database.transaction((tx) => insertBucket(tx, bucket, 'pending')),

    setState: (id, state) =>
      database.transaction(async (tx) => {
        await tx.update(storageBuckets).set({ state }).where(eq(storageBuckets.id, id));
      }),

    update: (id, { description, config }) =>
      database.transaction(async (tx) => {
        await tx.update(storageBuckets).set({ description }).where(eq(storageBuckets.id, id));
        await replaceConfig(tx, storageBucketsConfig, id, config);
      }),

    delete: (id) =>
      database.transaction(async (tx) => {
        await tx.delete(storageBuckets).where(eq(storageBuckets.id, id));
      }),

    keys: (bucketId) => database.read((tx) => keysIn(tx, bucketId)),

    key: (bucketId, name) =>
      database.read(async (tx) => {
        const found = (await keysIn(tx, bucketId)).find((key) => key.name === name);
        if (!found) throw notFound('Storage bucket key not found');
        return found;
      }),

    insertKey: (bucketId, key) => database.transaction((tx) => insertBucketKey(tx, bucketId, key)),

    updateKey: (id, { description, role, accessKey, secretKey }) =>
      database.transaction(async (tx) => {
        await refuseTakenAccessKey(tx, accessKey, id);
        await tx
          .update(storageBucketsKeys)
          .set({ description, role, accessKey, secretKey })
          .where(eq(storageBucketsKeys.id, id));
      }),

    deleteKey: (id) =>
      database.transaction(async (tx) => {
        await tx.delete(storageBucketsKeys).where(eq(storageBucketsKeys.id, id));
      }),

    byAccessKey: (accessKey) =>
      database.read(async (tx) => {
        const [key] = await selectAccessKey(tx, { accessKey });
        if (!key) return undefined;
        const [bucket] = await withConfigs(tx, await selectById(tx, { id: key.storageBucketId }));
        return bucket && { bucket, key };
      }),
  };
};
