import { join } from 'node:path';
import { instanceBackupUrl } from '@lxd-ts/api';
import { instanceLayout, writeBackup } from '../backups/archive.ts';
import { type BackupParts, type Backups, createBackups, renderBackup } from '../backups/keeper.ts';
import type { Backup } from '../backups/store.ts';
import type { Events } from '../events/bus.ts';
import type { RootVolumeService } from '../storage/root-volumes.ts';
import { backupIndex, type InstanceRecord } from './backups-record.ts';
import { handleOf, type Instance, lockKey } from './instance.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { InstanceStore } from './store.ts';

/** Backups of instances that the server keeps, with files in `<LXD_DIR>/backups/instances/<instance>/`. */
export type BackupService = Backups<Instance>;

interface Parts extends Pick<BackupParts<Instance>, 'store' | 'locks' | 'log' | 'projectConfig' | 'compression'> {
  readonly instances: InstanceStore;
  readonly volumes: RootVolumeService;
  readonly lifecycle: Lifecycle;
  readonly events: Events;
  /** `<LXD_DIR>/backups`. */
  readonly directory: string;
  /** All that is known of an instance, without its snapshots if so wished. */
  readonly record: (instance: Instance, withSnapshots: boolean) => Promise<InstanceRecord>;
}

export const renderInstanceBackup = (backup: Backup) => ({
  ...renderBackup(backup),
  instance_only: backup.withoutSnapshots,
  container_only: backup.withoutSnapshots,
});

export const createInstanceBackups = ({
  instances,
  volumes,
  lifecycle,
  events,
  record,
  ...parts
}: Parts): BackupService =>
  createBackups<Instance>({
    ...parts,
    kind: 'Instance',
    directory: join(parts.directory, 'instances'),
    pathOf: handleOf,
    depth: 1,
    lockOf: lockKey,
    owners: () => instances.list(),
    current: ({ project, name }) => instances.get(project, name),
    hasOwnFormat: async (instance) => (await volumes.locate(instance)).open.driver.features.optimizedTransfer,

    async write(instance, { withoutSnapshots, ...target }, work) {
      // What reads the backup goes by the record in the volume.
      await volumes.writeBackupFile(instance);
      const saved = await record(instance, !withoutSnapshots);
      const located = await volumes.locate(instance);
      const write = (): Promise<void> =>
        writeBackup(
          {
            ...target,
            layout: instanceLayout,
            index: backupIndex(saved, target.optimized),
            located,
            snapshots: saved.snapshots?.map((one) => one.name) ?? [],
          },
          work,
        );
      // A stream by the driver is of one moment; copying files takes time, in which nothing may change.
      await (target.optimized ? write() : lifecycle.whileFrozen(instance, write));
    },

    publish: (action, instance, name, context) =>
      events.lifecycle(`instance-backup-${action}`, instanceBackupUrl(instance.name, name), instance.project, context),
  });
