import { isKind } from '@lxd-ts/driver-kit';
import type { Instance } from '../instances/instance.ts';
import type { Pools } from './pools.ts';
import type { RootVolumeService } from './root-volumes.ts';
import type { StoredSnapshot, VolumeStore } from './volume-store.ts';

/** The snapshots of root volumes: rows, and what stands for them in the pools. Calls repeat harmlessly after a crash. */
export interface RootSnapshots {
  /**
   * Takes a snapshot. On failure nothing is left.
   *
   * @param make - makes what stands for it in the pool, where the volume's state is not what it is to hold
   */
  create(
    instance: Instance,
    name: string,
    dates: Pick<StoredSnapshot, 'createdAt' | 'expiresAt'>,
    make?: () => Promise<void>,
  ): Promise<void>;
  /** Deletes what there is of a snapshot. */
  delete(instance: Instance, name: string): Promise<void>;
  rename(instance: Instance, from: string, to: string): Promise<void>;
  /** Names of the snapshots that are to be deleted before one is restored. @throws LxdError when it cannot be restored */
  deletedByRestore(instance: Instance, name: string): Promise<readonly string[]>;
  /** Makes the volume what it was at the snapshot. The instance does not run. */
  restore(instance: Instance, name: string): Promise<void>;
  setExpiry(instance: Instance, name: string, expiresAt: Date | undefined): Promise<void>;
  /**
   * Bytes that root volumes and their snapshots use; undefined where the driver cannot tell. A constant number of queries for any number
   * of instances.
   */
  usages(
    instances: readonly Instance[],
  ): Promise<(instance: Instance, snapshot?: string) => Promise<Usage | undefined>>;
}

/** Bytes used and, if limited, in all. */
type Usage = NonNullable<Awaited<ReturnType<RootVolumeService['usage']>>>;

export const createRootSnapshots = (pools: Pools, volumes: RootVolumeService, store: VolumeStore): RootSnapshots => {
  const find = async (instance: Instance, name: string) => {
    const { open, volume, row } = await volumes.locate(instance, name);
    const snapshot = row && (await store.snapshots(row.id)).find((one) => one.name === name);
    return { storage: open.storage, volume, row, snapshot };
  };

  return {
    async create(instance, name, dates, make) {
      const { storage, volume, row } = await find(instance, name);
      if (!row) throw new Error(`Instance "${instance.name}" has no row for its root volume`);
      const snapshot = await store.insertSnapshot(row.id, { name, description: '', config: row.config, ...dates });
      try {
        await (make ? make() : storage.createSnapshot(volume));
        await store.markSnapshotReady(snapshot.id);
      } catch (error) {
        await storage.deleteSnapshot(volume);
        await store.deleteSnapshot(snapshot.id);
        throw error;
      }
    },

    async delete(instance, name) {
      const { storage, volume, snapshot } = await find(instance, name);
      await storage.deleteSnapshot(volume);
      if (snapshot) await store.deleteSnapshot(snapshot.id);
    },

    async rename(instance, from, to) {
      const { storage, volume, snapshot } = await find(instance, from);
      if (await storage.hasVolume(volume)) await storage.renameSnapshot(volume, to);
      if (snapshot) await store.renameSnapshot(snapshot.id, to);
    },

    async deletedByRestore(instance, name) {
      const { open, volume } = await volumes.locate(instance);
      return (await open.storage.deletedByRestore?.(volume, name)) ?? [];
    },

    async restore(instance, name) {
      const { open, volume } = await volumes.locate(instance);
      await open.storage.restoreVolume(volume, name);
    },

    async setExpiry(instance, name, expiresAt) {
      const { snapshot } = await find(instance, name);
      if (snapshot) await store.updateSnapshot(snapshot.id, { description: snapshot.description, expiresAt });
    },

    async usages(instances) {
      const [only] = instances;
      const rows = await store.list(
        instances.length === 1 && only ? { project: only.project, type: only.type, name: only.name } : {},
      );
      const opened = new Map(
        await Promise.all(
          [...new Set(rows.map((row) => row.pool))].map(async (name) => {
            try {
              return [name, await pools.open(name)] as const;
            } catch (error) {
              // A pool that is away tells no sizes; that is no reason to hide the snapshots in it.
              if (isKind(error)) return [name, undefined] as const;
              throw error;
            }
          }),
        ),
      );
      const ready = rows.filter((row) => row.state === 'ready');
      const byInstance = new Map(ready.map((row) => [`${row.project} ${row.type} ${row.name}`, row]));
      return async (instance, snapshot) => {
        const row = byInstance.get(`${instance.project} ${instance.type} ${instance.name}`);
        const open = row && opened.get(row.pool);
        if (!open) return undefined;
        try {
          return await open.storage.usage(snapshot === undefined ? row : { ...row, snapshot });
        } catch (error) {
          // Deleted since the rows were read.
          if (isKind(error, 'not-found')) return undefined;
          throw error;
        }
      };
    },
  };
};
