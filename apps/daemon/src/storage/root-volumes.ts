import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  badRequest,
  type Config,
  type Fill,
  isKind,
  type MountedVolume,
  messageOf,
  parseSize,
  UndoStack,
  type Volume,
  type Work,
  withPoolDefaults,
} from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import type { Logger } from 'pino';
import { requireRootDisk } from '../devices/manager.ts';
import type { Instance } from '../instances/instance.ts';
import { backupFile } from './backup-file.ts';
import { copyAcross } from './copy-across.ts';
import type { OpenPool, Pools } from './pools.ts';
import type { StoredSnapshot, StoredVolume, VolumeStore } from './volume-store.ts';

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
      /** The source's snapshots to copy, oldest first. */
      readonly snapshots: readonly string[];
      /** Files that vanish from a running source meanwhile are no error. */
      readonly allowInconsistent: boolean;
    }
  /** What was saved elsewhere: `restore` makes the volume and its snapshots. */
  | {
      readonly kind: 'backup';
      /** Oldest first. */
      readonly snapshots: readonly Pick<StoredSnapshot, 'name' | 'createdAt' | 'expiresAt'>[];
      readonly restore: (target: { open: OpenPool; volume: Volume }, work: Work) => Promise<void>;
    };

/** The names of the snapshots that a new volume gets with its contents. */
const snapshotsOf = (source: RootSource): readonly string[] => {
  if (source.kind === 'copy') return source.snapshots;
  return source.kind === 'backup' ? source.snapshots.map(({ name }) => name) : [];
};

/** The root volumes of instances: rows, and what stands for them in the pools. */
export interface RootVolumeService {
  /**
   * Makes the root volume of a new instance. On failure nothing is left.
   *
   * @param finish - what makes the finished volume count; by default its row is marked ready
   */
  create(instance: Instance, source: RootSource, work?: Work, finish?: (row: number) => Promise<void>): Promise<void>;
  mount(instance: Instance, snapshot?: string): Promise<MountedVolume>;
  /** Whether there is a row for it. */
  has(instance: Instance): Promise<boolean>;
  markReady(instance: Instance): Promise<void>;
  /** Where the root volumes of instances are, all in one query. */
  poolsByInstance(): Promise<(instance: Instance) => string | undefined>;
  /**
   * Moves the volume to another pool.
   *
   * @param target - the instance as it will be, with the other pool in its root disk
   * @param snapshots - those that move along; the others are deleted
   * @param switchOver - makes that the instance's record; a crash before its end leaves the volume where it was
   */
  move(
    instance: Instance,
    target: Instance,
    snapshots: readonly string[],
    switchOver: () => Promise<void>,
    work?: Work,
  ): Promise<void>;
  /** Removes volumes that a crash left half made or half deleted. */
  recover(): Promise<void>;
  delete(instance: Instance): Promise<void>;
  rename(instance: Instance, name: string): Promise<void>;
  resize(instance: Instance, root: Config): Promise<void>;
  usage(instance: Instance): Promise<{ readonly used: number; readonly total?: number } | undefined>;
  /** Writes `backup.yaml` into the volume; where there is no room it stays as it is. */
  writeBackupFile(instance: Instance): Promise<void>;
  /** The pool and driver volume of an instance, for snapshots, copies and backups. */
  locate(
    instance: Instance,
    snapshot?: string,
  ): Promise<{ open: OpenPool; volume: Volume; row: StoredVolume | undefined }>;
}

export interface RootVolumeParts {
  readonly pools: Pools;
  readonly store: VolumeStore;
  readonly log: Logger;
  /** The image volume of a pool, made on first use. */
  readonly imageVolume: (open: OpenPool, fingerprint: string, unpack: Fill, work?: Work) => Promise<Volume>;
  /** Records that `backup.yaml` holds of an instance. */
  readonly backupContent: (instance: Instance, open: OpenPool, row: StoredVolume | undefined) => Promise<unknown>;
}

export const createRootVolumes = ({
  pools,
  store,
  log,
  imageVolume,
  backupContent,
}: RootVolumeParts): RootVolumeService => {
  const volumeOf = (instance: Instance, config: Config, snapshot?: string): Volume => ({
    type: instance.type,
    content: instance.type === 'container' ? 'filesystem' : 'block',
    project: instance.project,
    name: instance.name,
    config,
    ...(snapshot === undefined ? {} : { snapshot }),
  });

  const locate: RootVolumeService['locate'] = async (instance, snapshot) => {
    const rows = await store.list({ project: instance.project, type: instance.type, name: instance.name });
    // While it moves to another pool it has a second, pending one.
    const row = rows.find((one) => one.state === 'ready') ?? rows[0];
    const pool = row?.pool ?? requireRootDisk(instance.expanded.devices).config['pool'];
    if (!pool) throw badRequest('The root disk device names no pool');
    return { open: await pools.open(pool), volume: volumeOf(instance, row?.config ?? {}, snapshot), row };
  };

  /** Limits a root volume; where the pool cannot, the size is kept and not enforced, as in LXD, and the operator is told. */
  const limit = async (instance: Instance, open: OpenPool, volume: Volume, size: number | undefined): Promise<void> => {
    try {
      await open.storage.resizeVolume(volume, size);
    } catch (error) {
      if (!isKind(error, 'not-implemented')) throw error;
      log.warn({ instance: instance.name, pool: open.pool.name }, messageOf(error));
    }
  };

  const sizeOf = (root: Config): number | undefined => (root['size'] ? parseSize(root['size']) : undefined);

  /** Gives a copied volume the rows of the snapshots copied with it. */
  const copyRows = async (
    target: number,
    source: StoredVolume | undefined,
    snapshots: readonly string[],
  ): Promise<void> => {
    if (!source || snapshots.length === 0) return;
    for (const { name, description, config, createdAt, expiresAt } of await store.snapshots(source.id)) {
      if (!snapshots.includes(name)) continue;
      const copied = await store.insertSnapshot(target, { name, description, config, createdAt, expiresAt });
      await store.markSnapshotReady(copied.id);
    }
  };

  /** Removes a volume with its snapshots and rows. */
  const discard = async (open: OpenPool, row: StoredVolume): Promise<void> => {
    for (const snapshot of await store.snapshots(row.id))
      await open.storage.deleteSnapshot({ ...row, snapshot: snapshot.name });
    await open.storage.deleteVolume(row);
    await store.delete(row.id);
  };

  /** Removes a volume that nobody uses any more; what fails is done at the next start. */
  const discardLater = async (row: StoredVolume): Promise<void> => {
    try {
      await discard(await pools.open(row.pool), row);
    } catch (error) {
      log.error({ err: error, pool: row.pool, volume: row.name }, 'Could not remove the volume');
    }
  };

  const service: RootVolumeService = {
    locate,

    async create(instance, source, work, finish = store.markReady) {
      const root = requireRootDisk(instance.expanded.devices).config;
      const open = await pools.open(root['pool'] ?? '');
      const { driver, storage, pool } = open;
      if (!driver.features.volumeTypes.includes(instance.type)) {
        throw badRequest(`Storage pool "${pool.name}" (${pool.driver}) cannot hold instances of type ${instance.type}`);
      }
      const config = withPoolDefaults(driver, instance.type, pool.config, { size: root['size'] ?? '' });
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
      const limitsLater = driver.features.quotas !== 'yes';
      const volume = volumeOf(instance, limitsLater ? stored : config);
      undo.add('remove the volume', async () => {
        for (const snapshot of snapshotsOf(source)) await storage.deleteSnapshot({ ...volume, snapshot });
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
      } else if (source.kind === 'backup') {
        for (const { name, createdAt, expiresAt } of source.snapshots) {
          const added = await store.insertSnapshot(row.id, {
            name,
            description: '',
            config: stored,
            createdAt,
            expiresAt,
          });
          await store.markSnapshotReady(added.id);
        }
        await source.restore({ open, volume }, work ?? {});
      } else {
        const from = await locate(source.instance, source.snapshot);
        await copyRows(row.id, from.row, source.snapshots);
        const tolerant = source.allowInconsistent && !driver.features.copyOnWrite;
        if (from.open.pool.name === pool.name && !tolerant)
          await storage.copyVolume(volume, from.volume, source.snapshots, work);
        else
          await copyAcross({ open, volume }, from, source.snapshots, {
            ...work,
            allowInconsistent: source.allowInconsistent,
          });
      }
      if (limitsLater && config['size']) await limit(instance, open, volume, sizeOf(config));
      await finish(row.id);
      undo.commit();
    },

    async mount(instance, snapshot) {
      const { open, volume } = await locate(instance, snapshot);
      return open.storage.mountVolume(volume);
    },

    has: async (instance) => (await locate(instance)).row !== undefined,

    async markReady(instance) {
      const { row } = await locate(instance);
      if (row) await store.markReady(row.id);
    },

    async poolsByInstance() {
      const rows = (await store.list()).filter((row) => row.state === 'ready');
      const pools = new Map(rows.map((row) => [`${row.project} ${row.type} ${row.name}`, row.pool]));
      return ({ project, type, name }) => pools.get(`${project} ${type} ${name}`);
    },

    async move(instance, target, snapshots, switchOver, work) {
      const from = await locate(instance);
      const { row } = from;
      if (!row) throw new Error(`Instance "${instance.name}" has no row for its root volume`);
      await service.create(
        target,
        { kind: 'copy', instance, snapshots, allowInconsistent: false },
        work,
        async (created) => {
          await switchOver();
          await store.replace(row.id, created);
        },
      );
      await discardLater(row);
    },

    async recover() {
      for (const row of await store.list()) {
        if (row.state === 'ready' || (row.type !== 'container' && row.type !== 'virtual-machine')) continue;
        log.warn({ pool: row.pool, volume: row.name }, 'Removing a volume that was being made or deleted');
        await discardLater(row);
      }
    },

    async delete(instance) {
      const { open, volume, row } = await locate(instance);
      if (row) await discard(open, row);
      else await open.storage.deleteVolume(volume);
    },

    async rename(instance, name) {
      const { open, volume, row } = await locate(instance);
      // A daemon that died after this step comes here again.
      const done = !(await open.storage.hasVolume(volume)) && (await open.storage.hasVolume({ ...volume, name }));
      if (!done) await open.storage.renameVolume(volume, name);
      if (row) await store.rename(row.id, name);
    },

    async resize(instance, root) {
      const { open, volume } = await locate(instance);
      await limit(instance, open, volume, sizeOf(root));
    },

    async usage(instance) {
      const { open, volume } = await locate(instance);
      return open.storage.usage(volume);
    },

    async writeBackupFile(instance) {
      const { open, volume, row } = await locate(instance);
      await using mounted = await open.storage.mountVolume(volume);
      const file = join(mounted.path, 'backup.yaml');
      // Replaced as a whole: a crash leaves the old one or the new one, and a symlink in its place is not followed.
      const next = `${file}.new`;
      await rm(next, { force: true });
      const content = backupFile(await backupContent(instance, open, row));
      try {
        await writeFile(next, content, { mode: 0o400, flag: 'wx' });
        await rename(next, file);
      } catch (error) {
        if (!isErrno(error, 'ENOSPC', 'EDQUOT')) throw error;
        await rm(next, { force: true });
        // A full disk must not keep its owner from making room on it, by deleting a snapshot for instance.
        log.warn(
          { err: error, instance: instance.name },
          'No room for backup.yaml: it stays as it was until the next change',
        );
      }
    },
  };
  return service;
};
