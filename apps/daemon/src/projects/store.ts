import {
  asc,
  type Database,
  eq,
  loadConfigs,
  preparedQuery,
  type Reader,
  replaceConfig,
  schema,
} from '@lxd-ts/database';
import { type Config, notFound } from '@lxd-ts/driver-kit';

const { projects, projectsConfig } = schema;

export interface Project {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly config: Config;
}

const selectId = preparedQuery(['name'], (tx, { name }) =>
  tx.select({ id: projects.id }).from(projects).where(eq(projects.name, name)),
);

/** The row number of a project. @throws LxdError not-found */
export const projectId = async (tx: Reader, name: string): Promise<number> => {
  const [row] = await selectId(tx, { name });
  if (!row) throw notFound(`Project "${name}" not found`);
  return row.id;
};

export interface ProjectStore {
  list(): Promise<readonly Project[]>;
  /** @throws LxdError not-found */
  get(name: string): Promise<Project>;
  update(project: Project, change: { description: string; config: Config }): Promise<void>;
}

export const createProjectStore = (database: Database): ProjectStore => {
  const list = (): Promise<readonly Project[]> =>
    database.read(async (tx) => {
      const rows = await tx.select().from(projects).orderBy(asc(projects.name));
      const configs = await loadConfigs(
        tx,
        projectsConfig,
        rows.map((row) => row.id),
      );
      return rows.map((row) => ({ ...row, config: configs.get(row.id) ?? {} }));
    });

  return {
    list,

    async get(name) {
      const project = (await list()).find((one) => one.name === name);
      if (!project) throw notFound(`Project "${name}" not found`);
      return project;
    },

    update: (project, { description, config }) =>
      database.transaction(async (tx) => {
        await tx.update(projects).set({ description }).where(eq(projects.id, project.id));
        await replaceConfig(tx, projectsConfig, project.id, config);
      }),
  };
};
