import {
  and,
  asc,
  type Database,
  eq,
  firstNodeId,
  insertRow,
  loadConfigs,
  type Reader,
  replaceConfig,
  schema,
  type Transaction,
} from '@lxd-ts/database';
import { type Config, conflict, notFound } from '@lxd-ts/driver-kit';
import { projectId } from '../projects/store.ts';

const { networks, networksConfig, networksNodes, networksNodesConfig, projects } = schema;

/** The row number of this member. */
const member = firstNodeId;

/** A managed network as it is stored. */
export interface StoredNetwork {
  readonly id: number;
  readonly name: string;
  readonly project: string;
  readonly type: string;
  readonly description: string;
  /** The cluster-wide keys and this member's own. */
  readonly config: Config;
  readonly state: 'pending' | 'created' | 'errored';
}

export interface NetworkStore {
  list(project?: string): Promise<readonly StoredNetwork[]>;
  find(project: string, name: string): Promise<StoredNetwork | undefined>;
  /** @throws LxdError not-found */
  get(project: string, name: string): Promise<StoredNetwork>;
  /**
   * Adds a network in state `pending`.
   *
   * @param memberKeys - keys that are this member's own
   * @throws LxdError conflict
   */
  insert(network: Omit<StoredNetwork, 'id' | 'state'>, memberKeys: readonly string[]): Promise<StoredNetwork>;
  update(
    network: StoredNetwork,
    change: { description: string; config: Config },
    memberKeys: readonly string[],
  ): Promise<void>;
  markCreated(network: StoredNetwork): Promise<void>;
  rename(network: StoredNetwork, name: string): Promise<void>;
  delete(network: StoredNetwork): Promise<void>;
}

const listIn = async (tx: Reader, where: { project?: string; name?: string }): Promise<StoredNetwork[]> => {
  const rows = await tx
    .select({ network: networks, node: networksNodes, project: projects.name })
    .from(networks)
    .innerJoin(projects, eq(projects.id, networks.projectId))
    .innerJoin(networksNodes, eq(networksNodes.networkId, networks.id))
    .where(
      and(
        eq(networksNodes.nodeId, member),
        where.project === undefined ? undefined : eq(projects.name, where.project),
        where.name === undefined ? undefined : eq(networks.name, where.name),
      ),
    )
    .orderBy(asc(networks.name));
  const shared = await loadConfigs(
    tx,
    networksConfig,
    rows.map((row) => row.network.id),
  );
  const own = await loadConfigs(
    tx,
    networksNodesConfig,
    rows.map((row) => row.node.id),
  );
  return rows.map(({ network, node, project }) => ({
    id: network.id,
    name: network.name,
    project,
    type: network.type,
    description: network.description,
    config: { ...shared.get(network.id), ...own.get(node.id) },
    state: node.state,
  }));
};

const writeConfig = async (
  tx: Transaction,
  id: number,
  config: Config,
  memberKeys: readonly string[],
): Promise<void> => {
  const isOwn = (key: string): boolean => memberKeys.includes(key);
  const pick = (own: boolean): Config =>
    Object.fromEntries(Object.entries(config).filter(([key]) => isOwn(key) === own));
  await replaceConfig(tx, networksConfig, id, pick(false));
  const [node] = await tx.select({ id: networksNodes.id }).from(networksNodes).where(eq(networksNodes.networkId, id));
  if (node) await replaceConfig(tx, networksNodesConfig, node.id, pick(true));
};

export const createNetworkStore = (database: Database): NetworkStore => {
  const find: NetworkStore['find'] = async (project, name) => {
    const [network] = await database.read((tx) => listIn(tx, { project, name }));
    return network;
  };

  return {
    list: (project) => database.read((tx) => listIn(tx, project === undefined ? {} : { project })),
    find,

    async get(project, name) {
      const network = await find(project, name);
      if (!network) throw notFound('Network not found');
      return network;
    },

    insert: (network, memberKeys) =>
      database.transaction(async (tx) => {
        const key = { project: network.project, name: network.name };
        if ((await listIn(tx, key)).length > 0) throw conflict(`The network "${network.name}" already exists`);
        const { name, type, description } = network;
        const id = await insertRow(tx, networks, {
          name,
          type,
          description,
          projectId: await projectId(tx, network.project),
          state: 'pending',
        });
        await insertRow(tx, networksNodes, { networkId: id, nodeId: member, state: 'pending' });
        await writeConfig(tx, id, network.config, memberKeys);
        const [inserted] = await listIn(tx, key);
        if (!inserted) throw new Error(`The row of network "${name}" is missing after its insertion`);
        return inserted;
      }),

    update: ({ id }, { description, config }, memberKeys) =>
      database.transaction(async (tx) => {
        await tx.update(networks).set({ description }).where(eq(networks.id, id));
        await writeConfig(tx, id, config, memberKeys);
      }),

    markCreated: ({ id }) =>
      database.transaction(async (tx) => {
        await tx.update(networks).set({ state: 'ready' }).where(eq(networks.id, id));
        await tx.update(networksNodes).set({ state: 'created' }).where(eq(networksNodes.networkId, id));
      }),

    rename: ({ id }, name) =>
      database.transaction(async (tx) => {
        await tx.update(networks).set({ name }).where(eq(networks.id, id));
      }),

    delete: ({ id }) =>
      database.transaction(async (tx) => {
        await tx.delete(networks).where(eq(networks.id, id));
      }),
  };
};
