import { link, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { checkName, instanceBackupUrl, zeroTime } from '@lxd-ts/api';
import {
  badRequest,
  type Config,
  conflict,
  forbidden,
  isTrue,
  notFound,
  UndoStack,
  type Work,
} from '@lxd-ts/driver-kit';
import { findProgram, isErrno } from '@lxd-ts/host';
import type { Logger } from 'pino';
import type { Locks } from '../core/locks.ts';
import type { Events } from '../events/bus.ts';
import type { RootVolumeService } from '../storage/root-volumes.ts';
import { writeBackup } from './backups-archive.ts';
import { backupIndex, type InstanceRecord } from './backups-record.ts';
import type { Backup, BackupStore } from './backups-store.ts';
import { handleOf, type Instance, lockKey } from './instance.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { InstanceStore } from './store.ts';

/** What a client asks for. */
export interface BackupRequest {
  /** Empty: `backup0` or the next number that is free. */
  readonly name: string;
  readonly expiresAt: Date | undefined;
  readonly instanceOnly: boolean;
  readonly optimized: boolean;
  /** Empty: as the project or the server is configured. */
  readonly compression: string;
}

/** Backups of instances that the server keeps: rows, and files in `<LXD_DIR>/backups/instances/<instance>/`. */
export interface BackupService {
  list(instance: Instance): Promise<readonly Backup[]>;
  /** @throws LxdError not-found */
  get(instance: Instance, name: string): Promise<Backup>;
  /** The wire form of the backups of instances, by instance, in one query. */
  render(instances: readonly Instance[]): Promise<ReadonlyMap<number, ReturnType<typeof renderBackup>[]>>;
  /** The file of a backup. */
  file(instance: Instance, backup: Pick<Backup, 'name'>): string;
  /**
   * Checks a request.
   *
   * @returns the backup's name, and what makes it; on failure nothing is left
   * @throws LxdError bad-request, forbidden where the project restricts backups
   */
  prepare(instance: Instance, request: BackupRequest): Promise<{ name: string; create(work: Work): Promise<void> }>;
  rename(instance: Instance, name: string, to: string): Promise<void>;
  delete(instance: Instance, name: string): Promise<void>;
  /** Deletes those whose time has come. */
  expire(): Promise<void>;
  /** Removes the files of an instance that is deleted. */
  removeFiles(instance: Instance): Promise<void>;
  /** Moves the files of an instance that is renamed. */
  renameFiles(instance: Instance, name: string): Promise<void>;
  /** Clears what a crash left: half-made backups, files without a row. */
  recover(): Promise<void>;
}

interface Parts {
  readonly store: BackupStore;
  readonly instances: InstanceStore;
  readonly volumes: RootVolumeService;
  readonly lifecycle: Lifecycle;
  readonly locks: Locks;
  readonly events: Events;
  readonly log: Logger;
  /** `<LXD_DIR>/backups`. */
  readonly directory: string;
  /** All that is known of an instance, without its snapshots if so wished. */
  readonly record: (instance: Instance, withSnapshots: boolean) => Promise<InstanceRecord>;
  /** Configuration of a project. */
  readonly projectConfig: (project: string) => Promise<Config>;
  /** The server's `backups.compression_algorithm`. */
  readonly compression: () => string;
}

export const renderBackup = (backup: Backup) => ({
  name: backup.name,
  created_at: backup.createdAt.toISOString(),
  expires_at: backup.expiresAt?.toISOString() ?? zeroTime,
  instance_only: backup.instanceOnly,
  container_only: backup.instanceOnly,
  optimized_storage: backup.optimized,
});

/** Compressors whose options are known. */
const compressors: ReadonlySet<string> = new Set('bzip2 gzip lz4 lzma pbzip2 pigz pixz pzstd xz zstd'.split(' '));
/** Options that say how hard to try and with how many threads; none that names a file. */
const compressorOption = /^-(?:\d{1,2}|T\d{1,3}|e|-fast|-best|-ultra|-long|-extreme)$/;

/**
 * Checks a compressor: any program of this host that `-c` makes write to standard output (spec 10 BKP-04). What else it is told is
 * restricted, since `-c` makes a shell of it run what follows.
 *
 * @throws LxdError bad-request
 */
const checkCompression = async (algorithm: string): Promise<void> => {
  const [name = '', ...options] = algorithm.trim().split(/\s+/);
  if (name === 'none' && options.length === 0) return;
  const refuse = (why: string): never => {
    throw badRequest(`Invalid compression algorithm "${algorithm}"${why}`);
  };
  if (!/^[a-z0-9][a-z0-9_+-]*$/i.test(name)) refuse('');
  if (options.length > 0 && !compressors.has(name)) refuse(`: "${name}" takes no options here`);
  const wrong = options.find((option) => !compressorOption.test(option));
  if (wrong !== undefined) refuse(`: option "${wrong}" is not allowed`);
  if (!(await findProgram(name))) refuse('');
};

const listing = async (directory: string): Promise<string[]> => {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
};

export const createBackups = (parts: Parts): BackupService => {
  const { store, instances, volumes, lifecycle, locks, events, log } = parts;
  const root = join(parts.directory, 'instances');
  const directoryOf = (instance: Pick<Instance, 'name' | 'project'>): string => join(root, handleOf(instance));
  const fileOf: BackupService['file'] = (instance, { name }) => join(directoryOf(instance), name);
  /** Where a backup is put together; no backup can have this name. */
  const scratchOf = (instance: Instance, name: string): string => join(directoryOf(instance), `.${name}/`);

  const publish = (
    action: 'created' | 'deleted' | 'renamed',
    instance: Instance,
    name: string,
    context?: Record<string, unknown>,
  ): void =>
    events.lifecycle(`instance-backup-${action}`, instanceBackupUrl(instance.name, name), instance.project, context);

  const get: BackupService['get'] = async (instance, name) => {
    const backup = (await store.list(instance.id)).find((one) => one.name === name && one.state === 'ready');
    if (!backup) throw notFound('Instance backup not found');
    return backup;
  };

  const remove = async (instance: Instance, backup: Backup): Promise<void> => {
    await store.markPending(backup.id);
    await rm(fileOf(instance, backup), { force: true });
    await rm(scratchOf(instance, backup.name), { recursive: true, force: true });
    await store.delete(backup.id);
  };

  const create = async (instance: Instance, request: BackupRequest, compression: string, work: Work): Promise<void> => {
    using _lock = locks.hold(lockKey(instance), 'backup');
    const current = await instances.get(instance.project, instance.name);
    await using undo = new UndoStack((what, error) =>
      log.error({ err: error, instance: instance.name, backup: request.name }, `Could not undo: ${what}`),
    );
    const { name, instanceOnly, expiresAt } = request;
    const located = await volumes.locate(current);
    // Where the driver has no format of its own, a plain one serves as well.
    const optimized = request.optimized && located.open.driver.features.optimizedTransfer;
    const row = await store.insert({
      instanceId: current.id,
      name,
      createdAt: new Date(),
      expiresAt,
      instanceOnly,
      optimized,
    });
    undo.add('remove the row', () => store.delete(row.id));
    await mkdir(directoryOf(current), { recursive: true, mode: 0o700 });
    undo.add('remove the file', () => rm(fileOf(current, row), { force: true }));
    // What reads the backup goes by the record in the volume.
    await volumes.writeBackupFile(current);
    const record = await parts.record(current, !instanceOnly);
    const write = (): Promise<void> =>
      writeBackup(
        {
          file: fileOf(current, row),
          scratch: scratchOf(current, name),
          index: backupIndex(record, optimized),
          located,
          snapshots: record.snapshots?.map((one) => one.name) ?? [],
          optimized,
          compression,
        },
        work,
      );
    // A stream by the driver is of one moment; copying files takes time, in which nothing may change.
    await (optimized ? write() : lifecycle.whileFrozen(current, write));
    await store.markReady(row.id);
    undo.commit();
    publish('created', current, name);
  };

  const freeName = async (instance: Instance): Promise<string> => {
    const taken = new Set((await store.list(instance.id)).map((one) => one.name));
    for (let number = 0; ; number++) if (!taken.has(`backup${number}`)) return `backup${number}`;
  };

  return {
    list: async (instance) => (await store.list(instance.id)).filter((one) => one.state === 'ready'),
    get,
    file: fileOf,

    async render(wanted) {
      const [only] = wanted;
      const all = await store.list(wanted.length === 1 ? only?.id : undefined);
      const ready = all.filter((one) => one.state === 'ready');
      return new Map(
        [...Map.groupBy(ready, (one) => one.instanceId)].map(([id, backups]) => [id, backups.map(renderBackup)]),
      );
    },

    async prepare(instance, request) {
      const config = await parts.projectConfig(instance.project);
      if (isTrue(config['restricted']) && config['restricted.backups'] !== 'allow') {
        throw forbidden(`Project "${instance.project}" doesn't allow for backup creation`);
      }
      const name = request.name === '' ? await freeName(instance) : request.name;
      if (name.includes('/')) throw badRequest('Backup names may not contain slashes');
      checkName('backup', name);
      if (name.startsWith('.')) throw badRequest(`Invalid backup name "${name}": it must not begin with a dot`);
      const compression = request.compression || config['backups.compression_algorithm'] || parts.compression();
      await checkCompression(compression);
      return { name, create: (work) => create(instance, { ...request, name }, compression, work) };
    },

    async rename(instance, name, to) {
      if (to.includes('/')) throw badRequest('Backup names may not contain slashes');
      checkName('backup', to);
      if (to.startsWith('.')) throw badRequest(`Invalid backup name "${to}": it must not begin with a dot`);
      using _lock = locks.hold(lockKey(instance), 'rename backup');
      const backup = await get(instance, name);
      if ((await store.list(instance.id)).some((one) => one.name === to)) {
        throw conflict(`Backup "${instance.name}/${to}" already exists`);
      }
      // Under both names for a moment, so that the row names a file that is there whenever the daemon dies.
      await rm(fileOf(instance, { name: to }), { force: true });
      await link(fileOf(instance, backup), fileOf(instance, { name: to }));
      await store.rename(backup.id, to);
      await rm(fileOf(instance, backup));
      publish('renamed', instance, to, { old_name: name });
    },

    async delete(instance, name) {
      using _lock = locks.hold(lockKey(instance), 'delete backup');
      await remove(instance, await get(instance, name));
      publish('deleted', instance, name);
    },

    async expire() {
      const due = await store.expired(new Date());
      if (due.length === 0) return;
      const owners = new Map((await instances.list()).map((instance) => [instance.id, instance]));
      for (const backup of due) {
        const instance = owners.get(backup.instanceId);
        if (!instance) continue;
        using _lock = await locks.wait(lockKey(instance), 'delete backup');
        await remove(instance, backup);
        publish('deleted', instance, backup.name);
      }
    },

    removeFiles: (instance) => rm(directoryOf(instance), { recursive: true, force: true }),

    async renameFiles(instance, name) {
      try {
        await rename(directoryOf(instance), directoryOf({ ...instance, name }));
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error;
      }
    },

    async recover() {
      const backups = Map.groupBy(await store.list(), (one) => one.instanceId);
      const kept = new Map<string, Set<string>>();
      for (const instance of await instances.list()) {
        const own = backups.get(instance.id) ?? [];
        for (const backup of own.filter((one) => one.state === 'pending')) {
          log.warn(
            { instance: instance.name, backup: backup.name },
            'Removing a backup that was being made or deleted',
          );
          await remove(instance, backup);
        }
        const ready = own.filter((one) => one.state === 'ready').map((one) => one.name);
        if (ready.length > 0) kept.set(handleOf(instance), new Set(ready));
      }
      for (const handle of await listing(root)) {
        const names = kept.get(handle);
        if (!names) await rm(join(root, handle), { recursive: true, force: true });
        else
          for (const file of await listing(join(root, handle)))
            if (!names.has(file)) await rm(join(root, handle, file), { recursive: true, force: true });
      }
    },
  };
};
