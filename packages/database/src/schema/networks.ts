import { isNotNull, isNull } from 'drizzle-orm';
import { index, sqliteTable, text, unique, uniqueIndex } from 'drizzle-orm/sqlite-core';
import { nodes } from './cluster.ts';
import { configTable, description, id, memberState, owner, reference, state } from './columns.ts';
import { projects } from './projects.ts';

/** JSON text: a list of objects as the API shows them, without a shape of its own here. */
const list = (name: string) =>
  text(name, { mode: 'json' }).$type<readonly Record<string, unknown>[]>().notNull().default([]);

/** Managed networks. `pending` until every member has made its part. */
export const networks = sqliteTable(
  'networks',
  {
    id: id(),
    projectId: reference('project_id', () => projects.id).notNull(),
    name: text('name').notNull(),
    description: description(),
    type: text('type').notNull(),
    state: state(),
  },
  (table) => [unique('networks_name').on(table.projectId, table.name)],
);
/** The keys of a network that are the same on every member. */
export const networksConfig = configTable('networks_config', 'network_id', () => networks.id);

/** A network on one member. */
export const networksNodes = sqliteTable(
  'networks_nodes',
  {
    id: id(),
    networkId: owner('network_id', () => networks.id),
    nodeId: owner('node_id', () => nodes.id),
    state: memberState(),
  },
  (table) => [
    unique('networks_nodes_member').on(table.networkId, table.nodeId),
    index('networks_nodes_node').on(table.nodeId),
  ],
);
/** The keys of a network that are one member's own (`parent`, `bridge.external_interfaces`, …). */
export const networksNodesConfig = configTable('networks_nodes_config', 'network_node_id', () => networksNodes.id);

/** Access control lists; the rules as the API shows them. */
export const networksAcls = sqliteTable(
  'networks_acls',
  {
    id: id(),
    projectId: reference('project_id', () => projects.id).notNull(),
    name: text('name').notNull(),
    description: description(),
    ingress: list('ingress'),
    egress: list('egress'),
  },
  (table) => [unique('networks_acls_name').on(table.projectId, table.name)],
);
export const networksAclsConfig = configTable('networks_acls_config', 'network_acl_id', () => networksAcls.id);

/** Address forwards into a network. */
export const networksForwards = sqliteTable(
  'networks_forwards',
  {
    id: id(),
    networkId: owner('network_id', () => networks.id),
    /** Null in a network that is not tied to members (OVN). */
    nodeId: reference('node_id', () => nodes.id),
    listenAddress: text('listen_address').notNull(),
    description: description(),
    ports: list('ports'),
  },
  (table) => [
    uniqueIndex('networks_forwards_address')
      .on(table.networkId, table.nodeId, table.listenAddress)
      .where(isNotNull(table.nodeId)),
    uniqueIndex('networks_forwards_shared_address')
      .on(table.networkId, table.listenAddress)
      .where(isNull(table.nodeId)),
    index('networks_forwards_node').on(table.nodeId),
  ],
);
export const networksForwardsConfig = configTable(
  'networks_forwards_config',
  'network_forward_id',
  () => networksForwards.id,
);

/** Load balancers of a network. */
export const networksLoadBalancers = sqliteTable(
  'networks_load_balancers',
  {
    id: id(),
    networkId: owner('network_id', () => networks.id),
    /** Null in a network that is not tied to members (OVN). */
    nodeId: reference('node_id', () => nodes.id),
    listenAddress: text('listen_address').notNull(),
    description: description(),
    backends: list('backends'),
    ports: list('ports'),
  },
  (table) => [
    uniqueIndex('networks_load_balancers_address')
      .on(table.networkId, table.nodeId, table.listenAddress)
      .where(isNotNull(table.nodeId)),
    uniqueIndex('networks_load_balancers_shared_address')
      .on(table.networkId, table.listenAddress)
      .where(isNull(table.nodeId)),
    index('networks_load_balancers_node').on(table.nodeId),
  ],
);
export const networksLoadBalancersConfig = configTable(
  'networks_load_balancers_config',
  'network_load_balancer_id',
  () => networksLoadBalancers.id,
);

/** One side of a link between two networks. The link stands when the other side has its row too. */
export const networksPeers = sqliteTable(
  'networks_peers',
  {
    id: id(),
    networkId: owner('network_id', () => networks.id),
    name: text('name').notNull(),
    description: description(),
    targetProject: text('target_project').notNull(),
    targetNetwork: text('target_network').notNull(),
  },
  (table) => [
    unique('networks_peers_name').on(table.networkId, table.name),
    unique('networks_peers_target').on(table.networkId, table.targetProject, table.targetNetwork),
  ],
);
export const networksPeersConfig = configTable('networks_peers_config', 'network_peer_id', () => networksPeers.id);

/** DNS zones. A zone's name is unique on the whole server: it is what DNS clients ask for. */
export const networksZones = sqliteTable(
  'networks_zones',
  {
    id: id(),
    projectId: reference('project_id', () => projects.id).notNull(),
    name: text('name').notNull().unique(),
    description: description(),
  },
  (table) => [index('networks_zones_project').on(table.projectId)],
);
export const networksZonesConfig = configTable('networks_zones_config', 'network_zone_id', () => networksZones.id);

/** Records of a DNS zone besides those that follow from instances. */
export const networksZonesRecords = sqliteTable(
  'networks_zones_records',
  {
    id: id(),
    networkZoneId: owner('network_zone_id', () => networksZones.id),
    name: text('name').notNull(),
    description: description(),
    entries: list('entries'),
  },
  (table) => [unique('networks_zones_records_name').on(table.networkZoneId, table.name)],
);
export const networksZonesRecordsConfig = configTable(
  'networks_zones_records_config',
  'network_zone_record_id',
  () => networksZonesRecords.id,
);
