/** Copies of custom volumes, refreshed copies, and moves: within a pool, between pools and drivers, and to other projects. */
import { checkName } from '@lxd-ts/api';
import { type Config, conflict, notFound, UndoStack, type Work } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import type { Locks } from '../core/locks.ts';
import type { Events } from '../events/bus.ts';
import { copyAcross, type Located, refreshing } from './copy-across.ts';
import type { Pools } from './pools.ts';
import { isShifted } from './volume-idmap.ts';
import { type VolumeName, volumeLock, volumeUrl } from './volume-name.ts';
import { renameKey } from './volume-snapshot-store.ts';
import type { StoredSnapshot, StoredVolume, VolumeStore } from './volume-store.ts';
import type { CustomVolumes, LocatedVolume, VolumeContent } from './volumes.ts';

/** What a custom volume is copied from. */
export interface VolumeCopySource extends VolumeName {
  readonly snapshot?: string;
  /** Leave the snapshots out. */
  readonly volumeOnly: boolean;
  /** Bring an existing copy up to date instead of making one. */
  readonly refresh: boolean;
}

export interface VolumeCopying {
  /** Refuses what cannot be copied or moved, before it begins. @throws LxdError not-found, conflict */
  check(
    target: VolumeName,
    source: Pick<VolumeCopySource, 'pool' | 'project' | 'name' | 'snapshot' | 'refresh'>,
  ): Promise<void>;
  /** @param volume - what the copy has of its own; the rest it has from its source */
  copy(target: VolumeName, volume: VolumeContent, source: VolumeCopySource, work?: Work): Promise<void>;
  rename(name: VolumeName, to: string): Promise<void>;
  /** Moves to another pool or project, under another name if given. */
  move(name: VolumeName, target: VolumeName, work?: Work): Promise<void>;
  /** Finishes renamings that a crash cut short. */
  recover(): Promise<void>;
}

interface Parts {
  readonly pools: Pools;
  readonly volumes: CustomVolumes;
  readonly store: VolumeStore;
  readonly locks: Locks;
  readonly events: Events;
  readonly log: Logger;
  /** URLs of instances and profiles that attach the volume. */
  readonly usedBy: (name: VolumeName) => Promise<readonly string[]>;
  /** Moves the files of a volume's backups when it is renamed. Calls repeat harmlessly. */
  readonly renameBackups: (name: VolumeName, to: string) => Promise<void>;
  /** Tells that devices now attach a volume by this name. */
  readonly usersChanged: (name: VolumeName) => Promise<void>;
}

const ready = (snapshots: readonly StoredSnapshot[]): StoredSnapshot[] =>
  snapshots.filter((one) => one.state === 'ready');

/** Without the server's own keys. */
const portable = (config: Config): Config =>
  Object.fromEntries(Object.entries(config).filter(([key]) => !key.startsWith('volatile.')));

export const createVolumeCopying = (parts: Parts): VolumeCopying => {
  const { pools, volumes, store, locks, events, log } = parts;

  /** Gives a volume the rows of snapshots that come with its contents; `pending` until these are there. */
  const insertRows = (volumeId: number, snapshots: readonly StoredSnapshot[]): Promise<StoredSnapshot[]> =>
    snapshots.reduce<Promise<StoredSnapshot[]>>(async (rows, { name, description, config, createdAt, expiresAt }) => {
      const before = await rows;
      return [...before, await store.insertSnapshot(volumeId, { name, description, config, createdAt, expiresAt })];
    }, Promise.resolve([]));

  /** Makes the copy in the target's pool, the quick way where the driver has one. */
  const copyContents = async (
    made: LocatedVolume,
    source: Located,
    snapshots: readonly StoredSnapshot[],
    work: Work,
  ): Promise<void> => {
    const rows = await insertRows(made.row.id, snapshots);
    const names = snapshots.map(({ name }) => name);
    const { open, volume } = made;
    if (open.pool.name === source.open.pool.name) await open.storage.copyVolume(volume, source.volume, names, work);
    else await copyAcross(made, source, names, work);
    for (const { id } of rows) await store.markSnapshotReady(id);
  };

  /** The configuration that tells of the ids in what is copied. */
  const idsFrom = async ({ row }: LocatedVolume, snapshot: string | undefined): Promise<Config> =>
    snapshot === undefined
      ? row.config
      : ((await store.snapshots(row.id)).find(({ name }) => name === snapshot)?.config ?? {});

  const make = async (
    target: VolumeName,
    volume: VolumeContent,
    from: LocatedVolume,
    options: {
      snapshot?: string;
      snapshots: readonly StoredSnapshot[];
      finish?: (made: LocatedVolume) => Promise<void>;
    },
    work: Work,
  ): Promise<void> => {
    const source: Located =
      options.snapshot === undefined
        ? from
        : { open: from.open, volume: { ...from.volume, snapshot: options.snapshot } };
    const open = await pools.open(target.pool);
    // A client sends the source's configuration along: what the target's driver does not know of it is left out.
    const own = portable(
      Object.fromEntries(Object.entries(volume.config).filter(([key, value]) => from.row.config[key] !== value)),
    );
    await volumes.add(target, {
      content: from.row.content,
      volume: {
        description: volume.description || from.row.description,
        config: { ...portable(volumes.known(open, from.row.config)), ...own },
      },
      async make(made) {
        await copyContents(made, source, options.snapshots, work);
        const ids = await idsFrom(from, options.snapshot);
        if (isShifted(ids)) await volumes.unshift(target, ids);
      },
      ...(options.finish ? { finish: options.finish } : {}),
    });
  };

  const isCopyOf = (one: StoredSnapshot, other: StoredSnapshot): boolean =>
    one.name === other.name && one.createdAt.getTime() === other.createdAt.getTime();

  /** Makes an existing copy what its source is now: snapshots that the source has not go, those it has more are added. */
  const refresh = async (to: LocatedVolume, from: LocatedVolume, source: VolumeCopySource, work: Work) => {
    const { snapshot, volumeOnly } = source;
    if (snapshot !== undefined || volumeOnly) {
      const state = snapshot === undefined ? from.volume : { ...from.volume, snapshot };
      return (await refreshing(to, { ...from, volume: state }, [], [], work)).finish();
    }
    const wanted = ready(await store.snapshots(from.row.id));
    const present = await store.snapshots(to.row.id);
    // What an earlier try left unfinished goes, too.
    const kept = ready(present).filter((one) => wanted.some((other) => isCopyOf(other, one)));
    for (const one of present.toReversed()) if (!kept.includes(one)) await volumes.discardSnapshot(to.row, one);
    const lacking = wanted.filter((one) => !kept.some((other) => isCopyOf(one, other)));
    const copy = await refreshing(to, from, wanted, lacking, work);
    for (const one of lacking) {
      const [row] = await insertRows(to.row.id, [one]);
      await copy.addSnapshot(one.name);
      if (row) await store.markSnapshotReady(row.id);
    }
    return copy.finish();
  };

  const finishRename = async ({ open, volume, row }: LocatedVolume, to: string): Promise<void> => {
    const { storage } = open;
    // A daemon that died after this step comes here again.
    const done = !(await storage.hasVolume(volume)) && (await storage.hasVolume({ ...volume, name: to }));
    if (!done) await storage.renameVolume(volume, to);
    await parts.renameBackups(row, to);
    await store.renameCustom(row, to);
  };

  /** Removes a volume that nobody uses any more; what fails is done at the next start. */
  const discardLater = async (row: StoredVolume): Promise<void> => {
    try {
      await volumes.discard(row);
    } catch (error) {
      log.error({ err: error, pool: row.pool, volume: row.name }, 'Could not remove the volume that was moved');
    }
  };

  const usersChanged = async (name: VolumeName): Promise<void> => {
    try {
      await parts.usersChanged(name);
    } catch (error) {
      log.error({ err: error, volume: name.name }, 'Could not write down that the volume has moved');
    }
  };

  const check: VolumeCopying['check'] = async (target, source) => {
    const row = await volumes.get(source);
    if (row.state !== 'ready') throw notFound('Storage volume not found');
    const { snapshot } = source;
    if (snapshot !== undefined && !ready(await store.snapshots(row.id)).some(({ name }) => name === snapshot))
      throw notFound('Storage volume snapshot not found');
    const existing = await store.find(target.pool, target.project, 'custom', target.name);
    if (existing && (!source.refresh || existing.id === row.id)) throw conflict('Volume by that name already exists');
  };

  return {
    check,

    async copy(target, volume, source, work = {}) {
      await check(target, source);
      // Who copies waits for whoever changes the source; who makes the target does not wait: no two can wait for each other.
      using _source = await locks.wait(volumeLock(source), 'copy', work.signal);
      using _target = await locks.hold(volumeLock(target), source.refresh ? 'refresh' : 'copy');
      await check(target, source);
      const existing = await store.find(target.pool, target.project, 'custom', target.name);
      const from = await volumes.locate(source);
      const saved = ready(await store.snapshots(from.row.id));
      if (existing) {
        await volumes.refuseInUse(target, 'refreshed');
        await volumes.unshift(target, existing.config);
        await refresh(await volumes.locate(target), from, source, work);
        const ids = await idsFrom(from, source.snapshot);
        if (isShifted(ids)) await volumes.unshift(target, ids);
        events.lifecycle('storage-volume-updated', volumeUrl(target), target.project);
        return;
      }
      const { snapshot } = source;
      const snapshots = source.volumeOnly || snapshot !== undefined ? [] : saved;
      await make(target, volume, from, { ...(snapshot === undefined ? {} : { snapshot }), snapshots }, work);
    },

    async rename(name, to) {
      checkName('volume', to);
      const renamed = { ...name, name: to };
      using _lock = await locks.hold(volumeLock(name), 'rename');
      using _target = to === name.name ? undefined : await locks.hold(volumeLock(renamed), 'rename');
      if (await store.find(name.pool, name.project, 'custom', to)) throw conflict('Volume by that name already exists');
      const located = await volumes.locate(name);
      await volumes.refuseInUse(name, 'renamed');
      await store.planName(located.row.id, to);
      try {
        await finishRename(located, to);
      } catch (error) {
        await using undo = new UndoStack();
        undo.add('forget the name', () => store.planName(located.row.id, undefined));
        if (!(await located.open.storage.hasVolume(located.volume)))
          undo.add('rename the volume back', () =>
            located.open.storage.renameVolume({ ...located.volume, name: to }, name.name),
          );
        throw error;
      }
      await usersChanged(renamed);
      events.lifecycle('storage-volume-renamed', volumeUrl(renamed), name.project, { old_name: name.name });
    },

    async move(name, target, work = {}) {
      using _lock = await locks.wait(volumeLock(name), 'move', work.signal);
      using _target = await locks.hold(volumeLock(target), 'move');
      await check(target, { ...name, refresh: false });
      const from = await volumes.locate(name);
      await volumes.refuseInUse(name, 'moved');
      const users = target.project === name.project ? [] : await parts.usedBy(name);
      if (users.length > 0) throw conflict(`The storage volume is still in use by: ${users.join(', ')}`);
      const { description, config } = from.row;
      const snapshots = ready(await store.snapshots(from.row.id));
      await make(
        target,
        { description, config },
        from,
        { snapshots, finish: (made) => store.moveOver(from.row, made.row) },
        work,
      );
      await discardLater(from.row);
      await usersChanged(target);
      events.lifecycle('storage-volume-deleted', volumeUrl(name), name.project);
    },

    async recover() {
      for (const row of await store.list({ type: 'custom' })) {
        const to = row.config[renameKey];
        if (row.state !== 'ready' || !to) continue;
        try {
          await finishRename(await volumes.locate(row), to);
        } catch (error) {
          log.error({ err: error, volume: row.name, pool: row.pool }, 'Could not finish the renaming of a volume');
        }
      }
    },
  };
};
