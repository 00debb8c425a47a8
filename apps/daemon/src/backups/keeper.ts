import { link, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkName, zeroTime } from '@lxd-ts/api';
import { badRequest, type Config, conflict, notFound, UndoStack, type Work } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import type { Logger } from 'pino';
import { checkCompression } from '../core/compression.ts';
import { listing } from '../core/listing.ts';
import type { Locks } from '../core/locks.ts';
import { checkMayMake } from '../projects/restrictions.ts';
import type { Backup, BackupStore } from './store.ts';

/** What a client asks for. */
export interface BackupRequest {
  /** Empty: `backup0` or the next number that is free. */
  readonly name: string;
  readonly expiresAt: Date | undefined;
  readonly withoutSnapshots: boolean;
  readonly optimized: boolean;
  /** Empty: as the project or the server is configured. */
  readonly compression: string;
}

/** Whose backups are kept: an instance or a custom volume. */
export interface BackupOwner {
  readonly id: number;
  readonly name: string;
  readonly project: string;
}

/** Where a backup is written, and how. */
export interface BackupTarget extends Pick<BackupRequest, 'withoutSnapshots' | 'optimized' | 'compression'> {
  readonly file: string;
  /** A directory that is made for what is put together on the way; removed in the end. */
  readonly scratch: string;
}

/** Backups that the server keeps: rows, and a file for each in a directory for each owner. */
export interface Backups<Owner extends BackupOwner> {
  list(owner: Owner): Promise<readonly Backup[]>;
  /** Backups of owners by their row, in one query. */
  byOwner(owners: readonly Owner[]): Promise<ReadonlyMap<number, Backup[]>>;
  /** @throws LxdError not-found */
  get(owner: Owner, name: string): Promise<Backup>;
  /** The file of a backup. */
  file(owner: Owner, backup: Pick<Backup, 'name'>): string;
  /**
   * Checks a request.
   *
   * @returns the backup's name, and what makes it; on failure nothing is left
   * @throws LxdError bad-request, forbidden where the project restricts backups
   */
  prepare(owner: Owner, request: BackupRequest): Promise<{ name: string; create(work: Work): Promise<void> }>;
  rename(owner: Owner, name: string, to: string): Promise<void>;
  delete(owner: Owner, name: string): Promise<void>;
  /** Deletes those whose time has come. */
  expire(): Promise<void>;
  /** Removes the files of an owner that is deleted. */
  removeFiles(owner: Owner): Promise<void>;
  /** Moves the files of an owner that is renamed. Repeats harmlessly. */
  renameFiles(owner: Owner, name: string): Promise<void>;
  /** Clears what a crash left: half-made backups, files without a row. */
  recover(): Promise<void>;
}

export interface BackupParts<Owner extends BackupOwner> {
  readonly store: BackupStore;
  readonly locks: Locks;
  readonly log: Logger;
  /** `Instance` or `Storage volume`, for messages. */
  readonly kind: string;
  /** The directory that holds those of all owners. */
  readonly directory: string;
  /** An owner's own, relative to it. */
  readonly pathOf: (owner: Owner) => string;
  /** How many names a path has. */
  readonly depth: number;
  readonly lockOf: (owner: Owner) => string;
  /** All owners there are. */
  readonly owners: () => Promise<readonly Owner[]>;
  /** An owner as it is now, for one who has its lock. */
  readonly current: (owner: Owner) => Promise<Owner>;
  /** Whether its storage driver has a format of its own. */
  readonly hasOwnFormat: (owner: Owner) => Promise<boolean>;
  readonly write: (owner: Owner, target: BackupTarget, work: Work) => Promise<void>;
  /** Publishes what happened to a backup. */
  readonly publish: (
    action: 'created' | 'deleted' | 'renamed',
    owner: Owner,
    name: string,
    context?: Record<string, unknown>,
  ) => void;
  /** Configuration of a project. */
  readonly projectConfig: (project: string) => Promise<Config>;
  /** The server's `backups.compression_algorithm`. */
  readonly compression: () => string;
}

/** What backups of instances and of volumes have in common on the wire. */
export const renderBackup = (backup: Backup) => ({
  name: backup.name,
  created_at: backup.createdAt.toISOString(),
  expires_at: backup.expiresAt?.toISOString() ?? zeroTime,
  optimized_storage: backup.optimized,
});

/** The directories `depth` levels below, as paths relative to the first. */
const directoriesBelow = async (directory: string, depth: number): Promise<string[]> => {
  const names = await listing(directory);
  if (depth === 1) return names;
  const below = names.map(async (name) =>
    (await directoriesBelow(join(directory, name), depth - 1)).map((rest) => join(name, rest)),
  );
  return (await Promise.all(below)).flat();
};

const checkBackupName = (name: string): void => {
  if (name.includes('/')) throw badRequest('Backup names may not contain slashes');
  checkName('backup', name);
  if (name.startsWith('.')) throw badRequest(`Invalid backup name "${name}": it must not begin with a dot`);
};

export const createBackups = <Owner extends BackupOwner>(parts: BackupParts<Owner>): Backups<Owner> => {
  const { store, locks, log, directory } = parts;
  const directoryOf = (owner: Owner): string => join(directory, parts.pathOf(owner));
  const fileOf: Backups<Owner>['file'] = (owner, { name }) => join(directoryOf(owner), name);
  /** Where a backup is put together; no backup can have this name. */
  const scratchOf = (owner: Owner, name: string): string => join(directoryOf(owner), `.${name}/`);

  const get: Backups<Owner>['get'] = async (owner, name) => {
    const backup = (await store.list(owner.id)).find((one) => one.name === name && one.state === 'ready');
    if (!backup) throw notFound(`${parts.kind} backup not found`);
    return backup;
  };

  const remove = async (owner: Owner, backup: Backup): Promise<void> => {
    await store.markPending(backup.id);
    await rm(fileOf(owner, backup), { force: true });
    await rm(scratchOf(owner, backup.name), { recursive: true, force: true });
    await store.delete(backup.id);
  };

  const create = async (owner: Owner, request: BackupRequest, work: Work): Promise<void> => {
    using _lock = await locks.hold(parts.lockOf(owner), 'backup');
    const current = await parts.current(owner);
    await using undo = new UndoStack((what, error) =>
      log.error({ err: error, owner: owner.name, backup: request.name }, `Could not undo: ${what}`),
    );
    const { name, withoutSnapshots, expiresAt, compression } = request;
    // Where the driver has no format of its own, a plain one serves as well.
    const optimized = request.optimized && (await parts.hasOwnFormat(current));
    const row = await store.insert({
      ownerId: current.id,
      name,
      createdAt: new Date(),
      expiresAt,
      withoutSnapshots,
      optimized,
    });
    undo.add('remove the row', () => store.delete(row.id));
    await mkdir(directoryOf(current), { recursive: true, mode: 0o700 });
    const file = fileOf(current, row);
    undo.add('remove the file', () => rm(file, { force: true }));
    await parts.write(
      current,
      { file, scratch: scratchOf(current, name), withoutSnapshots, optimized, compression },
      work,
    );
    await store.markReady(row.id);
    undo.commit();
    parts.publish('created', current, name);
  };

  const freeName = async (owner: Owner): Promise<string> => {
    const taken = new Set((await store.list(owner.id)).map((one) => one.name));
    for (let number = 0; ; number++) if (!taken.has(`backup${number}`)) return `backup${number}`;
  };

  return {
    list: async (owner) => (await store.list(owner.id)).filter((one) => one.state === 'ready'),
    get,
    file: fileOf,

    async byOwner(owners) {
      const [only] = owners;
      const all = await store.list(owners.length === 1 ? only?.id : undefined);
      return Map.groupBy(
        all.filter((one) => one.state === 'ready'),
        (one) => one.ownerId,
      );
    },

    async prepare(owner, request) {
      const config = await parts.projectConfig(owner.project);
      checkMayMake('backups', { name: owner.project, config });
      const name = request.name === '' ? await freeName(owner) : request.name;
      checkBackupName(name);
      const compression = request.compression || config['backups.compression_algorithm'] || parts.compression();
      await checkCompression(compression);
      return { name, create: (work) => create(owner, { ...request, name, compression }, work) };
    },

    async rename(owner, name, to) {
      checkBackupName(to);
      using _lock = await locks.hold(parts.lockOf(owner), 'rename backup');
      const backup = await get(owner, name);
      if ((await store.list(owner.id)).some((one) => one.name === to)) {
        throw conflict(`Backup "${owner.name}/${to}" already exists`);
      }
      // Under both names for a moment, so that the row names a file that is there whenever the daemon dies.
      await rm(fileOf(owner, { name: to }), { force: true });
      await link(fileOf(owner, backup), fileOf(owner, { name: to }));
      await store.rename(backup.id, to);
      await rm(fileOf(owner, backup));
      parts.publish('renamed', owner, to, { old_name: name });
    },

    async delete(owner, name) {
      using _lock = await locks.hold(parts.lockOf(owner), 'delete backup');
      await remove(owner, await get(owner, name));
      parts.publish('deleted', owner, name);
    },

    async expire() {
      const due = await store.expired(new Date());
      if (due.length === 0) return;
      const owners = new Map((await parts.owners()).map((owner) => [owner.id, owner]));
      for (const backup of due) {
        const owner = owners.get(backup.ownerId);
        if (!owner) continue;
        using _lock = await locks.wait(parts.lockOf(owner), 'delete backup');
        await remove(owner, backup);
        parts.publish('deleted', owner, backup.name);
      }
    },

    removeFiles: (owner) => rm(directoryOf(owner), { recursive: true, force: true }),

    async renameFiles(owner, name) {
      const to = directoryOf({ ...owner, name });
      try {
        await mkdir(dirname(to), { recursive: true, mode: 0o700 });
        await rename(directoryOf(owner), to);
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error;
      }
    },

    async recover() {
      const backups = Map.groupBy(await store.list(), (one) => one.ownerId);
      const kept = new Map<string, Set<string>>();
      for (const owner of await parts.owners()) {
        const own = backups.get(owner.id) ?? [];
        for (const backup of own.filter((one) => one.state === 'pending')) {
          log.warn({ owner: owner.name, backup: backup.name }, 'Removing a backup that was being made or deleted');
          await remove(owner, backup);
        }
        const ready = own.filter((one) => one.state === 'ready').map((one) => one.name);
        if (ready.length > 0) kept.set(parts.pathOf(owner), new Set(ready));
      }
      for (const path of await directoriesBelow(directory, parts.depth)) {
        const names = kept.get(path);
        if (!names) await rm(join(directory, path), { recursive: true, force: true });
        else
          for (const file of await listing(join(directory, path)))
            if (!names.has(file)) await rm(join(directory, path, file), { recursive: true, force: true });
      }
    },
  };
};
