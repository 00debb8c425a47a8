import type { Readable } from 'node:stream';
import { checkName } from '@lxd-ts/api';
import { badRequest, type Config, conflict, isKind, type Work } from '@lxd-ts/driver-kit';
import { readIndex } from '../backups/archive.ts';
import { clearUploads, receiveUpload } from '../backups/upload.ts';
import type { Drivers } from '../drivers/registry.ts';
import type { Pools } from '../storage/pools.ts';
import { type BackupIndex, parseIndex } from './backups-record.ts';
import { restoreInstance } from './backups-restore.ts';
import { isHostState, isServerKey } from './config.ts';
import { type Creation, newIdentity, type PreparedInstance } from './create.ts';
import { type Devices, expand, type Instance, type ProfilePart, rootDisk } from './instance.ts';
import { tellsOfIds } from './root-ids.ts';
import type { SnapshotService } from './snapshots.ts';
import type { InstanceStore } from './store.ts';

/** A backup that was uploaded and checked. Dispose it when done, whether it was restored or not. */
export interface PreparedImport extends PreparedInstance, AsyncDisposable {
  readonly type: Instance['type'];
}

export interface Importing {
  /**
   * Takes in a backup.
   *
   * @param name - overrides the instance's name; empty: as in the backup
   * @param pool - overrides the pool
   * @throws LxdError bad-request when it is no backup, conflict when the name is taken or the disk is full; nothing is left then
   */
  prepare(project: string, upload: Readable, name: string, pool: string): Promise<PreparedImport>;
  /** Removes uploads that a crash left. */
  recover(): Promise<void>;
}

interface Parts {
  readonly store: InstanceStore;
  readonly creation: Creation;
  readonly snapshots: SnapshotService;
  readonly pools: Pools;
  readonly drivers: Drivers;
  readonly profiles: (project: string, names: readonly string[]) => Promise<readonly ProfilePart[]>;
  /** `<LXD_DIR>/backups`. */
  readonly directory: string;
}

const pick = (config: Config, wanted: (key: string) => boolean): Config =>
  Object.fromEntries(Object.entries(config).filter(([key]) => wanted(key)));

/** The devices of an instance with its root disk in a pool, which may not be the one it was in. */
export const inPool = (own: Devices, profiles: readonly ProfilePart[], pool: string): Devices => {
  const root = rootDisk(expand(profiles, { config: {}, devices: own }).devices);
  if (root?.config['pool'] === pool) return own;
  return { ...own, [root?.name ?? 'root']: { ...(root?.config ?? { type: 'disk', path: '/' }), pool } };
};

export const createImporting = (parts: Parts): Importing => {
  const { store, creation, snapshots, pools, drivers } = parts;

  /** The pool to restore into: the one asked for, the backup's if there is one of that name, else that of the profiles' root disk. */
  const poolFor = async (asked: string, index: BackupIndex, profiles: readonly ProfilePart[]): Promise<string> => {
    if (asked !== '') return (await pools.open(asked)).pool.name;
    try {
      return (await pools.open(index.pool)).pool.name;
    } catch (error) {
      const fallback = rootDisk(expand(profiles, { config: {}, devices: {} }).devices)?.config['pool'];
      if (!isKind(error, 'not-found') || !fallback) throw error;
      return fallback;
    }
  };

  const restoring = async (project: string, file: string, index: BackupIndex, name: string, poolName: string) => {
    const { container } = index.config;
    drivers.instance(index.type);
    if (index.type === 'virtual-machine') throw badRequest('Backups of virtual machines cannot be imported here');
    const profiles = await parts.profiles(project, container.profiles);
    const pool = await poolFor(poolName, index, profiles);
    const open = await pools.open(pool);
    if (index.optimized && index.backend !== open.driver.name) {
      throw badRequest(
        `The backup is in the format of ${index.backend}: import it into a pool of that driver, not "${pool}" (${open.driver.name})`,
      );
    }
    const devices = inPool(container.devices, profiles, pool);
    const own = { config: pick(container.config, (key) => !isServerKey(key)), devices };
    await creation.check(project, own, index.type, container.profiles);
    const records = index.snapshots.map((snapshot) => {
      checkName('instanceSnapshot', snapshot);
      const record = index.config.snapshots.find((one) => one.name === snapshot);
      return {
        id: 0,
        instanceId: 0,
        state: 'ready' as const,
        name: snapshot,
        stateful: false,
        // In a driver's own format snapshots come as they are, with their ids.
        config: pick(
          record?.config ?? container.config,
          (key) => !isHostState(key) || (index.optimized === true && tellsOfIds(key)),
        ),
        devices: inPool(record?.devices ?? container.devices, profiles, pool),
        createdAt: record?.created_at ?? new Date(),
        expiresAt: record?.expires_at,
      };
    });
    const kept = pick(container.config, (key) => isServerKey(key) && !isHostState(key));
    const instance = {
      name,
      project,
      type: index.type,
      architecture: container.architecture,
      description: container.description,
      ephemeral: container.ephemeral,
      stateful: false,
      config: { ...newIdentity(), ...kept, ...own.config },
      devices,
      profiles: container.profiles,
      ...(container.created_at ? { createdAt: container.created_at } : {}),
    };
    return async (work: Work): Promise<Instance> => {
      const made = await creation.make(
        instance,
        {
          kind: 'backup',
          snapshots: records,
          restore: (located, restoreWork) => restoreInstance(file, index, located, `${file}.streams`, restoreWork),
        },
        work,
        async (row) => {
          for (const record of records) await snapshots.receive(row, record, async () => undefined);
        },
      );
      snapshots.received(made, records);
      return made;
    };
  };

  return {
    async prepare(project, upload, wantedName, pool) {
      const received = await receiveUpload(parts.directory, upload);
      try {
        const { file } = received;
        const index = parseIndex(await readIndex(file));
        const name = wantedName === '' ? index.name : wantedName;
        checkName('instance', name);
        if (await store.find(project, name)) throw conflict(`Instance "${name}" already exists`);
        const create = await restoring(project, file, index, name, pool);
        return {
          name,
          project,
          type: index.type,
          create,
          [Symbol.asyncDispose]: () => received[Symbol.asyncDispose](),
        };
      } catch (error) {
        await received[Symbol.asyncDispose]();
        throw error;
      }
    },

    recover: () => clearUploads(parts.directory),
  };
};
