import { access, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type InstanceSource, imageAliasUrl, imageUrl } from '@lxd-ts/api';
import {
  badRequest,
  type Config,
  conflict,
  type Fill,
  type InstanceType,
  notFound,
  UndoStack,
  type Volume,
  type Work,
} from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import type { Directories } from '../core/directories.ts';
import type { Locks } from '../core/locks.ts';
import type { Events } from '../events/bus.ts';
import type { InstanceImage } from '../instances/create.ts';
import type { OpenPool, Pools } from '../storage/pools.ts';
import type { VolumeStore } from '../storage/volume-store.ts';
import { imageFiles, isSquashfs, metadataIn, unpackImage } from './files.ts';
import type { Alias, Image, ImageChange, ImageOrigin, ImageStore } from './store.ts';

/** A new image's files, in a work directory, and what the request says about it. */
export interface ImageUpload {
  readonly project: string;
  /** The unified tarball or, when `rootfs` is set, the metadata tarball. */
  readonly main: string;
  readonly rootfs?: string;
  /** SHA-256 of `main` and `rootfs`, one after the other. */
  readonly fingerprint: string;
  /** Bytes of both. */
  readonly size: number;
  readonly filename: string;
  readonly public: boolean;
  readonly autoUpdate: boolean;
  readonly cached: boolean;
  readonly expiresAt?: Date;
  /** Added to those of the metadata. */
  readonly properties: Config;
  readonly profiles: readonly string[];
  readonly origin?: ImageOrigin;
  readonly aliases: readonly { name: string; description: string }[];
}

export interface ImageService {
  list(project: string): Promise<readonly Image[]>;
  /** By fingerprint, which may be abbreviated. @throws LxdError not-found, bad-request when several match */
  get(project: string, fingerprint: string): Promise<Image>;
  /** Files of an image; `rootfs` only when it is split. */
  files(image: Image): Promise<{ main: string; rootfs?: string }>;
  /** A directory for an upload, on the file system of the images. Dispose it when done. */
  workDirectory(): Promise<{ path: string } & AsyncDisposable>;
  /** Takes files over as a new image. @throws LxdError conflict when it is there already */
  add(upload: ImageUpload): Promise<Image>;
  update(image: Image, change: ImageChange): Promise<void>;
  delete(image: Image): Promise<void>;
  markUsed(project: string, fingerprint: string): Promise<void>;
  /** The image an instance is to be made of. */
  forInstance(project: string, source: InstanceSource, type: InstanceType, work: Work): Promise<InstanceImage>;
  /** The image's volume in a pool whose driver clones, unpacked on first use. */
  poolVolume(open: OpenPool, fingerprint: string, unpack: Fill, work?: Work): Promise<Volume>;

  aliases(project: string): Promise<readonly Alias[]>;
  alias(project: string, name: string): Promise<Alias>;
  createAlias(project: string, alias: { name: string; description: string; target: string }): Promise<void>;
  updateAlias(alias: Alias, change: { description: string; target: string }): Promise<void>;
  renameAlias(alias: Alias, name: string): Promise<void>;
  deleteAlias(alias: Alias): Promise<void>;
  /** Clears what a crash left of uploads. */
  recover(): Promise<void>;
}

interface Parts {
  readonly store: ImageStore;
  readonly directories: Directories;
  readonly events: Events;
  readonly locks: Locks;
  readonly log: Logger;
  readonly pools: Pools;
  readonly volumes: VolumeStore;
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

const seconds = (value: number): Date | undefined => (value > 0 ? new Date(value * 1000) : undefined);

export const createImageService = ({ store, directories, events, locks, log, pools, volumes }: Parts): ImageService => {
  const typeOf = async (upload: ImageUpload): Promise<InstanceType> => {
    // A virtual machine's root file system is a qcow2 disk, which begins with "QFI\xfb".
    if (!upload.rootfs || (await isSquashfs(upload.rootfs))) return 'container';
    const { open } = await import('node:fs/promises');
    await using handle = await open(upload.rootfs);
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString('latin1') === 'QFI\xfb' ? 'virtual-machine' : 'container';
  };

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

  const removeFiles = async (fingerprint: string): Promise<void> => {
    const { main, rootfs } = imageFiles(directories.images, fingerprint);
    await Promise.all([rm(main, { force: true }), rm(rootfs, { force: true })]);
  };

  const volumeOf = (fingerprint: string, config: Config): Volume => ({
    type: 'image',
    content: 'filesystem',
    project: 'default',
    name: fingerprint,
    config,
  });

  const remove = async (image: Image): Promise<void> => {
    const elsewhere = (await store.list()).some(
      (other) => other.fingerprint === image.fingerprint && other.id !== image.id,
    );
    if (!elsewhere) {
      for (const row of await volumes.list({ type: 'image', name: image.fingerprint })) {
        const { storage } = await pools.open(row.pool);
        await storage.deleteVolume(volumeOf(image.fingerprint, row.config));
        await volumes.delete(row.id);
      }
      await removeFiles(image.fingerprint);
    }
    await store.delete(image.id);
  };

  return {
    list: (project) => store.list(project),
    get,
    files: filesOf,

    async workDirectory() {
      const path = await mkdtemp(join(directories.images, 'upload-'));
      return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
    },

    async add(upload) {
      using _lock = await locks.wait(`image "${upload.fingerprint}"`, 'import');
      const metadata = await metadataIn(upload.main, directories.images);
      await using undo = new UndoStack((what, error) => log.error({ err: error }, `Could not undo: ${what}`));
      const image = await store.insert({
        project: upload.project,
        fingerprint: upload.fingerprint,
        filename: upload.filename,
        size: upload.size,
        public: upload.public,
        autoUpdate: upload.autoUpdate,
        cached: upload.cached,
        type: await typeOf(upload),
        architecture: metadata.architecture,
        createdAt: seconds(metadata.creation_date),
        expiresAt: upload.expiresAt ?? seconds(metadata.expiry_date),
        properties: { ...metadata.properties, ...upload.properties },
        profiles: upload.profiles,
        origin: upload.origin,
      });
      undo.add('remove the image', () => remove(image));
      const target = imageFiles(directories.images, upload.fingerprint);
      if (upload.rootfs) await rename(upload.rootfs, target.rootfs);
      await rename(upload.main, target.main);
      for (const { name, description } of upload.aliases) await store.insertAlias(image, name, description);
      await store.markReady(image.id);
      undo.commit();
      events.lifecycle('image-created', imageUrl(image.fingerprint), upload.project, { type: image.type });
      return get(upload.project, image.fingerprint);
    },

    async update(image, change) {
      await store.update(image, change);
      events.lifecycle('image-updated', imageUrl(image.fingerprint), image.project);
    },

    async delete(image) {
      using _lock = locks.hold(`image "${image.fingerprint}"`, 'delete');
      await remove(image);
      events.lifecycle('image-deleted', imageUrl(image.fingerprint), image.project);
    },

    async markUsed(project, fingerprint) {
      const image = await store.find(project, fingerprint);
      if (image) await store.markUsed(image.id, new Date());
    },

    async forInstance(project, source, type) {
      if (source.server)
        throw badRequest('Images of other servers cannot be used yet: copy the image here first (lxc image copy)');
      const named = source.alias ? (await store.alias(project, source.alias)).target : source.fingerprint;
      let image: Image;
      if (named) {
        image = await get(project, named);
      } else {
        const wanted = Object.entries(source.properties);
        const matching = (await store.list(project)).filter(
          (one) => one.type === type && wanted.every(([key, value]) => one.properties[key] === value),
        );
        const newest =
          wanted.length > 0
            ? matching.sort((a, b) => Number(b.createdAt ?? 0) - Number(a.createdAt ?? 0))[0]
            : undefined;
        if (!newest) throw notFound('Must specify one of alias, fingerprint or properties of an image that exists');
        image = newest;
      }
      const files = await filesOf(image);
      return {
        fingerprint: image.fingerprint,
        type: image.type,
        architecture: image.architecture,
        properties: image.properties,
        profiles: image.profiles,
        unpack: unpackImage(directories.images, image.fingerprint, files.rootfs !== undefined),
      };
    },

    async poolVolume({ pool, storage }, fingerprint, unpack, work) {
      using _lock = await locks.wait(`image volume "${pool.name}/${fingerprint}"`, 'unpack', work?.signal);
      const row = await volumes.find(pool.name, 'default', 'image', fingerprint);
      const volume = volumeOf(fingerprint, row?.config ?? {});
      if (row?.state === 'ready') return volume;
      await storage.deleteVolume(volume);
      const pending =
        row ??
        (await volumes.insert({
          pool: pool.name,
          project: 'default',
          type: 'image',
          content: 'filesystem',
          name: fingerprint,
          description: '',
          config: {},
        }));
      await storage.createVolume(volume, unpack, work);
      await volumes.markReady(pending.id);
      return volume;
    },

    aliases: (project) => store.aliases(project),
    alias: (project, name) => store.alias(project, name),

    async createAlias(project, { name, description, target }) {
      if (name === '' || target === '') throw badRequest('Alias name and target are required');
      await store.insertAlias(await get(project, target), name, description);
      events.lifecycle('image-alias-created', imageAliasUrl(name), project, { target });
    },

    async updateAlias(alias, { description, target }) {
      if (target === '') throw badRequest('The target field is required');
      await store.updateAlias(alias, await get(alias.project, target), description);
      events.lifecycle('image-alias-updated', imageAliasUrl(alias.name), alias.project, { target });
    },

    async renameAlias(alias, name) {
      if (name === '') throw conflict('The new name is missing');
      await store.renameAlias(alias, name);
      events.lifecycle('image-alias-renamed', imageAliasUrl(name), alias.project, { old_name: alias.name });
    },

    async deleteAlias(alias) {
      await store.deleteAlias(alias);
      events.lifecycle('image-alias-deleted', imageAliasUrl(alias.name), alias.project);
    },

    async recover() {
      for (const image of await store.list()) {
        if (image.state === 'ready') continue;
        log.warn({ image: image.fingerprint }, 'Removing an image that was being imported when the daemon died');
        await remove(image);
      }
    },
  };
};
