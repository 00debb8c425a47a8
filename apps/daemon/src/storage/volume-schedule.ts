import type { Logger } from 'pino';
import { isDue } from '../core/schedule.ts';
import { runBatch } from '../operations/batch.ts';
import type { Operations } from '../operations/registry.ts';
import { volumeUrl } from './volume-name.ts';
import type { VolumeSnapshots } from './volume-snapshots.ts';
import type { VolumeStore } from './volume-store.ts';

export interface VolumeSchedule {
  /** Does what is due at a minute: deletes expired snapshots and takes scheduled ones. */
  turn(minute: Date): Promise<void>;
}

interface Parts {
  readonly store: VolumeStore;
  readonly snapshots: VolumeSnapshots;
  readonly operations: Operations;
  readonly log: Logger;
}

/** Scheduled snapshots of custom volumes and the end of expired ones. Costs three queries a minute. */
export const createVolumeSchedule = ({ store, snapshots, operations, log }: Parts): VolumeSchedule => ({
  async turn(minute) {
    // What is expired goes first: its space may be needed.
    const expired = Map.groupBy(await store.expiredSnapshots(minute), ({ project }) => project);
    for (const [project, items] of expired) {
      await runBatch(operations, log, {
        description: 'Cleaning up expired storage volume snapshots',
        project,
        items,
        work: ({ pool, volume, name }) => snapshots.delete({ pool, project, name: volume }, name),
      });
    }
    const due = (await store.list({ type: 'custom' })).filter(
      ({ state, config }) => state === 'ready' && isDue(config['snapshots.schedule'] ?? '', minute),
    );
    for (const volume of due) {
      await runBatch(operations, log, {
        description: 'Creating scheduled volume snapshots',
        project: volume.project,
        items: [volume],
        resources: { storage_volumes: [volumeUrl(volume)] },
        work: (one) => snapshots.create(one, '', undefined),
      });
    }
  },
});
