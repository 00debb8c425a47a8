/** The rows a server cannot be without. */
import { eq } from 'drizzle-orm';
import type { Transaction } from '../engine/transaction.ts';
import * as schema from '../schema/global.ts';
import { insertRow } from './bulk.ts';
import { replaceConfig } from './config.ts';

/** The row of a server on its own, and of the first member of a cluster. */
export const firstNodeId = 1;

export interface Member {
  /** The server's name. */
  readonly name: string;
  /** `host:port` of its cluster listener; `0.0.0.0` while it has none. */
  readonly address: string;
  /** As the kernel says it: `x86_64`. */
  readonly architecture: string;
}

/** What the default project has of its own: everything. */
const defaultFeatures = {
  'features.images': 'true',
  'features.networks': 'true',
  'features.networks.zones': 'true',
  'features.profiles': 'true',
  'features.storage.buckets': 'true',
  'features.storage.volumes': 'true',
};

/**
 * Makes the rows of a new global database: this server as its first member, the project `default` with the profile
 * `default`, and the cluster group `default`. Changes nothing when they are there.
 */
export const createInitialRows = async (tx: Transaction, member: Member): Promise<void> => {
  const { nodes, projects, profiles, clusterGroups, nodesClusterGroups } = schema;
  const known = await tx.select({ id: nodes.id }).from(nodes).where(eq(nodes.id, firstNodeId));
  if (known.length > 0) return;
  await tx.insert(nodes).values({ id: firstNodeId, ...member });
  const projectId = await insertRow(tx, projects, { name: 'default', description: 'Default LXD project' });
  await replaceConfig(tx, schema.projectsConfig, projectId, defaultFeatures);
  await insertRow(tx, profiles, { projectId, name: 'default', description: 'Default LXD profile' });
  const groupId = await insertRow(tx, clusterGroups, { name: 'default', description: 'Default cluster group' });
  await tx.insert(nodesClusterGroups).values({ nodeId: firstNodeId, groupId });
};
