import { isTrue } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import { isDue, isDueAtStart } from '../core/schedule.ts';
import { runBatch } from '../operations/batch.ts';
import type { Operations } from '../operations/registry.ts';
import type { Instance } from './instance.ts';
import type { InstanceService } from './service.ts';
import type { SnapshotService } from './snapshots.ts';
import type { SnapshotStore } from './snapshots-store.ts';
import type { InstanceStore } from './store.ts';
import { instanceResources } from './trees.ts';

export interface Schedule {
  /** Takes the snapshot that is due when an instance starts. The caller holds the instance's lock. */
  atStart(instance: Instance): Promise<void>;
  /** Does what is due at a minute: takes scheduled snapshots and deletes expired ones. */
  turn(minute: Date): Promise<void>;
}

interface Parts {
  readonly store: InstanceStore;
  readonly instances: InstanceService;
  readonly snapshots: SnapshotService;
  readonly snapshotStore: SnapshotStore;
  readonly operations: Operations;
  readonly log: Logger;
}

/** Scheduled snapshots of instances and the end of expired ones. Costs two queries a minute. */
export const createSchedule = ({ store, instances, snapshots, snapshotStore, operations, log }: Parts): Schedule => {
  const deleteExpired = async (now: Date): Promise<void> => {
    const byProject = Map.groupBy(await snapshotStore.expired(now), ({ project }) => project);
    for (const [project, items] of byProject) {
      await runBatch(operations, log, {
        description: 'Cleaning up expired instance snapshots',
        project,
        items,
        work: async ({ instance, name }) => snapshots.delete(await store.get(project, instance), name),
      });
    }
  };

  const wants = (instance: Instance, minute: Date): boolean => {
    const { config } = instance.expanded;
    if (instance.state !== 'ready' || !isDue(config['snapshots.schedule'] ?? '', minute)) return false;
    return instances.runOf(instance) !== undefined || isTrue(config['snapshots.schedule.stopped']);
  };

  const takeDue = async (minute: Date): Promise<void> => {
    for (const instance of (await store.list()).filter((one) => wants(one, minute))) {
      await runBatch(operations, log, {
        description: 'Creating scheduled instance snapshots',
        project: instance.project,
        items: [instance],
        resources: instanceResources(instance),
        work: (one) => snapshots.create(one, { name: '', stateful: false, expiresAt: undefined }),
      });
    }
  };

  return {
    async turn(minute) {
      // What is expired goes first: its space may be needed.
      await deleteExpired(minute);
      await takeDue(minute);
    },

    async atStart(instance) {
      if (!isDueAtStart(instance.expanded.config['snapshots.schedule'] ?? '')) return;
      await snapshots.take(instance, { name: '', stateful: false, expiresAt: undefined });
    },
  };
};
