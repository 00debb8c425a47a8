import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  badRequest,
  type Config,
  type Fill,
  type MountedVolume,
  parseSize,
  UndoStack,
  type Volume,
  type Work,
} from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import { requireRootDisk } from '../devices/manager.ts';
import type { Instance } from '../instances/instance.ts';
import { backupFile } from './backup-file.ts';
import type { OpenPool, Pools } from './pools.ts';
import type { StoredVolume, VolumeStore } from './volume-store.ts';

/** What a new root volume is filled with. */
export type RootSource =
  | { readonly kind: 'empty' }
  /** An image: unpacked once per pool where the driver clones, else each time. */
  | { readonly kind: 'image'; readonly fingerprint: string; readonly unpack: Fill }
  /** A volume of this server: an instance's or a snapshot of it, in any pool. */
  | {
      readonly kind: 'copy';
      readonly instance: Instance;
      readonly snapshot?: string;
      readonly snapshots: readonly string[];
    };

/** The root volumes of instances: rows, and what stands for them in the pools. */
export interface RootVolumeService {
  /** Makes the root volume of a new instance. On failure nothing is left. */
  create(instance: Instance, source: RootSource, work?: Work): Promise<void>;
  mount(instance: Instance, snapshot?: string): Promise<MountedVolume>;
  delete(instance: Instance): Promise<void>;
  rename(instance: Instance, name: string): Promise<void>;
  resize(instance: Instance, root: Config): Promise<void>;
  usage(instance: Instance): Promise<{ readonly used: number; readonly total?: number } | undefined>;
  /** Writes `backup.yaml` into the volume. */
  writeBackupFile(instance: Instance): Promise<void>;
  /** The pool and driver volume of an instance, for snapshots, copies and backups. */
  locate(
    instance: Instance,
    snapshot?: string,
  ): Promise<{ open: OpenPool; volume: Volume; row: StoredVolume | undefined }>;
}

interface Parts {
  readonly pools: Pools;
  readonly store: VolumeStore;
  readonly log: Logger;
  /** Copies between pools, the generic way. */
  readonly copyAcross: (
    target: { open: OpenPool; volume: Volume },
    source: { open: OpenPool; volume: Volume },
    snapshots: readonly string[],
    work?: Work,
  ) => Promise<void>;
  /** The image volume of a pool, made on first use. */
  readonly imageVolume: (open: OpenPool, fingerprint: string, unpack: Fill, work?: Work) => Promise<Volume>;
  /** Records that `backup.yaml` holds of an instance. */
  readonly backupContent: (instance: Instance, open: OpenPool, row: StoredVolume | undefined) => Promise<unknown>;
}

/** Volume keys a pool gives as defaults: its `volume.*` keys, without the prefix. */
export const volumeDefaults = ({ pool, driver }: Pick<OpenPool, 'pool' | 'driver'>, type: Volume['type']): Config =>
  Object.fromEntries(
    Object.entries(pool.config).flatMap(([key, value]) => {
      const name = key.startsWith('volume.') ? key.slice('volume.'.length) : '';
      const customOnly = name.startsWith('snapshots.') || name.startsWith('security.');
      const known = driver.volumeConfig.some((declared) => declared.key === name);
      return known && (type === 'custom' || !customOnly) ? [[name, value]] : [];
    }),
  );

export const createRootVolumes = ({
  pools,
  store,
  log,
  copyAcross,
  imageVolume,
  backupContent,
}: Parts): RootVolumeService => {
  const volumeOf = (instance: Instance, config: Config, snapshot?: string): Volume => ({
    type: instance.type,
    content: instance.type === 'container' ? 'filesystem' : 'block',
    project: instance.project,
    name: instance.name,
    config,
    ...(snapshot === undefined ? {} : { snapshot }),
  });

  const poolOf = async (instance: Instance): Promise<string> => {
    const [row] = await store.list({ project: instance.project, type: instance.type, name: instance.name });
    const pool = row?.pool ?? requireRootDisk(instance.expanded.devices).config['pool'];
    if (!pool) throw badRequest('The root disk device names no pool');
    return pool;
  };

  const locate: RootVolumeService['locate'] = async (instance, snapshot) => {
    const name = await poolOf(instance);
    const open = await pools.open(name);
    const row = await store.find(name, instance.project, instance.type, instance.name);
    return { open, volume: volumeOf(instance, row?.config ?? {}, snapshot), row };
  };

  const sizeOf = (root: Config): number | undefined => (root['size'] ? parseSize(root['size']) : undefined);

  const service: RootVolumeService = {
    locate,

    async create(instance, source, work) {
      const root = requireRootDisk(instance.expanded.devices).config;
      const open = await pools.open(root['pool'] ?? '');
      const { driver, storage, pool } = open;
      if (!driver.features.volumeTypes.includes(instance.type)) {
        throw badRequest(`Storage pool "${pool.name}" (${pool.driver}) cannot hold instances of type ${instance.type}`);
      }
      const config = { ...volumeDefaults(open, instance.type), ...(root['size'] ? { size: root['size'] } : {}) };
      await using undo = new UndoStack((what, error) =>
        log.error({ err: error, instance: instance.name }, `Could not undo: ${what}`),
      );
      const { size: _size, ...stored } = config;
      const row = await store.insert({
        pool: pool.name,
        project: instance.project,
        type: instance.type,
        content: instance.type === 'container' ? 'filesystem' : 'block',
        name: instance.name,
        description: '',
        config: stored,
      });
      undo.add('remove the row of the volume', () => store.delete(row.id));
      const volume = volumeOf(instance, config);
      undo.add('remove the volume', async () => {
        for (const snapshot of source.kind === 'copy' ? source.snapshots : [])
          await storage.deleteSnapshot({ ...volume, snapshot });
        await storage.deleteVolume(volume);
      });
      if (source.kind === 'empty') {
        await storage.createVolume(volume, undefined, work);
      } else if (source.kind === 'image') {
        if (driver.features.optimizedImages) {
          await storage.copyVolume(volume, await imageVolume(open, source.fingerprint, source.unpack, work), [], work);
        } else {
          await storage.createVolume(volume, source.unpack, work);
        }
      } else {
        const from = await locate(source.instance, source.snapshot);
        if (from.open.pool.name === pool.name) await storage.copyVolume(volume, from.volume, source.snapshots, work);
        else await copyAcross({ open, volume }, from, source.snapshots, work);
      }
      await store.markReady(row.id);
      undo.commit();
    },

    async mount(instance, snapshot) {
      const { open, volume } = await locate(instance, snapshot);
      return open.storage.mountVolume(volume);
    },

    async delete(instance) {
      const { open, volume, row } = await locate(instance);
      for (const snapshot of row ? await store.snapshots(row.id) : []) {
        await open.storage.deleteSnapshot({ ...volume, snapshot: snapshot.name });
      }
      await open.storage.deleteVolume(volume);
      if (row) await store.delete(row.id);
    },

    async rename(instance, name) {
      const { open, volume, row } = await locate(instance);
      await open.storage.renameVolume(volume, name);
      if (row) await store.rename(row.id, name);
    },

    async resize(instance, root) {
      const { open, volume } = await locate(instance);
      await open.storage.resizeVolume(volume, sizeOf(root));
    },

    async usage(instance) {
      const { open, volume } = await locate(instance);
      return open.storage.usage(volume);
    },

    async writeBackupFile(instance) {
      const { open, volume, row } = await locate(instance);
      await using mounted = await open.storage.mountVolume(volume);
      await writeFile(join(mounted.path, 'backup.yaml'), backupFile(await backupContent(instance, open, row)), {
        mode: 0o400,
      });
    },
  };
  return service;
};
