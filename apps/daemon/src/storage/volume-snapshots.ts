import { checkName, expiryDate, storageVolumeSnapshotUrl, zeroTime } from '@lxd-ts/api';
import { type Config, conflict, notFound, UndoStack } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import type { Locks } from '../core/locks.ts';
import type { Events } from '../events/bus.ts';
import { checkIfMatch } from '../http/etag.ts';
import { defaultPattern, snapshotName } from '../instances/snapshots-names.ts';
import { checkMayMake } from '../projects/restrictions.ts';
import { type VolumeName, volumeLock, volumeUrl } from './volume-name.ts';
import { renameKey } from './volume-snapshot-store.ts';
import type { StoredSnapshot, VolumeStore } from './volume-store.ts';
import type { CustomVolumes, LocatedVolume } from './volumes.ts';

/** Snapshots of custom volumes. */
export interface VolumeSnapshots {
  list(name: VolumeName): Promise<readonly StoredSnapshot[]>;
  /** @throws LxdError not-found */
  get(name: VolumeName, snapshot: string): Promise<StoredSnapshot>;
  /** @throws LxdError forbidden where the volume's project allows no snapshots */
  checkMayCreate(name: VolumeName): Promise<void>;
  /**
   * Takes a snapshot and returns its name.
   *
   * @param snapshot - empty: `snapshots.pattern` names it
   * @param expiresAt - undefined: as `snapshots.expiry` says; null: never
   */
  create(name: VolumeName, snapshot: string, expiresAt: Date | null | undefined): Promise<string>;
  update(
    name: VolumeName,
    snapshot: string,
    change: { description: string; expiresAt: Date | undefined },
    ifMatch: string | undefined,
  ): Promise<void>;
  rename(name: VolumeName, snapshot: string, to: string): Promise<void>;
  delete(name: VolumeName, snapshot: string): Promise<void>;
  /** Makes the volume what it was. No running instance may use it. */
  restore(name: VolumeName, snapshot: string): Promise<void>;
  /** Finishes deletions and renamings that a crash cut short, and undoes creations. */
  recover(): Promise<void>;
}

interface Parts {
  readonly volumes: CustomVolumes;
  readonly store: VolumeStore;
  readonly locks: Locks;
  readonly events: Events;
  readonly log: Logger;
  readonly projectConfig: (project: string) => Promise<Config>;
}

/** The user-editable part, of which the ETag is made. */
export const editableVolumeSnapshot = ({ description, expiresAt }: StoredSnapshot) => ({
  description,
  expires_at: expiresAt?.toISOString() ?? zeroTime,
});

const urlOf = (name: VolumeName, snapshot: string): string =>
  storageVolumeSnapshotUrl(name.pool, 'custom', name.name, snapshot, { project: name.project });

const expiryOf = (config: Config, now: Date): Date | undefined => {
  const expression = config['snapshots.expiry'];
  return expression ? (expiryDate(now, expression) ?? undefined) : undefined;
};

export const createVolumeSnapshots = ({
  volumes,
  store,
  locks,
  events,
  log,
  projectConfig,
}: Parts): VolumeSnapshots => {
  const list = async (name: VolumeName): Promise<readonly StoredSnapshot[]> =>
    (await store.snapshots((await volumes.get(name)).id)).filter((snapshot) => snapshot.state === 'ready');

  const get = async (name: VolumeName, snapshot: string): Promise<StoredSnapshot> => {
    const found = (await list(name)).find((one) => one.name === snapshot);
    if (!found) throw notFound('Storage volume snapshot not found');
    return found;
  };

  const finishRename = async ({ open, volume }: LocatedVolume, snapshot: StoredSnapshot, to: string): Promise<void> => {
    const there = { ...volume, snapshot: snapshot.name };
    // A daemon that died after this step comes here again.
    if (await open.storage.hasVolume(there)) await open.storage.renameSnapshot(there, to);
    await store.renameSnapshot(snapshot.id, to);
  };

  const recoverOne = async (located: LocatedVolume, snapshot: StoredSnapshot): Promise<void> => {
    const to = snapshot.config[renameKey];
    if (snapshot.state === 'pending') await volumes.discardSnapshot(located.row, snapshot);
    else if (to) await finishRename(located, snapshot, to);
  };

  const remove = async (name: VolumeName, snapshot: StoredSnapshot): Promise<void> => {
    await volumes.discardSnapshot(name, snapshot);
    events.lifecycle('storage-volume-snapshot-deleted', urlOf(name, snapshot.name), name.project);
  };

  const checkMayCreate = async ({ project }: VolumeName): Promise<void> =>
    checkMayMake('snapshots', { name: project, config: await projectConfig(project) });

  return {
    list,
    get,

    checkMayCreate,

    async create(name, wanted, expiresAt) {
      await checkMayCreate(name);
      using _lock = await locks.wait(volumeLock(name), 'snapshot');
      const { open, volume, row } = await volumes.locate(name);
      if (volumes.holdsOwnData(name)) throw conflict('Volumes used by LXD itself cannot have snapshots');
      const now = new Date();
      const taken = (await store.snapshots(row.id)).map((one) => one.name);
      const snapshot = wanted || snapshotName(row.config['snapshots.pattern'] || defaultPattern, now, taken);
      checkName('volumeSnapshot', snapshot);
      if (taken.includes(snapshot)) throw conflict(`Snapshot "${snapshot}" already in use`);
      await using undo = new UndoStack((what, error) =>
        log.error({ err: error, volume: name.name }, `Could not undo: ${what}`),
      );
      const stored = await store.insertSnapshot(row.id, {
        name: snapshot,
        description: row.description,
        config: row.config,
        createdAt: now,
        expiresAt: expiresAt === undefined ? expiryOf(row.config, now) : (expiresAt ?? undefined),
      });
      undo.add('remove the row', () => store.deleteSnapshot(stored.id));
      undo.add('remove the snapshot', () => open.storage.deleteSnapshot({ ...volume, snapshot }));
      await open.storage.createSnapshot({ ...volume, snapshot });
      await store.markSnapshotReady(stored.id);
      undo.commit();
      events.lifecycle('storage-volume-snapshot-created', urlOf(name, snapshot), name.project, { type: 'custom' });
      return snapshot;
    },

    async update(name, snapshot, change, ifMatch) {
      const before = await get(name, snapshot);
      checkIfMatch(ifMatch, editableVolumeSnapshot(before));
      await store.updateSnapshot(before.id, change);
      events.lifecycle('storage-volume-snapshot-updated', urlOf(name, snapshot), name.project);
    },

    async rename(name, snapshot, to) {
      checkName('volumeSnapshot', to);
      using _lock = await locks.hold(volumeLock(name), 'rename a snapshot');
      const before = await get(name, snapshot);
      if ((await list(name)).some((one) => one.name === to)) throw conflict(`Snapshot "${to}" already in use`);
      await store.planSnapshotName(before.id, to);
      try {
        await finishRename(await volumes.locate(name), before, to);
      } catch (error) {
        await store.planSnapshotName(before.id, undefined);
        throw error;
      }
      events.lifecycle('storage-volume-snapshot-renamed', urlOf(name, to), name.project, { old_name: snapshot });
    },

    async delete(name, snapshot) {
      using _lock = await locks.wait(volumeLock(name), 'delete a snapshot');
      await remove(name, await get(name, snapshot));
    },

    async restore(name, snapshot) {
      using _lock = await locks.hold(volumeLock(name), 'restore');
      const { config } = await get(name, snapshot);
      await volumes.refuseInUse(name, 'restored');
      const { open, volume } = await volumes.locate(name);
      const inTheWay = (await open.storage.deletedByRestore?.(volume, snapshot)) ?? [];
      for (const one of (await list(name)).toReversed()) if (inTheWay.includes(one.name)) await remove(name, one);
      await open.storage.restoreVolume(volume, snapshot);
      await volumes.unshift(name, config);
      events.lifecycle('storage-volume-restored', volumeUrl(name), name.project, { snapshot });
    },

    async recover() {
      for (const row of await store.list({ type: 'custom' })) {
        for (const snapshot of await store.snapshots(row.id)) {
          if (snapshot.state === 'ready' && !snapshot.config[renameKey]) continue;
          try {
            await recoverOne(await volumes.locate(row), snapshot);
          } catch (error) {
            log.error({ err: error, volume: row.name, snapshot: snapshot.name }, 'Could not repair what a crash left');
          }
        }
      }
    },
  };
};
