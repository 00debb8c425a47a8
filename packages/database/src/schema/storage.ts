import { isNotNull, isNull } from 'drizzle-orm';
import { index, sqliteTable, text, unique, uniqueIndex } from 'drizzle-orm/sqlite-core';
import { nodes } from './cluster.ts';
import { backupTable, configTable, date, description, id, memberState, owner, reference, state } from './columns.ts';
import { projects } from './projects.ts';

/** Storage pools. `pending` until every member has made its part. */
export const storagePools = sqliteTable('storage_pools', {
  id: id(),
  name: text('name').notNull().unique(),
  driver: text('driver').notNull(),
  description: description(),
  state: state(),
});
/** The keys of a pool that are the same on every member. */
export const storagePoolsConfig = configTable('storage_pools_config', 'storage_pool_id', () => storagePools.id);

/** A pool on one member. */
export const storagePoolsNodes = sqliteTable(
  'storage_pools_nodes',
  {
    id: id(),
    storagePoolId: owner('storage_pool_id', () => storagePools.id),
    nodeId: owner('node_id', () => nodes.id),
    state: memberState(),
  },
  (table) => [
    unique('storage_pools_nodes_member').on(table.storagePoolId, table.nodeId),
    index('storage_pools_nodes_node').on(table.nodeId),
  ],
);
/** The keys of a pool that are one member's own (`source`, `size`, …). */
export const storagePoolsNodesConfig = configTable(
  'storage_pools_nodes_config',
  'storage_pool_node_id',
  () => storagePoolsNodes.id,
);

/** Volumes of all types: those of instances (by the instance's name), of images (by the fingerprint), and custom ones. */
export const storageVolumes = sqliteTable(
  'storage_volumes',
  {
    id: id(),
    storagePoolId: reference('storage_pool_id', () => storagePools.id).notNull(),
    /** Null in a remote pool: the volume is on no member in particular. */
    nodeId: reference('node_id', () => nodes.id),
    projectId: reference('project_id', () => projects.id).notNull(),
    name: text('name').notNull(),
    type: text('type', { enum: ['container', 'virtual-machine', 'image', 'custom'] }).notNull(),
    contentType: text('content_type', { enum: ['filesystem', 'block', 'iso'] }).notNull(),
    description: description(),
    creationDate: date('creation_date').notNull(),
    state: state(),
  },
  (table) => [
    // SQLite takes two nulls for different, so volumes without a member need an index of their own.
    uniqueIndex('storage_volumes_name')
      .on(table.storagePoolId, table.nodeId, table.projectId, table.type, table.name)
      .where(isNotNull(table.nodeId)),
    uniqueIndex('storage_volumes_remote_name')
      .on(table.storagePoolId, table.projectId, table.type, table.name)
      .where(isNull(table.nodeId)),
    index('storage_volumes_project').on(table.projectId, table.type, table.name),
    index('storage_volumes_node').on(table.nodeId),
  ],
);
export const storageVolumesConfig = configTable('storage_volumes_config', 'storage_volume_id', () => storageVolumes.id);

/** Snapshots of volumes, those of instances included. */
export const storageVolumesSnapshots = sqliteTable(
  'storage_volumes_snapshots',
  {
    id: id(),
    storageVolumeId: owner('storage_volume_id', () => storageVolumes.id),
    name: text('name').notNull(),
    description: description(),
    creationDate: date('creation_date').notNull(),
    /** Null: it is kept. */
    expiryDate: date('expiry_date'),
    state: state(),
  },
  (table) => [
    unique('storage_volumes_snapshots_name').on(table.storageVolumeId, table.name),
    index('storage_volumes_snapshots_expiry').on(table.expiryDate),
  ],
);
export const storageVolumesSnapshotsConfig = configTable(
  'storage_volumes_snapshots_config',
  'storage_volume_snapshot_id',
  () => storageVolumesSnapshots.id,
);

/** Backup files (exports) of custom volumes that the server keeps. */
export const storageVolumesBackups = backupTable(
  'storage_volumes_backups',
  'storage_volume_id',
  'volume_only',
  () => storageVolumes.id,
);

/** S3 buckets. */
export const storageBuckets = sqliteTable(
  'storage_buckets',
  {
    id: id(),
    storagePoolId: reference('storage_pool_id', () => storagePools.id).notNull(),
    /** Null in a remote pool. */
    nodeId: reference('node_id', () => nodes.id),
    projectId: reference('project_id', () => projects.id).notNull(),
    name: text('name').notNull(),
    description: description(),
    state: state(),
  },
  (table) => [
    uniqueIndex('storage_buckets_name')
      .on(table.storagePoolId, table.nodeId, table.name)
      .where(isNotNull(table.nodeId)),
    uniqueIndex('storage_buckets_remote_name').on(table.storagePoolId, table.name).where(isNull(table.nodeId)),
    index('storage_buckets_project').on(table.projectId),
    index('storage_buckets_node').on(table.nodeId),
  ],
);
export const storageBucketsConfig = configTable('storage_buckets_config', 'storage_bucket_id', () => storageBuckets.id);

/** Credentials of S3 buckets. */
export const storageBucketsKeys = sqliteTable(
  'storage_buckets_keys',
  {
    id: id(),
    storageBucketId: owner('storage_bucket_id', () => storageBuckets.id),
    name: text('name').notNull(),
    description: description(),
    accessKey: text('access_key').notNull(),
    secretKey: text('secret_key').notNull(),
    role: text('role', { enum: ['admin', 'read-only'] }).notNull(),
  },
  (table) => [
    unique('storage_buckets_keys_name').on(table.storageBucketId, table.name),
    index('storage_buckets_keys_access').on(table.accessKey),
  ],
);
