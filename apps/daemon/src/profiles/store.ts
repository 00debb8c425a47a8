import {
  and,
  asc,
  type Database,
  eq,
  insertRow,
  loadConfigs,
  loadDevices,
  type Reader,
  replaceConfig,
  replaceDevices,
  schema,
} from '@lxd-ts/database';
import { type Config, conflict, notFound } from '@lxd-ts/driver-kit';
import type { Devices } from '../instances/instance.ts';
import { projectId } from '../projects/store.ts';

const { instances, instancesProfiles, profiles, profilesConfig, profilesDevices, projects } = schema;

export interface Profile {
  readonly id: number;
  readonly name: string;
  readonly project: string;
  readonly description: string;
  readonly config: Config;
  readonly devices: Devices;
  /** Instances that have it, as project and name. */
  readonly instances: readonly { readonly project: string; readonly name: string }[];
}

export type ProfileContent = Pick<Profile, 'description' | 'config' | 'devices'>;

export interface ProfileStore {
  /** @param project - all projects when undefined */
  list(project?: string): Promise<readonly Profile[]>;
  /** @throws LxdError not-found */
  get(project: string, name: string): Promise<Profile>;
  /** @throws LxdError conflict */
  insert(project: string, name: string, content: ProfileContent): Promise<void>;
  update(profile: Profile, content: ProfileContent): Promise<void>;
  /** @throws LxdError conflict */
  rename(profile: Profile, name: string): Promise<void>;
  delete(profile: Profile): Promise<void>;
}

const listIn = async (tx: Reader, project?: string): Promise<Profile[]> => {
  const rows = await tx
    .select({ profile: profiles, project: projects.name })
    .from(profiles)
    .innerJoin(projects, eq(projects.id, profiles.projectId))
    .where(project === undefined ? undefined : eq(projects.name, project))
    .orderBy(asc(projects.name), asc(profiles.name));
  const ids = rows.map((row) => row.profile.id);
  const configs = await loadConfigs(tx, profilesConfig, ids);
  const devices = await loadDevices(tx, profilesDevices, ids);
  const users = await tx
    .select({ profileId: instancesProfiles.profileId, name: instances.name, project: projects.name })
    .from(instancesProfiles)
    .innerJoin(instances, eq(instances.id, instancesProfiles.instanceId))
    .innerJoin(projects, eq(projects.id, instances.projectId))
    .orderBy(asc(instances.name));
  const usersOf = Map.groupBy(users, (user) => user.profileId);
  return rows.map(({ profile, project }) => ({
    id: profile.id,
    name: profile.name,
    project,
    description: profile.description,
    config: configs.get(profile.id) ?? {},
    devices: devices.get(profile.id) ?? {},
    instances: (usersOf.get(profile.id) ?? []).map(({ name, project }) => ({ name, project })),
  }));
};

export const createProfileStore = (database: Database): ProfileStore => {
  const refuseTaken = async (tx: Reader, project: number, name: string): Promise<void> => {
    const [taken] = await tx
      .select({ id: profiles.id })
      .from(profiles)
      .where(and(eq(profiles.projectId, project), eq(profiles.name, name)));
    if (taken) throw conflict(`Profile "${name}" already exists`);
  };

  return {
    list: (project) => database.read((tx) => listIn(tx, project)),

    async get(project, name) {
      const profile = (await database.read((tx) => listIn(tx, project))).find((one) => one.name === name);
      if (!profile) throw notFound('Profile not found');
      return profile;
    },

    insert: (project, name, { description, config, devices }) =>
      database.transaction(async (tx) => {
        const owner = await projectId(tx, project);
        await refuseTaken(tx, owner, name);
        const id = await insertRow(tx, profiles, { projectId: owner, name, description });
        await replaceConfig(tx, profilesConfig, id, config);
        await replaceDevices(tx, profilesDevices, id, devices);
      }),

    update: ({ id }, { description, config, devices }) =>
      database.transaction(async (tx) => {
        await tx.update(profiles).set({ description }).where(eq(profiles.id, id));
        await replaceConfig(tx, profilesConfig, id, config);
        await replaceDevices(tx, profilesDevices, id, devices);
      }),

    rename: ({ id, project }, name) =>
      database.transaction(async (tx) => {
        await refuseTaken(tx, await projectId(tx, project), name);
        await tx.update(profiles).set({ name }).where(eq(profiles.id, id));
      }),

    delete: ({ id }) =>
      database.transaction(async (tx) => {
        await tx.delete(profiles).where(eq(profiles.id, id));
      }),
  };
};
