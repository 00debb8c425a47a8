import {
  and,
  asc,
  type Database,
  eq,
  firstNodeId,
  insertRow,
  loadConfigs,
  loadDevices,
  matches,
  patchConfig,
  preparedQuery,
  type Reader,
  replaceConfig,
  replaceDevices,
  schema,
  type Transaction,
} from '@lxd-ts/database';
import { type Config, conflict, type InstanceType, notFound } from '@lxd-ts/driver-kit';
import { projectId } from '../projects/store.ts';
import { type Devices, expand, type Instance } from './instance.ts';

const {
  instances,
  instancesConfig,
  instancesDevices,
  instancesProfiles,
  profiles,
  profilesConfig,
  profilesDevices,
  projects,
} = schema;

/** What a new instance row needs. It starts `pending`. */
export interface NewInstance {
  readonly name: string;
  readonly project: string;
  readonly type: InstanceType;
  readonly architecture: string;
  readonly description: string;
  readonly ephemeral: boolean;
  readonly stateful: boolean;
  readonly config: Config;
  readonly devices: Devices;
  readonly profiles: readonly string[];
  readonly createdAt?: Date;
}

/** The user-editable part of an instance. */
export type InstanceChange = Partial<
  Pick<Instance, 'architecture' | 'description' | 'ephemeral' | 'stateful' | 'config' | 'devices' | 'profiles'>
>;

export interface InstanceStore {
  /** @param where - all instances when empty */
  list(where?: {
    project?: string;
    type?: InstanceType;
    profile?: { project: string; name: string };
  }): Promise<readonly Instance[]>;
  find(project: string, name: string): Promise<Instance | undefined>;
  /** The instance of a row, whatever it is called by now. */
  findById(id: number): Promise<Instance | undefined>;
  /** @throws LxdError not-found */
  get(project: string, name: string): Promise<Instance>;
  /** @throws LxdError conflict when the name is taken, not-found for an unknown profile */
  insert(instance: NewInstance): Promise<Instance>;
  update(instance: Instance, change: InstanceChange): Promise<Instance>;
  /**
   * Changes single configuration keys without touching others; an empty value removes the key.
   *
   * @param usedAt - when it was started, if it was
   */
  setConfig(id: number, changes: Config, usedAt?: Date): Promise<void>;
  markReady(id: number): Promise<void>;
  /** Notes that it is going to be deleted. */
  markPending(id: number): Promise<void>;
  rename(instance: Instance, name: string): Promise<void>;
  setProject(instance: Instance, project: string): Promise<void>;
  delete(id: number): Promise<void>;
}

type Row = typeof instances.$inferSelect & { projectName: string };

const withProject = (tx: Reader) =>
  tx
    .select({ instance: instances, projectName: projects.name })
    .from(instances)
    .innerJoin(projects, eq(projects.id, instances.projectId));

const selectByName = preparedQuery(['project', 'name'], (tx, { project, name }) =>
  withProject(tx).where(and(eq(projects.name, project), eq(instances.name, name))),
);

const selectById = preparedQuery(['id'], (tx, { id }) => withProject(tx).where(eq(instances.id, id)));

const selectAll = preparedQuery(['project', 'type'], (tx, { project, type }) =>
  withProject(tx)
    .where(and(matches(projects.name, project), matches(instances.type, type)))
    .orderBy(asc(projects.name), asc(instances.name)),
);

const rowsOf = (found: Awaited<ReturnType<typeof selectAll>>): Row[] =>
  found.map(({ instance, projectName }) => ({ ...instance, projectName }));

const withProfile = (tx: Reader) =>
  tx
    .select({ instanceId: instancesProfiles.instanceId, profileId: profiles.id, name: profiles.name })
    .from(instancesProfiles)
    .innerJoin(profiles, eq(profiles.id, instancesProfiles.profileId));

const selectLinks = preparedQuery(['instance'], (tx, { instance }) =>
  withProfile(tx).where(eq(instancesProfiles.instanceId, instance)).orderBy(asc(instancesProfiles.applyOrder)),
);

const selectAllLinks = preparedQuery([], (tx) =>
  withProfile(tx).orderBy(asc(instancesProfiles.instanceId), asc(instancesProfiles.applyOrder)),
);

/** Instances of rows, complete with profiles and expansion, in a constant number of queries. */
const assemble = async (tx: Reader, rows: readonly Row[]): Promise<Instance[]> => {
  const ids = rows.map((row) => row.id);
  if (ids.length === 0) return [];
  const configs = await loadConfigs(tx, instancesConfig, ids);
  const devices = await loadDevices(tx, instancesDevices, ids);
  const [only] = ids;
  // A list is of nearly all instances: reading all links then beats naming each.
  const links =
    ids.length === 1 && only !== undefined ? await selectLinks(tx, { instance: only }) : await selectAllLinks(tx, {});
  const profileIds = [...new Set(links.map((link) => link.profileId))];
  const profileConfigs = await loadConfigs(tx, profilesConfig, profileIds);
  const profileDevices = await loadDevices(tx, profilesDevices, profileIds);
  const linksOf = Map.groupBy(links, (link) => link.instanceId);

  return rows.map((row) => {
    const own = { config: configs.get(row.id) ?? {}, devices: devices.get(row.id) ?? {} };
    const applied = linksOf.get(row.id) ?? [];
    const parts = applied.map(({ profileId }) => ({
      config: profileConfigs.get(profileId) ?? {},
      devices: profileDevices.get(profileId) ?? {},
    }));
    return {
      id: row.id,
      name: row.name,
      project: row.projectName,
      type: row.type,
      architecture: row.architecture,
      description: row.description,
      ephemeral: row.ephemeral,
      stateful: row.stateful,
      ...own,
      profiles: applied.map((link) => link.name),
      createdAt: row.creationDate,
      lastUsedAt: row.lastUseDate ?? undefined,
      state: row.state,
      expanded: expand(parts, own),
    };
  });
};

const replaceProfiles = async (
  tx: Transaction,
  instanceId: number,
  project: number,
  names: readonly string[],
): Promise<void> => {
  await tx.delete(instancesProfiles).where(eq(instancesProfiles.instanceId, instanceId));
  for (const [applyOrder, name] of names.entries()) {
    const [profile] = await tx
      .select({ id: profiles.id })
      .from(profiles)
      .where(and(eq(profiles.projectId, project), eq(profiles.name, name)));
    if (!profile) throw notFound(`Profile "${name}" not found`);
    await tx.insert(instancesProfiles).values({ instanceId, profileId: profile.id, applyOrder });
  }
};

const findIn = async (tx: Reader, project: string, name: string): Promise<Instance | undefined> => {
  const [instance] = await assemble(tx, rowsOf(await selectByName(tx, { project, name })));
  return instance;
};

/**
 * Adds the rows of an instance.
 *
 * @throws LxdError conflict when the name is taken, not-found for an unknown profile
 */
export const insertInstance = async (
  tx: Transaction,
  instance: NewInstance,
  state: Instance['state'],
): Promise<Instance> => {
  const project = await projectId(tx, instance.project);
  const [taken] = await selectByName(tx, { project: instance.project, name: instance.name });
  if (taken) throw conflict(`Instance "${instance.name}" already exists`);
  const id = await insertRow(tx, instances, {
    nodeId: firstNodeId,
    projectId: project,
    name: instance.name,
    description: instance.description,
    architecture: instance.architecture,
    type: instance.type,
    ephemeral: instance.ephemeral,
    stateful: instance.stateful,
    creationDate: instance.createdAt ?? new Date(),
    state,
  });
  await replaceConfig(tx, instancesConfig, id, instance.config);
  await replaceDevices(tx, instancesDevices, id, instance.devices);
  await replaceProfiles(tx, id, project, instance.profiles);
  const inserted = await findIn(tx, instance.project, instance.name);
  if (!inserted) throw new Error(`The row of instance "${instance.name}" is missing after its insertion`);
  return inserted;
};

export const createInstanceStore = (database: Database): InstanceStore => {
  const setState = (id: number, state: Instance['state']): Promise<void> =>
    database.transaction(async (tx) => {
      await tx.update(instances).set({ state }).where(eq(instances.id, id));
    });

  const store: InstanceStore = {
    list: (where = {}) =>
      database.read(async (tx) => {
        const { project = null, type = null } = where;
        const all = await assemble(tx, rowsOf(await selectAll(tx, { project, type })));
        const { profile } = where;
        return profile
          ? all.filter((one) => one.project === profile.project && one.profiles.includes(profile.name))
          : all;
      }),

    find: (project, name) => database.read((tx) => findIn(tx, project, name)),

    findById: (id) =>
      database.read(async (tx) => {
        const [instance] = await assemble(tx, rowsOf(await selectById(tx, { id })));
        return instance;
      }),

    async get(project, name) {
      const instance = await store.find(project, name);
      if (!instance) throw notFound('Instance not found');
      return instance;
    },

    insert: (instance) => database.transaction((tx) => insertInstance(tx, instance, 'pending')),

    update: (instance, change) =>
      database.transaction(async (tx) => {
        const { architecture, description, ephemeral, stateful, config, devices } = { ...instance, ...change };
        await tx
          .update(instances)
          .set({ architecture, description, ephemeral, stateful })
          .where(eq(instances.id, instance.id));
        await replaceConfig(tx, instancesConfig, instance.id, config);
        await replaceDevices(tx, instancesDevices, instance.id, devices);
        if (change.profiles)
          await replaceProfiles(tx, instance.id, await projectId(tx, instance.project), change.profiles);
        const updated = await findIn(tx, instance.project, instance.name);
        if (!updated) throw notFound('Instance not found');
        return updated;
      }),

    setConfig: (id, changes, usedAt) =>
      database.transaction(async (tx) => {
        if (usedAt) await tx.update(instances).set({ lastUseDate: usedAt }).where(eq(instances.id, id));
        const change = Object.fromEntries(
          Object.entries(changes).map(([key, value]) => [key, value === '' ? null : value]),
        );
        await patchConfig(tx, instancesConfig, id, change);
      }),

    markReady: (id) => setState(id, 'ready'),
    markPending: (id) => setState(id, 'pending'),

    rename: (instance, name) =>
      database.transaction(async (tx) => {
        await tx.update(instances).set({ name }).where(eq(instances.id, instance.id));
      }),

    setProject: (instance, project) =>
      database.transaction(async (tx) => {
        await tx
          .update(instances)
          .set({ projectId: await projectId(tx, project) })
          .where(eq(instances.id, instance.id));
      }),

    delete: (id) =>
      database.transaction(async (tx) => {
        await tx.delete(instances).where(eq(instances.id, id));
      }),
  };
  return store;
};
