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
import { type Config, conflict, type InstanceType, notFound } from '@lxd-ts/driver-kit';
import { projectId } from '../projects/store.ts';

const { images, imagesAliases, imagesNodes, imagesProfiles, imagesProperties, imagesSource, profiles, projects } =
  schema;

/** Where a copied image came from. */
export interface ImageOrigin {
  readonly server: string;
  readonly protocol: 'lxd' | 'simplestreams' | 'direct';
  readonly certificate: string;
  readonly alias: string;
}

/** An image as it is stored. */
export interface Image {
  readonly id: number;
  readonly project: string;
  readonly fingerprint: string;
  readonly filename: string;
  readonly size: number;
  readonly public: boolean;
  readonly autoUpdate: boolean;
  readonly cached: boolean;
  readonly type: InstanceType;
  readonly architecture: string;
  readonly createdAt: Date | undefined;
  readonly expiresAt: Date | undefined;
  readonly uploadedAt: Date;
  readonly lastUsedAt: Date | undefined;
  readonly properties: Config;
  /** In order of application. */
  readonly profiles: readonly string[];
  readonly aliases: readonly { readonly name: string; readonly description: string }[];
  readonly origin: ImageOrigin | undefined;
  readonly state: 'pending' | 'ready';
}

export interface Alias {
  readonly id: number;
  readonly project: string;
  readonly name: string;
  readonly description: string;
  readonly target: string;
  readonly type: InstanceType;
}

export type NewImage = Omit<Image, 'id' | 'aliases' | 'uploadedAt' | 'lastUsedAt' | 'state'>;
export type ImageChange = Partial<
  Pick<Image, 'public' | 'autoUpdate' | 'expiresAt' | 'properties' | 'profiles' | 'cached'>
>;

export interface ImageStore {
  /** @param project - all projects when undefined */
  list(project?: string): Promise<readonly Image[]>;
  /** By full fingerprint. */
  find(project: string, fingerprint: string): Promise<Image | undefined>;
  /** Adds an image in state `pending`. @throws LxdError conflict */
  insert(image: NewImage): Promise<Image>;
  markReady(id: number): Promise<void>;
  markUsed(id: number, at: Date): Promise<void>;
  update(image: Image, change: ImageChange): Promise<void>;
  delete(id: number): Promise<void>;

  aliases(project: string): Promise<readonly Alias[]>;
  /** @throws LxdError not-found */
  alias(project: string, name: string): Promise<Alias>;
  /** @throws LxdError conflict */
  insertAlias(image: Image, name: string, description: string): Promise<void>;
  updateAlias(alias: Alias, target: Image, description: string): Promise<void>;
  /** @throws LxdError conflict */
  renameAlias(alias: Alias, name: string): Promise<void>;
  deleteAlias(alias: Alias): Promise<void>;
}

const listIn = async (tx: Reader, where: { project?: string; fingerprint?: string }): Promise<Image[]> => {
  const rows = await tx
    .select({ image: images, project: projects.name, origin: imagesSource })
    .from(images)
    .innerJoin(projects, eq(projects.id, images.projectId))
    .leftJoin(imagesSource, eq(imagesSource.imageId, images.id))
    .where(
      and(
        where.project === undefined ? undefined : eq(projects.name, where.project),
        where.fingerprint === undefined ? undefined : eq(images.fingerprint, where.fingerprint),
      ),
    )
    .orderBy(asc(images.id));
  const properties = await loadConfigs(
    tx,
    imagesProperties,
    rows.map((row) => row.image.id),
  );
  const aliases = Map.groupBy(
    await tx.select().from(imagesAliases).orderBy(asc(imagesAliases.name)),
    (alias) => alias.imageId,
  );
  const profileRows = await tx
    .select({ imageId: imagesProfiles.imageId, name: profiles.name })
    .from(imagesProfiles)
    .innerJoin(profiles, eq(profiles.id, imagesProfiles.profileId))
    .orderBy(asc(imagesProfiles.applyOrder));
  const profilesOf = Map.groupBy(profileRows, (row) => row.imageId);
  return rows.map(({ image, project, origin }) => ({
    id: image.id,
    project,
    fingerprint: image.fingerprint,
    filename: image.filename,
    size: image.size,
    public: image.public,
    autoUpdate: image.autoUpdate,
    cached: image.cached,
    type: image.type,
    architecture: image.architecture,
    createdAt: image.creationDate ?? undefined,
    expiresAt: image.expiryDate ?? undefined,
    uploadedAt: image.uploadDate,
    lastUsedAt: image.lastUseDate ?? undefined,
    properties: properties.get(image.id) ?? {},
    profiles: (profilesOf.get(image.id) ?? []).map((row) => row.name),
    aliases: (aliases.get(image.id) ?? []).map(({ name, description }) => ({ name, description })),
    origin: origin
      ? { server: origin.server, protocol: origin.protocol, certificate: origin.certificate, alias: origin.alias }
      : undefined,
    state: image.state,
  }));
};

const writeProfiles = async (
  tx: Transaction,
  imageId: number,
  project: string,
  names: readonly string[],
): Promise<void> => {
  await tx.delete(imagesProfiles).where(eq(imagesProfiles.imageId, imageId));
  const owner = await projectId(tx, project);
  for (const [applyOrder, name] of names.entries()) {
    const [profile] = await tx
      .select({ id: profiles.id })
      .from(profiles)
      .where(and(eq(profiles.projectId, owner), eq(profiles.name, name)));
    if (!profile) throw notFound(`Profile "${name}" not found`);
    await tx.insert(imagesProfiles).values({ imageId, profileId: profile.id, applyOrder });
  }
};

const aliasesIn = async (tx: Reader, project: string): Promise<Alias[]> => {
  const rows = await tx
    .select({ alias: imagesAliases, target: images.fingerprint, type: images.type, project: projects.name })
    .from(imagesAliases)
    .innerJoin(images, eq(images.id, imagesAliases.imageId))
    .innerJoin(projects, eq(projects.id, imagesAliases.projectId))
    .where(eq(projects.name, project))
    .orderBy(asc(imagesAliases.name));
  return rows.map(({ alias, target, type, project }) => ({
    id: alias.id,
    project,
    name: alias.name,
    description: alias.description,
    target,
    type,
  }));
};

export const createImageStore = (database: Database): ImageStore => {
  const refuseTaken = async (tx: Reader, project: string, name: string): Promise<void> => {
    if ((await aliasesIn(tx, project)).some((alias) => alias.name === name))
      throw conflict(`Alias "${name}" already exists`);
  };

  return {
    list: (project) => database.read((tx) => listIn(tx, project === undefined ? {} : { project })),

    async find(project, fingerprint) {
      const [image] = await database.read((tx) => listIn(tx, { project, fingerprint }));
      return image;
    },

    insert: (image) =>
      database.transaction(async (tx) => {
        const key = { project: image.project, fingerprint: image.fingerprint };
        if ((await listIn(tx, key)).length > 0) throw conflict('Image with same fingerprint already exists');
        const id = await insertRow(tx, images, {
          projectId: await projectId(tx, image.project),
          fingerprint: image.fingerprint,
          filename: image.filename,
          size: image.size,
          public: image.public,
          autoUpdate: image.autoUpdate,
          cached: image.cached,
          type: image.type,
          architecture: image.architecture,
          creationDate: image.createdAt ?? null,
          expiryDate: image.expiresAt ?? null,
          uploadDate: new Date(),
          state: 'pending',
        });
        await replaceConfig(tx, imagesProperties, id, image.properties);
        await writeProfiles(tx, id, image.project, image.profiles);
        await insertRow(tx, imagesNodes, { imageId: id, nodeId: firstNodeId });
        if (image.origin) await insertRow(tx, imagesSource, { imageId: id, ...image.origin });
        const [inserted] = await listIn(tx, key);
        if (!inserted) throw new Error(`The row of image ${image.fingerprint} is missing after its insertion`);
        return inserted;
      }),

    markReady: (id) =>
      database.transaction(async (tx) => {
        await tx.update(images).set({ state: 'ready' }).where(eq(images.id, id));
      }),

    markUsed: (id, at) =>
      database.transaction(async (tx) => {
        await tx.update(images).set({ lastUseDate: at }).where(eq(images.id, id));
      }),

    update: (image, change) =>
      database.transaction(async (tx) => {
        const next = { ...image, ...change };
        await tx
          .update(images)
          .set({
            public: next.public,
            autoUpdate: next.autoUpdate,
            cached: next.cached,
            expiryDate: next.expiresAt ?? null,
          })
          .where(eq(images.id, image.id));
        await replaceConfig(tx, imagesProperties, image.id, next.properties);
        if (change.profiles) await writeProfiles(tx, image.id, image.project, change.profiles);
      }),

    delete: (id) =>
      database.transaction(async (tx) => {
        await tx.delete(images).where(eq(images.id, id));
      }),

    aliases: (project) => database.read((tx) => aliasesIn(tx, project)),

    async alias(project, name) {
      const alias = (await database.read((tx) => aliasesIn(tx, project))).find((one) => one.name === name);
      if (!alias) throw notFound('Image alias not found');
      return alias;
    },

    insertAlias: (image, name, description) =>
      database.transaction(async (tx) => {
        await refuseTaken(tx, image.project, name);
        await insertRow(tx, imagesAliases, {
          projectId: await projectId(tx, image.project),
          name,
          description,
          imageId: image.id,
        });
      }),

    updateAlias: (alias, target, description) =>
      database.transaction(async (tx) => {
        await tx.update(imagesAliases).set({ imageId: target.id, description }).where(eq(imagesAliases.id, alias.id));
      }),

    renameAlias: (alias, name) =>
      database.transaction(async (tx) => {
        await refuseTaken(tx, alias.project, name);
        await tx.update(imagesAliases).set({ name }).where(eq(imagesAliases.id, alias.id));
      }),

    deleteAlias: (alias) =>
      database.transaction(async (tx) => {
        await tx.delete(imagesAliases).where(eq(imagesAliases.id, alias.id));
      }),
  };
};
