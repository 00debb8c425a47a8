import { checkName } from '@lxd-ts/api';
import {
  badRequest,
  type Config,
  type ConfigKey,
  type ContentType,
  changedKeys,
  conflict,
  type Fill,
  findKey,
  type InstanceType,
  isKind,
  isTrue,
  type MountedVolume,
  messageOf,
  notFound,
  parseSize,
  UndoStack,
  type Volume,
  validateConfig,
  type Work,
  withoutEmpty,
  withPoolDefaults,
} from '@lxd-ts/driver-kit';
import type { IdMap } from '@lxd-ts/host';
import type { Logger } from 'pino';
import { canMapIds } from '../core/id-mapped-mounts.ts';
import type { Locks } from '../core/locks.ts';
import type { Events } from '../events/bus.ts';
import { checkIfMatch } from '../http/etag.ts';
import type { Located } from './copy-across.ts';
import { alignIds, isAligned } from './ids-on-disk.ts';
import type { OpenPool, Pools } from './pools.ts';
import { idKeys, idmapKeys, idmapOf, idStateOf, isShifted, unshiftVolume, withoutIdmap } from './volume-idmap.ts';
import { type VolumeName, volumeLock, volumeUrl } from './volume-name.ts';
import type { StoredSnapshot, StoredVolume, VolumeStore } from './volume-store.ts';

export interface VolumeContent {
  readonly description: string;
  readonly config: Config;
}

/** A custom volume's row, and where it is. */
export type LocatedVolume = Located & { readonly open: OpenPool; readonly row: StoredVolume };

/** What makes a new volume. */
export interface Making {
  readonly content: ContentType;
  readonly volume: VolumeContent;
  readonly createdAt?: Date;
  /** Makes it in the pool; its snapshots' rows as well. What a failure leaves is removed, by the rows that are there then. */
  readonly make: (made: LocatedVolume) => Promise<void>;
  /** Makes it count; by default its row is marked ready. */
  readonly finish?: (made: LocatedVolume) => Promise<void>;
}

/** Custom volumes: made on request, attached to instances by disk devices, kept until deleted. */
export interface CustomVolumes {
  /** @throws LxdError not-found */
  get(name: VolumeName): Promise<StoredVolume>;
  /** The pool and the driver's volume. */
  locate(name: VolumeName): Promise<LocatedVolume>;
  /** @param fill - writes its first contents */
  create(name: VolumeName, content: ContentType, volume: VolumeContent, fill?: Fill, work?: Work): Promise<void>;
  /** Makes a volume whose row is written first; on failure nothing is left. For a caller who holds its lock. */
  add(name: VolumeName, making: Making): Promise<void>;
  update(name: VolumeName, change: VolumeContent, ifMatch: string | undefined): Promise<void>;
  delete(name: VolumeName): Promise<void>;
  /** Deletes a volume with its snapshots and rows, whether it is whole or not. For a caller who holds its lock. */
  discard(row: StoredVolume): Promise<void>;
  /** Deletes a snapshot, whether it is whole or not. For a caller who holds the volume's lock. */
  discardSnapshot(name: VolumeName, snapshot: StoredSnapshot): Promise<void>;
  /** What of a configuration from elsewhere a volume in a pool takes. */
  known(open: OpenPool, config: Config): Config;
  usage(name: VolumeName): Promise<{ readonly used: number; readonly total?: number } | undefined>;
  /**
   * Checks that an instance may attach the volume.
   *
   * @throws LxdError not-found, bad-request where it is nothing for such instances, conflict where another instance has it for itself
   */
  checkAttach(name: VolumeName, instance: { readonly name: string; readonly type: InstanceType }): Promise<void>;
  /**
   * Makes the volume accessible for a device of an instance. Files are kept with the ids that instances see, and each mount translates
   * them: any number of instances can share. Where the file system cannot do that, the files get the ids of the instance.
   *
   * @param user - without a map: privileged
   * @returns `shifted`: the mount is to translate ids
   * @throws LxdError conflict when files would have to get other ids and another instance uses them
   */
  mount(name: VolumeName, user: VolumeUser): Promise<MountedVolume & { readonly shifted: boolean }>;
  /** @throws LxdError conflict when a running instance or the server itself uses it */
  refuseInUse(name: VolumeName, what: string): Promise<void>;
  /** Gives a volume whose files have come from another one, or from a snapshot, the ids seen inside. @param from - what tells of them */
  unshift(name: VolumeName, from: Config): Promise<void>;
  /** Whether the server keeps its own data in it. */
  holdsOwnData(name: VolumeName): boolean;
  /** @throws LxdError conflict when the server keeps its own data in it */
  refuseOwn(name: VolumeName, what: string): void;
  /** Removes volumes that a crash left half made or half deleted. */
  recover(): Promise<void>;
}

/** Who mounts a volume. */
export interface VolumeUser {
  readonly instance: string;
  readonly idmap: IdMap | undefined;
}

interface Parts {
  readonly pools: Pools;
  readonly store: VolumeStore;
  readonly locks: Locks;
  readonly events: Events;
  readonly log: Logger;
  /** URLs of instances and profiles that attach the volume, and of the server where it keeps its data in it. */
  readonly usedBy: (name: VolumeName) => Promise<readonly string[]>;
  /** Names of instances that attach the volume. */
  readonly users: (name: VolumeName) => Promise<readonly string[]>;
  /** Names of those that run. */
  readonly runningUsers: (name: VolumeName) => Promise<readonly string[]>;
  /** Whether the server keeps its own data in it (`storage.backups_volume`, `storage.images_volume`). */
  readonly holdsOwnData: (name: VolumeName) => boolean;
  /** Removes the backups that the server keeps of a volume. */
  readonly removeBackups: (row: StoredVolume) => Promise<void>;
}

const type = 'custom';

const volatileKeys: readonly ConfigKey[] = idmapKeys.map((key) => ({
  key,
  type: 'string',
  description: 'State kept by the server',
  internal: true,
}));

/** The keys that a custom volume in a pool takes. */
export const customVolumeKeys = ({ driver }: Pick<OpenPool, 'driver'>): readonly ConfigKey[] => [
  ...driver.volumeConfig,
  ...volatileKeys,
];

/** The user-editable part, of which the ETag is made. */
export const editableVolume = ({ description, config }: VolumeContent): VolumeContent => ({ description, config });

const idsLock = (name: VolumeName): string => `ids of ${volumeLock(name)}`;

const driverVolume = (name: VolumeName, content: ContentType, config: Config): Volume => ({
  type,
  content,
  project: name.project,
  name: name.name,
  config,
});

const sizeOf = (config: Config): number | undefined => (config['size'] ? parseSize(config['size']) : undefined);

export const createCustomVolumes = (parts: Parts): CustomVolumes => {
  const { pools, store, locks, events, log } = parts;

  const get = (name: VolumeName): Promise<StoredVolume> => store.get(name.pool, name.project, type, name.name);

  const check = (open: OpenPool, content: ContentType, config: Config): void => {
    const { driver, pool } = open;
    if (!driver.features.volumeTypes.includes(type) || !driver.features.customContent.includes(content)) {
      throw badRequest(
        `Storage pool "${pool.name}" (${pool.driver}) cannot hold custom volumes with content type ${content}`,
      );
    }
    validateConfig(customVolumeKeys(open), config, 'storage volume');
    if (isTrue(config['security.shifted']) && isTrue(config['security.unmapped'])) {
      throw badRequest('Keys "security.shifted" and "security.unmapped" cannot be used together');
    }
  };

  const locate: CustomVolumes['locate'] = async (name) => {
    const row = await get(name);
    return { open: await pools.open(name.pool), row, volume: driverVolume(name, row.content, row.config) };
  };

  const add: CustomVolumes['add'] = async (name, { content, volume, createdAt, make, finish }) => {
    checkName('volume', name.name);
    const open = await pools.open(name.pool);
    const config = withPoolDefaults(open.driver, type, open.pool.config, volume.config);
    check(open, content, config);
    await using undo = new UndoStack((what, error) =>
      log.error({ err: error, volume: name.name, pool: name.pool }, `Could not undo: ${what}`),
    );
    const row = await store.insert({
      ...name,
      type,
      content,
      description: volume.description,
      config,
      ...(createdAt ? { createdAt } : {}),
    });
    undo.add('remove the volume', () => discard(row));
    const made = { open, row, volume: driverVolume(name, content, config) };
    await make(made);
    await (finish ? finish(made) : store.markReady(row.id));
    undo.commit();
    events.lifecycle('storage-volume-created', volumeUrl(name), name.project, { type });
  };

  const discard: CustomVolumes['discard'] = async (row) => {
    await store.markPending(row.id);
    const { storage } = await pools.open(row.pool);
    const volume = driverVolume(row, row.content, row.config);
    // Newest first: an older one may be what a newer one is built on.
    for (const snapshot of (await store.snapshots(row.id)).toReversed())
      await storage.deleteSnapshot({ ...volume, snapshot: snapshot.name });
    await storage.deleteVolume(volume);
    await parts.removeBackups(row);
    await store.delete(row.id);
  };

  const refuseOwn: CustomVolumes['refuseOwn'] = (name, what) => {
    if (parts.holdsOwnData(name)) throw conflict(`Volume is used by LXD itself and cannot be ${what}`);
  };

  const refuseInUse: CustomVolumes['refuseInUse'] = async (name, what) => {
    refuseOwn(name, what);
    const users = await parts.runningUsers(name);
    if (users.length > 0)
      throw conflict(`A volume that running instances use cannot be ${what}: stop ${users.join(', ')} first`);
  };

  /** Limits a volume; where the pool cannot, the size is kept and not enforced, as in LXD, and the operator is told. */
  const resize = async ({ open, volume }: Located, size: number | undefined): Promise<void> => {
    try {
      await open.storage.resizeVolume(volume, size);
    } catch (error) {
      if (!isKind(error, 'not-implemented')) throw error;
      log.warn({ volume: volume.name, pool: open.pool.name }, messageOf(error));
    }
  };

  /** The mounts for devices: the instance, and the lock of the volume's ids. */
  const mounts = new Set<{ readonly key: string; readonly instance: string }>();

  /** Gives the files of a mounted volume the ids of a map, empty: those seen inside, and keeps other instances from changing them. */
  const giveIds = async (name: VolumeName, path: string, wanted: IdMap, instance: string): Promise<Disposable> => {
    const key = idsLock(name);
    using _lock = await locks.wait(key, 'shift ids');
    const { id, config } = await get(name);
    const state = idStateOf(config);
    if (!isAligned(state, wanted)) {
      const mounted = [...mounts].filter((one) => one.key === key).map((one) => one.instance);
      const users = new Set([...mounted, ...(await parts.runningUsers(name))]);
      const others = [...users].filter((user) => user !== instance);
      if (others.length > 0)
        throw conflict(
          `Idmaps of container "${instance}" and storage volume "${name.name}" are not identical: ${others.join(', ')} uses the volume, whose file system cannot show its files with other ids to each`,
        );
      await alignIds(path, state, wanted, (next) => store.patchConfig(id, idKeys(next)));
    }
    const mount = { key, instance };
    mounts.add(mount);
    return { [Symbol.dispose]: () => void mounts.delete(mount) };
  };

  return {
    get,
    locate,
    add,
    discard,
    refuseInUse,
    refuseOwn,
    holdsOwnData: parts.holdsOwnData,

    async create(name, content, volume, fill, work) {
      using _lock = await locks.hold(volumeLock(name), 'create');
      await add(name, {
        content,
        volume,
        make: ({ open, volume: made }) => open.storage.createVolume(made, fill, work),
      });
    },

    async discardSnapshot(name, { id, name: snapshot }) {
      await store.markSnapshotPending(id);
      const { open, volume } = await locate(name);
      await open.storage.deleteSnapshot({ ...volume, snapshot });
      await store.deleteSnapshot(id);
    },

    known: (open, config) =>
      Object.fromEntries(Object.entries(config).filter(([key]) => findKey(customVolumeKeys(open), key) !== undefined)),

    async update(name, change, ifMatch) {
      using _lock = await locks.hold(volumeLock(name), 'update');
      const { open, row, volume } = await locate(name);
      checkIfMatch(ifMatch, editableVolume(row));
      const config = withoutEmpty(change.config);
      check(open, row.content, config);
      const changed = changedKeys(row.config, config);
      if (changed.some((key) => key === 'security.shifted' || key === 'security.unmapped'))
        await refuseInUse(name, 'mapped to other ids');
      await using undo = new UndoStack((what, error) =>
        log.error({ err: error, volume: name.name, pool: name.pool }, `Could not undo: ${what}`),
      );
      const next = { ...volume, config };
      undo.add('go back to the configuration before', () => open.storage.updateVolume?.(volume, changed));
      await open.storage.updateVolume?.(next, changed);
      if (changed.includes('size')) await resize({ open, volume: next }, sizeOf(config));
      using _ids = await locks.wait(idsLock(name), 'update');
      const ids = idmapOf((await get(name)).config);
      await store.update(row.id, { description: change.description, config: { ...withoutIdmap(config), ...ids } });
      undo.commit();
      events.lifecycle('storage-volume-updated', volumeUrl(name), name.project);
    },

    async delete(name) {
      using _lock = await locks.hold(volumeLock(name), 'delete');
      const row = await get(name);
      const users = await parts.usedBy(name);
      if (users.length > 0) throw conflict(`The storage volume is still in use by: ${users.join(', ')}`);
      await discard(row);
      events.lifecycle('storage-volume-deleted', volumeUrl(name), name.project);
    },

    async unshift(name, from) {
      const { open, row, volume } = await locate(name);
      if (row.content === 'filesystem' && isShifted(from)) {
        await using mounted = await open.storage.mountVolume(volume);
        await unshiftVolume(mounted.path, from);
      }
      if (idmapKeys.some((key) => row.config[key] !== undefined))
        await store.patchConfig(row.id, idKeys({ current: [], unfinished: undefined }));
    },

    async usage(name) {
      const { open, volume } = await locate(name);
      return open.storage.usage(volume);
    },

    async checkAttach(name, instance) {
      const row = await store.find(name.pool, name.project, type, name.name);
      if (!row) throw notFound('Failed loading custom volume: Storage volume not found');
      if (row.content !== 'filesystem') {
        if (instance.type === 'container') throw badRequest('Custom block volumes cannot be used on containers');
        return;
      }
      const { blockBased, remote } = (await pools.open(name.pool)).driver.features;
      // A file system on a disk that several servers share is mounted by one of them at a time.
      if (!blockBased || !remote) return;
      const others = (await parts.users(name)).filter((user) => user !== instance.name);
      if (others.length > 0)
        throw conflict(
          `Volume "${name.name}" can be attached to one instance at a time, and ${others.join(', ')} has it`,
        );
    },

    async mount(name, user) {
      const { open, volume, row } = await locate(name);
      if (row.content !== 'filesystem')
        throw badRequest(
          `Volume "${name.name}" has content type ${row.content}: it can be attached to virtual machines only`,
        );
      await using undo = new AsyncDisposableStack();
      const { path } = undo.use(await open.storage.mountVolume(volume));
      const unmapped = isTrue(row.config['security.unmapped']);
      const shifted = !unmapped && (isTrue(row.config['security.shifted']) || (await canMapIds(path)));
      if (!unmapped) undo.use(await giveIds(name, path, shifted ? [] : (user.idmap ?? []), user.instance));
      const held = undo.move();
      return { path, shifted, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() };
    },

    async recover() {
      for (const row of await store.list({ type })) {
        if (row.state === 'ready') continue;
        log.warn({ volume: row.name, pool: row.pool }, 'Removing a volume that was being made or deleted');
        try {
          await discard(row);
        } catch (error) {
          log.error({ err: error, volume: row.name, pool: row.pool }, 'Could not remove the volume');
        }
      }
    },
  };
};
