import { instanceUrl } from '@lxd-ts/api';
import { badRequest, UndoStack, type Work } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import type { Locks } from '../core/locks.ts';
import { requireRootDisk } from '../devices/manager.ts';
import type { Events } from '../events/bus.ts';
import type { RootVolumeService } from '../storage/root-volumes.ts';
import { expand, type Instance, lockKey, type ProfilePart, rootDisk } from './instance.ts';
import type { InstanceService } from './service.ts';
import type { SnapshotService } from './snapshots.ts';
import type { InstanceStore } from './store.ts';

export interface Moving {
  /**
   * Moves a stopped instance to another pool.
   *
   * @param instanceOnly - its snapshots are not moved along, but deleted
   */
  toPool(instance: Instance, pool: string, instanceOnly: boolean, work: Work): Promise<void>;
  /** Brings the root disks of instances in line with where a crash left their volumes. */
  recover(): Promise<void>;
}

interface Parts {
  readonly store: InstanceStore;
  readonly instances: InstanceService;
  readonly snapshots: SnapshotService;
  readonly volumes: RootVolumeService;
  readonly locks: Locks;
  readonly events: Events;
  readonly log: Logger;
  readonly profiles: (project: string, names: readonly string[]) => Promise<readonly ProfilePart[]>;
}

export const createMoving = (parts: Parts): Moving => {
  const { store, instances, snapshots, volumes, locks, events, log } = parts;

  /** The instance with its root disk in another pool: by a device of its own, which hides the profile's. */
  const inPool = async (instance: Instance, pool: string): Promise<Instance> => {
    const root = requireRootDisk(instance.expanded.devices);
    const devices = { ...instance.devices, [root.name]: { ...root.config, pool } };
    const expanded = expand(await parts.profiles(instance.project, instance.profiles), { ...instance, devices });
    return { ...instance, devices, expanded };
  };

  return {
    async toPool({ project, name }, pool, instanceOnly, work) {
      using _lock = await locks.hold(lockKey({ project, name }), 'move');
      const instance = await store.get(project, name);
      if (instances.runOf(instance))
        throw badRequest('The instance is running: stop it before it is moved to another pool');
      const { open } = await volumes.locate(instance);
      if (open.pool.name === pool) return;
      const all = await snapshots.list(instance);
      const target = await inPool(instance, pool);
      await using undo = new UndoStack((what, error) =>
        log.error({ err: error, instance: name }, `Could not undo: ${what}`),
      );
      undo.add('give the root disk its pool back', () => store.update(instance, { devices: instance.devices }));
      const names = instanceOnly ? [] : all.map((one) => one.name);
      const switchOver = async (): Promise<void> => void (await store.update(instance, { devices: target.devices }));
      await volumes.move(instance, target, names, switchOver, work);
      undo.commit();
      if (instanceOnly) for (const one of all) await snapshots.remove(target, one);
      await volumes.writeBackupFile(await store.get(project, name));
      events.lifecycle('instance-updated', instanceUrl(name), project);
    },

    async recover() {
      const pools = await volumes.poolsByInstance();
      for (const instance of await store.list()) {
        const pool = pools(instance);
        const root = rootDisk(instance.expanded.devices);
        if (pool === undefined || root === undefined || root.config['pool'] === pool) continue;
        log.warn({ instance: instance.name, pool }, 'Setting the pool of the root disk to where a move left it');
        await store.update(instance, { devices: (await inPool(instance, pool)).devices });
      }
    },
  };
};
