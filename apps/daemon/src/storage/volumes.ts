import { checkName, type Scope, storageVolumeUrl } from '@lxd-ts/api';
import {
  badRequest,
  type Config,
  type ConfigKey,
  type ContentType,
  changedKeys,
  conflict,
  isTrue,
  type MountedVolume,
  parseSize,
  UndoStack,
  type Volume,
  validateConfig,
  type Work,
  withoutEmpty,
} from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import type { Locks } from '../core/locks.ts';
import type { Events } from '../events/bus.ts';
import { checkIfMatch } from '../http/etag.ts';
import { copyAcross, type Located, refreshFrom } from './copy-across.ts';
import type { OpenPool, Pools } from './pools.ts';
import { volumeDefaults } from './root-volumes.ts';
import type { StoredVolume, VolumeStore } from './volume-store.ts';

/** Where a volume is named: pool, project, name. */
export interface VolumeName {
  readonly pool: string;
  readonly project: string;
  readonly name: string;
}

/** What a custom volume is copied from. */
export interface VolumeCopySource extends VolumeName {
  readonly snapshot?: string;
  /** Leave the snapshots out. */
  readonly volumeOnly: boolean;
  /** Bring an existing copy up to date instead of making one. */
  readonly refresh: boolean;
}

export interface VolumeContent {
  readonly description: string;
  readonly config: Config;
}

/** Custom volumes: made on request, attached to instances by disk devices, kept until deleted. */
export interface CustomVolumes {
  /** @throws LxdError not-found */
  get(name: VolumeName): Promise<StoredVolume>;
  create(name: VolumeName, content: ContentType, volume: VolumeContent): Promise<void>;
  copy(target: VolumeName, volume: VolumeContent, source: VolumeCopySource, work?: Work): Promise<void>;
  update(name: VolumeName, change: VolumeContent, ifMatch: string | undefined): Promise<void>;
  rename(name: VolumeName, to: string): Promise<void>;
  /** Moves to another pool, under another name if given. */
  move(name: VolumeName, target: VolumeName, work?: Work): Promise<void>;
  delete(name: VolumeName): Promise<void>;
  usage(name: VolumeName): Promise<{ readonly used: number; readonly total?: number } | undefined>;
  /** Makes the volume accessible for a device. */
  mount(name: VolumeName): Promise<MountedVolume & { readonly shifted: boolean }>;
  /** The pool and the driver's volume. */
  locate(name: VolumeName): Promise<Located & { readonly row: StoredVolume }>;
  /** @throws LxdError conflict when a running instance uses it */
  refuseInUse(name: VolumeName, what: string): Promise<void>;
  /** Removes volumes whose making a crash cut short. */
  recover(): Promise<void>;
}

interface Parts {
  readonly pools: Pools;
  readonly store: VolumeStore;
  readonly locks: Locks;
  readonly events: Events;
  readonly log: Logger;
  /** URLs of instances and profiles that attach the volume. */
  readonly usedBy: (name: VolumeName) => Promise<readonly string[]>;
  /** Names of running instances that attach the volume. */
  readonly runningUsers: (name: VolumeName) => Promise<readonly string[]>;
}

const type = 'custom';

/** The key of a volume's lock, and its name in messages. */
export const volumeLock = ({ pool, project, name }: VolumeName): string => `volume "${pool}/${project}_${name}"`;

const scope = ({ project }: VolumeName): Scope => ({ project });

export const volumeUrl = (name: VolumeName): string => storageVolumeUrl(name.pool, type, name.name, scope(name));

const freeKeys: readonly ConfigKey[] = [
  { key: 'user.*', type: 'string', description: 'Free-form keys' },
  { key: 'volatile.*', type: 'string', description: 'State kept by the server', internal: true },
];

/** The user-editable part, of which the ETag is made. */
export const editableVolume = ({ description, config }: VolumeContent): VolumeContent => ({ description, config });

const driverVolume = (name: VolumeName, content: ContentType, config: Config, snapshot?: string): Volume => ({
  type,
  content,
  project: name.project,
  name: name.name,
  config,
  ...(snapshot === undefined ? {} : { snapshot }),
});

const sizeOf = (config: Config): number | undefined => (config['size'] ? parseSize(config['size']) : undefined);

export const createCustomVolumes = (parts: Parts): CustomVolumes => {
  const { pools, store, locks, events, log } = parts;

  const undoStack = (name: VolumeName) =>
    new UndoStack((what, error) =>
      log.error({ err: error, volume: name.name, pool: name.pool }, `Could not undo: ${what}`),
    );

  const get = (name: VolumeName): Promise<StoredVolume> => store.get(name.pool, name.project, type, name.name);

  const check = ({ driver, pool }: OpenPool, content: ContentType, config: Config): void => {
    if (!driver.features.volumeTypes.includes(type) || !driver.features.customContent.includes(content)) {
      throw badRequest(
        `Storage pool "${pool.name}" (${pool.driver}) cannot hold custom volumes with content type ${content}`,
      );
    }
    validateConfig([...driver.volumeConfig, ...freeKeys], config, 'storage volume');
    if (isTrue(config['security.shifted']) && isTrue(config['security.unmapped'])) {
      throw badRequest('Keys "security.shifted" and "security.unmapped" cannot be used together');
    }
  };

  const locate: CustomVolumes['locate'] = async (name) => {
    const row = await get(name);
    return { open: await pools.open(name.pool), row, volume: driverVolume(name, row.content, row.config) };
  };

  /** Makes a volume whose row is written first; `make` does the work in the pool. */
  const add = async (
    name: VolumeName,
    content: ContentType,
    volume: VolumeContent,
    make: (open: OpenPool, volume: Volume, id: number, undo: UndoStack) => Promise<void>,
  ) => {
    checkName('volume', name.name);
    using _lock = locks.hold(volumeLock(name), 'create');
    const open = await pools.open(name.pool);
    const config = { ...volumeDefaults(open, type), ...withoutEmpty(volume.config) };
    check(open, content, config);
    await using undo = undoStack(name);
    const row = await store.insert({ ...name, type, content, description: volume.description, config });
    undo.add('remove the row', () => store.delete(row.id));
    const made = driverVolume(name, content, config);
    undo.add('remove the volume', () => open.storage.deleteVolume(made));
    await make(open, made, row.id, undo);
    await store.markReady(row.id);
    undo.commit();
    events.lifecycle('storage-volume-created', volumeUrl(name), name.project, { type });
  };

  const removeAll = async ({ open, volume, row }: Located & { row: StoredVolume }): Promise<void> => {
    for (const snapshot of await store.snapshots(row.id))
      await open.storage.deleteSnapshot({ ...volume, snapshot: snapshot.name });
    await open.storage.deleteVolume(volume);
    await store.delete(row.id);
  };

  const refuseInUse: CustomVolumes['refuseInUse'] = async (name, what) => {
    const users = await parts.runningUsers(name);
    if (users.length > 0)
      throw conflict(`Cannot ${what} a volume that running instances use: stop ${users.join(', ')} first`);
  };

  const copy: CustomVolumes['copy'] = async (target, volume, source, work) => {
    const from = await locate(source);
    const located: Located =
      source.snapshot === undefined ? from : { open: from.open, volume: { ...from.volume, snapshot: source.snapshot } };
    const snapshots = source.volumeOnly || source.snapshot !== undefined ? [] : await store.snapshots(from.row.id);
    const content: VolumeContent = {
      description: volume.description || from.row.description,
      config: { ...from.row.config, ...volume.config },
    };
    const existing = await store.find(target.pool, target.project, type, target.name);
    if (source.refresh && existing) {
      using _lock = locks.hold(volumeLock(target), 'refresh');
      await refuseInUse(target, 'refresh');
      await refreshFrom(await locate(target), located, work ?? {});
      return;
    }
    await add(target, from.row.content, content, async (open, made, id, undo) => {
      for (const snapshot of snapshots)
        undo.add(`remove snapshot ${snapshot.name}`, () =>
          open.storage.deleteSnapshot({ ...made, snapshot: snapshot.name }),
        );
      const names = snapshots.map((snapshot) => snapshot.name);
      if (target.pool === source.pool) await open.storage.copyVolume(made, located.volume, names, work);
      else await copyAcross({ open, volume: made }, located, names, work ?? {});
      for (const { name, description, config, createdAt, expiresAt } of snapshots) {
        const row = await store.insertSnapshot(id, { name, description, config, createdAt, expiresAt });
        await store.markSnapshotReady(row.id);
      }
    });
  };

  const remove = async (name: VolumeName): Promise<void> => {
    using _lock = locks.hold(volumeLock(name), 'delete');
    const users = await parts.usedBy(name);
    if (users.length > 0) throw conflict(`The storage volume is still in use by: ${users.join(', ')}`);
    await removeAll(await locate(name));
    events.lifecycle('storage-volume-deleted', volumeUrl(name), name.project);
  };

  return {
    get,
    locate,
    copy,
    refuseInUse,
    delete: remove,

    create: (name, content, volume) => add(name, content, volume, (open, made) => open.storage.createVolume(made)),

    async update(name, change, ifMatch) {
      using _lock = locks.hold(volumeLock(name), 'update');
      const { open, volume, row } = await locate(name);
      checkIfMatch(ifMatch, editableVolume(row));
      const config = withoutEmpty(change.config);
      check(open, row.content, config);
      const changed = changedKeys(row.config, config);
      if (changed.some((key) => key === 'security.shifted' || key === 'security.unmapped'))
        await refuseInUse(name, 'change the id mapping of');
      if (changed.includes('size')) await open.storage.resizeVolume(volume, sizeOf(config));
      await store.update(row.id, { description: change.description, config });
      events.lifecycle('storage-volume-updated', volumeUrl(name), name.project);
    },

    async rename(name, to) {
      checkName('volume', to);
      const renamed = { ...name, name: to };
      using _lock = locks.hold(volumeLock(name), 'rename');
      if (await store.find(name.pool, name.project, type, to)) throw conflict('Volume by that name already exists');
      const users = await parts.usedBy(name);
      if (users.length > 0) throw conflict(`The storage volume is still in use by: ${users.join(', ')}`);
      const { open, volume, row } = await locate(name);
      await using undo = undoStack(name);
      await open.storage.renameVolume(volume, to);
      undo.add('rename the volume back', () => open.storage.renameVolume({ ...volume, name: to }, name.name));
      await store.rename(row.id, to);
      undo.commit();
      events.lifecycle('storage-volume-renamed', volumeUrl(renamed), name.project, { old_name: name.name });
    },

    async move(name, target, work) {
      const users = await parts.usedBy(name);
      if (users.length > 0) throw conflict(`The storage volume is still in use by: ${users.join(', ')}`);
      const { description, config } = await get(name);
      await copy(target, { description, config }, { ...name, volumeOnly: false, refresh: false }, work);
      await remove(name);
    },

    async usage(name) {
      const { open, volume } = await locate(name);
      return open.storage.usage(volume);
    },

    async mount(name) {
      const { open, volume, row } = await locate(name);
      if (row.content !== 'filesystem')
        throw badRequest(
          `Volume "${name.name}" has content type ${row.content}: it can be attached to virtual machines only`,
        );
      const mounted = await open.storage.mountVolume(volume);
      return {
        path: mounted.path,
        // Files are kept with the ids that instances see, and each mount translates them: any number of instances can share.
        shifted: !isTrue(row.config['security.unmapped']),
        [Symbol.asyncDispose]: () => Promise.resolve(mounted[Symbol.asyncDispose]()),
      };
    },

    async recover() {
      for (const row of await store.list({ type })) {
        const name = { pool: row.pool, project: row.project, name: row.name };
        try {
          if (row.state === 'pending') {
            log.warn(
              { volume: row.name, pool: row.pool },
              'Removing a volume that was being made when the daemon died',
            );
            await removeAll(await locate(name));
            continue;
          }
          const unfinished = (await store.snapshots(row.id)).filter((snapshot) => snapshot.state === 'pending');
          for (const snapshot of unfinished) {
            const { open, volume } = await locate(name);
            await open.storage.deleteSnapshot({ ...volume, snapshot: snapshot.name });
            await store.deleteSnapshot(snapshot.id);
          }
        } catch (error) {
          log.error({ err: error, volume: row.name, pool: row.pool }, 'Could not clear up a volume');
        }
      }
    },
  };
};
