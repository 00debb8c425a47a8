import { access, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { imageUrl } from '@lxd-ts/api';
import { badRequest, type Config, conflict, type InstanceType, notFound, UndoStack } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import type { Directories } from '../core/directories.ts';
import { listing } from '../core/listing.ts';
import type { Locks } from '../core/locks.ts';
import type { Events } from '../events/bus.ts';
import type { ImageAliases } from './aliases.ts';
import { formatOf, inspectArchive } from './archive.ts';
import { imageCopies, imageFiles, type ReceivedFiles, workPrefix } from './files.ts';
import { type Metadata, parseMetadata, requireImageMetadata } from './metadata.ts';
import type { ImageVolumes } from './pool-volumes.ts';
import type { Image, ImageChange, ImageOrigin, ImageStore } from './store.ts';

/** What a request says about a new image, beside its files. */
export interface ImageRecord {
  readonly project: string;
  readonly public: boolean;
  readonly autoUpdate: boolean;
  readonly cached: boolean;
  readonly expiresAt?: Date | undefined;
  /** Added to those of the metadata. */
  readonly properties: Config;
  /** Absent: `default` alone. Empty: none (spec 04.122, 04.123). */
  readonly profiles?: readonly string[] | undefined;
  readonly origin?: ImageOrigin | undefined;
  readonly aliases: readonly { name: string; description: string }[];
}

export interface ImageService {
  list(project: string): Promise<readonly Image[]>;
  /** Ready images of all projects. */
  all(): Promise<readonly Image[]>;
  /** By fingerprint, which may be abbreviated. @throws LxdError not-found, bad-request when several match */
  get(project: string, fingerprint: string): Promise<Image>;
  find(project: string, fingerprint: string): Promise<Image | undefined>;
  /** Files of an image; `rootfs` only when it is split. */
  files(image: Pick<Image, 'fingerprint'>): Promise<{ main: string; rootfs?: string }>;
  /** A directory for new files, on the file system of the images. Dispose it when done. */
  workDirectory(): Promise<{ path: string } & AsyncDisposable>;
  /** Takes files over as a new image. @throws LxdError conflict when it is there already */
  add(files: ReceivedFiles, record: ImageRecord): Promise<Image>;
  /** Gives a project an image that another project has. @returns undefined when none has */
  share(fingerprint: string, record: ImageRecord): Promise<Image | undefined>;
  update(image: Image, change: ImageChange): Promise<void>;
  delete(image: Image): Promise<void>;
  markUsed(project: string, fingerprint: string): Promise<void>;
  /** Clears what a crash left of new images. */
  recover(): Promise<void>;
}

interface Parts {
  readonly store: ImageStore;
  readonly aliases: ImageAliases;
  readonly volumes: ImageVolumes;
  readonly directories: Directories;
  readonly events: Events;
  readonly locks: Locks;
  readonly log: Logger;
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

const dateOf = (seconds: number): Date | undefined => (seconds > 0 ? new Date(seconds * 1000) : undefined);

/** Reads what a new image says about itself. @throws LxdError bad-request when it is no image */
const inspect = async ({ main, rootfs }: Pick<ReceivedFiles, 'main' | 'rootfs'>) => {
  const contents = await inspectArchive(main, rootfs === undefined);
  if (contents.metadata === undefined) throw badRequest('The file is not an image: it has no metadata.yaml');
  const metadata: Metadata = requireImageMetadata(parseMetadata(contents.metadata));
  const isDisk = rootfs === undefined ? contents.disk : (await formatOf(rootfs)) === 'qcow2';
  if (rootfs === undefined && !contents.rootfs && !isDisk)
    throw badRequest('The file is not an image: it has neither rootfs/ nor rootfs.img');
  const type: InstanceType = isDisk ? 'virtual-machine' : 'container';
  return { metadata, type };
};

export const createImageService = (parts: Parts): ImageService => {
  const { store, aliases, volumes, directories, events, locks, log } = parts;
  const lockKey = (fingerprint: string): string => `image "${fingerprint}"`;

  const get: ImageService['get'] = async (project, fingerprint) => {
    if (fingerprint === '') throw notFound('Image not found');
    const exact = await store.find(project, fingerprint);
    if (exact) return exact;
    const matching = (await store.list(project)).filter((image) => image.fingerprint.startsWith(fingerprint));
    if (matching.length > 1)
      throw badRequest(`Fingerprint "${fingerprint}" matches ${matching.length} images: give more of it`);
    const [image] = matching;
    if (!image) throw notFound('Image not found');
    return image;
  };

  const filesOf: ImageService['files'] = async ({ fingerprint }) => {
    const { main, rootfs } = imageFiles(directories.images, fingerprint);
    return (await exists(rootfs)) ? { main, rootfs } : { main };
  };

  const hasOthers = async (image: Image): Promise<boolean> =>
    (await store.list()).some((other) => other.fingerprint === image.fingerprint && other.id !== image.id);

  const remove = async (image: Image): Promise<void> => {
    if (!(await hasOthers(image))) {
      await volumes.remove(image.fingerprint);
      const { main, rootfs } = imageFiles(directories.images, image.fingerprint);
      const files = [main, rootfs].flatMap((file) => [file, imageCopies(file).quick]);
      await Promise.all(files.map((file) => rm(file, { force: true })));
    }
    await store.delete(image.id);
  };

  const refuseTakenAliases = async ({ project, aliases: wanted }: ImageRecord): Promise<void> => {
    const names = wanted.map(({ name }) => name);
    const taken = (await store.aliases(project)).find(({ name }) => names.includes(name));
    if (taken) throw conflict(`Alias already exists: ${taken.name}`);
  };

  /** Adds the row, lets `place` put the files where they belong, and makes the image visible. */
  const insert = async (
    { fingerprint, size, filename, main, rootfs }: ReceivedFiles,
    record: ImageRecord,
    place: () => Promise<void>,
  ): Promise<Image> => {
    const { metadata, type } = await inspect(rootfs === undefined ? { main } : { main, rootfs });
    await refuseTakenAliases(record);
    await using undo = new UndoStack((what, error) => log.error({ err: error }, `Could not undo: ${what}`));
    const image = await store.insert({
      project: record.project,
      fingerprint,
      filename,
      size,
      public: record.public,
      autoUpdate: record.autoUpdate,
      cached: record.cached,
      type,
      architecture: metadata.architecture,
      createdAt: dateOf(metadata.creation_date),
      expiresAt: record.expiresAt ?? dateOf(metadata.expiry_date),
      properties: { ...metadata.properties, ...record.properties },
      profiles: record.profiles ?? ['default'],
      origin: record.origin,
    });
    undo.add('remove the image', () => remove(image));
    await place();
    for (const alias of record.aliases) await aliases.create(image, alias);
    await store.markReady(image.id);
    undo.commit();
    events.lifecycle('image-created', imageUrl(fingerprint), record.project, { type });
    return get(record.project, fingerprint);
  };

  return {
    list: async (project) => (await store.list(project)).filter((image) => image.state === 'ready'),
    all: async () => (await store.list()).filter((image) => image.state === 'ready'),
    get,
    find: (project, fingerprint) => store.find(project, fingerprint),
    files: filesOf,

    async workDirectory() {
      const path = await mkdtemp(join(directories.images, workPrefix));
      return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
    },

    async add(files, record) {
      using _lock = await locks.wait(lockKey(files.fingerprint), 'import');
      const target = imageFiles(directories.images, files.fingerprint);
      return await insert(files, record, async () => {
        if (files.rootfs) await rename(files.rootfs, target.rootfs);
        await rename(files.main, target.main);
      });
    },

    async share(fingerprint, record) {
      using _lock = await locks.wait(lockKey(fingerprint), 'import');
      const other = (await store.list()).find((image) => image.fingerprint === fingerprint && image.state === 'ready');
      if (!other) return undefined;
      return await insert(
        { ...(await filesOf(other)), fingerprint, size: other.size, filename: other.filename },
        record,
        () => Promise.resolve(),
      );
    },

    async update(image, change) {
      await store.update(image, change);
      events.lifecycle('image-updated', imageUrl(image.fingerprint), image.project);
    },

    async delete(image) {
      using _lock = await locks.hold(lockKey(image.fingerprint), 'delete');
      await remove(image);
      events.lifecycle('image-deleted', imageUrl(image.fingerprint), image.project);
    },

    async markUsed(project, fingerprint) {
      const image = await store.find(project, fingerprint);
      if (image) await store.markUsed(image.id, new Date());
    },

    async recover() {
      for (const image of await store.list()) {
        if (image.state === 'ready') continue;
        log.warn({ image: image.fingerprint }, 'Removing an image that was being imported when the daemon died');
        await remove(image);
      }
      for (const name of await listing(directories.images)) {
        if (name.startsWith(workPrefix)) await rm(join(directories.images, name), { recursive: true, force: true });
      }
    },
  };
};
