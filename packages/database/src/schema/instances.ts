import { index, integer, primaryKey, sqliteTable, text, unique } from 'drizzle-orm/sqlite-core';
import { nodes } from './cluster.ts';
import {
  backupTable,
  configTable,
  date,
  description,
  deviceTable,
  flag,
  id,
  owner,
  reference,
  state,
} from './columns.ts';
import { profiles, projects } from './projects.ts';

/** Containers and virtual machines. Whether one runs is the host's to know, not a column. */
export const instances = sqliteTable(
  'instances',
  {
    id: id(),
    nodeId: reference('node_id', () => nodes.id).notNull(),
    projectId: reference('project_id', () => projects.id).notNull(),
    name: text('name').notNull(),
    description: description(),
    /** As the kernel says it: `x86_64`, `aarch64`, … */
    architecture: text('architecture').notNull(),
    type: text('type', { enum: ['container', 'virtual-machine'] }).notNull(),
    /** Deleted when it stops. */
    ephemeral: flag('ephemeral').notNull().default(false),
    /** Stopped with its run-time state saved. */
    stateful: flag('stateful').notNull().default(false),
    creationDate: date('creation_date').notNull(),
    /** When it was last started; null: never. */
    lastUseDate: date('last_use_date'),
    state: state(),
  },
  (table) => [
    unique('instances_name').on(table.projectId, table.name),
    index('instances_node').on(table.nodeId, table.projectId),
  ],
);
export const instancesConfig = configTable('instances_config', 'instance_id', () => instances.id);
export const instancesDevices = deviceTable('instances_devices', 'instance_id', () => instances.id);

/** The profiles of an instance, in the order they are applied (from 0; a later one wins). */
export const instancesProfiles = sqliteTable(
  'instances_profiles',
  {
    instanceId: owner('instance_id', () => instances.id),
    profileId: reference('profile_id', () => profiles.id).notNull(),
    applyOrder: integer('apply_order').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.instanceId, table.applyOrder] }),
    index('instances_profiles_profile').on(table.profileId),
  ],
);

/** Snapshots of instances, with the configuration and devices the instance had then. */
export const instancesSnapshots = sqliteTable(
  'instances_snapshots',
  {
    id: id(),
    instanceId: owner('instance_id', () => instances.id),
    name: text('name').notNull(),
    description: description(),
    /** Taken with the run-time state. */
    stateful: flag('stateful').notNull().default(false),
    creationDate: date('creation_date').notNull(),
    /** Null: it is kept. */
    expiryDate: date('expiry_date'),
    state: state(),
  },
  (table) => [
    unique('instances_snapshots_name').on(table.instanceId, table.name),
    index('instances_snapshots_expiry').on(table.expiryDate),
  ],
);
export const instancesSnapshotsConfig = configTable(
  'instances_snapshots_config',
  'instance_snapshot_id',
  () => instancesSnapshots.id,
);
export const instancesSnapshotsDevices = deviceTable(
  'instances_snapshots_devices',
  'instance_snapshot_id',
  () => instancesSnapshots.id,
);

/** Backup files (exports) of instances that the server keeps. */
export const instancesBackups = backupTable('instances_backups', 'instance_id', 'instance_only', () => instances.id);
