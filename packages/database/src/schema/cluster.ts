import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { configTable, date, description, id, owner, reference } from './columns.ts';
import { projects } from './projects.ts';

/** The cluster members. A server on its own is the one row with id 1: its name is the server's name. */
export const nodes = sqliteTable('nodes', {
  id: id(),
  name: text('name').notNull().unique(),
  description: description(),
  /** `host:port` of the member's cluster listener; `0.0.0.0` on a server on its own. */
  address: text('address').notNull(),
  architecture: text('architecture').notNull(),
  failureDomain: text('failure_domain').notNull().default('default'),
});

/** Configuration of a member as part of the cluster (`scheduler.instance`, …). */
export const nodesConfig = configTable('nodes_config', 'node_id', () => nodes.id);

/** The server configuration all members share; what only one member knows is in the local database. */
export const config = sqliteTable('config', {
  key: text('key').primaryKey(),
  value: text('value').notNull(),
});

/** Named sets of members that instances can be placed on. */
export const clusterGroups = sqliteTable('cluster_groups', {
  id: id(),
  name: text('name').notNull().unique(),
  description: description(),
});

/** Which member is in which cluster groups. */
export const nodesClusterGroups = sqliteTable(
  'nodes_cluster_groups',
  {
    nodeId: owner('node_id', () => nodes.id),
    groupId: owner('group_id', () => clusterGroups.id),
  },
  (table) => [
    primaryKey({ columns: [table.nodeId, table.groupId] }),
    index('nodes_cluster_groups_group').on(table.groupId),
  ],
);

/**
 * Operations that run now, with what is needed to undo or finish them after a crash. A row goes when its operation ends;
 * one found at start belongs to an operation that was cut short.
 */
export const operations = sqliteTable(
  'operations',
  {
    id: id(),
    uuid: text('uuid').notNull().unique(),
    nodeId: owner('node_id', () => nodes.id),
    projectId: integer('project_id').references(() => projects.id, { onDelete: 'cascade' }),
    /** What the operation does, as a word of the daemon's own. */
    type: text('type').notNull(),
    /** What repair needs to know: a JSON value whose shape follows from `type`. */
    intent: text('intent', { mode: 'json' }).$type<unknown>(),
    creationDate: date('creation_date').notNull(),
  },
  (table) => [index('operations_node').on(table.nodeId), index('operations_project').on(table.projectId)],
);

/** Tokens handed out to clients and to servers that will join, until they are used, revoked or expire. */
export const tokens = sqliteTable('tokens', {
  id: id(),
  /** The uuid of the operation that stands for the token in the API. */
  uuid: text('uuid').notNull().unique(),
  type: text('type', { enum: ['certificate', 'join', 'image'] }).notNull(),
  /** The name of the client or server it was made for. */
  name: text('name').notNull(),
  secret: text('secret').notNull(),
  /** What else the token carries (restrictions, projects, image): a JSON value whose shape follows from `type`. */
  metadata: text('metadata', { mode: 'json' }).$type<unknown>(),
  nodeId: reference('node_id', () => nodes.id),
  creationDate: date('creation_date').notNull(),
  /** Null: it does not expire. */
  expiryDate: date('expiry_date'),
});

/** Problems found, one row for each distinct one (same member, project, type and entity), with how often it was seen. */
export const warnings = sqliteTable(
  'warnings',
  {
    id: id(),
    uuid: text('uuid').notNull().unique(),
    nodeId: integer('node_id').references(() => nodes.id, { onDelete: 'cascade' }),
    projectId: integer('project_id').references(() => projects.id, { onDelete: 'cascade' }),
    /** What kind of object it is about (`instance`, `network`, …) and that row's id; null: the server as a whole. */
    entityType: text('entity_type'),
    entityId: integer('entity_id'),
    /** The code of the warning's type; its words are the daemon's. */
    typeCode: integer('type_code').notNull(),
    severity: text('severity', { enum: ['low', 'moderate', 'high'] }).notNull(),
    status: text('status', { enum: ['new', 'acknowledged', 'resolved'] }).notNull(),
    firstSeenDate: date('first_seen_date').notNull(),
    lastSeenDate: date('last_seen_date').notNull(),
    /** When the status last changed. */
    updatedDate: date('updated_date').notNull(),
    lastMessage: text('last_message').notNull(),
    count: integer('count').notNull().default(1),
  },
  (table) => [
    index('warnings_node').on(table.nodeId),
    index('warnings_project').on(table.projectId),
    index('warnings_subject').on(table.typeCode, table.entityType, table.entityId),
  ],
);
