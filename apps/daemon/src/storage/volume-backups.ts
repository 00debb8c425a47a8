import { join } from 'node:path';
import { storageVolumeBackupUrl } from '@lxd-ts/api';
import { diskName } from '@lxd-ts/driver-kit';
import { volumeLayout, writeBackup } from '../backups/archive.ts';
import { type BackupParts, type Backups, createBackups, renderBackup } from '../backups/keeper.ts';
import type { Backup } from '../backups/store.ts';
import type { Events } from '../events/bus.ts';
import { volumeIndex } from './volume-backup-record.ts';
import { volumeLock } from './volume-name.ts';
import type { StoredVolume, VolumeStore } from './volume-store.ts';
import type { CustomVolumes } from './volumes.ts';

/** Backups of custom volumes that the server keeps, with files in `<LXD_DIR>/backups/custom/<pool>/<project>_<volume>/`. */
export type VolumeBackups = Backups<StoredVolume>;

interface Parts extends Pick<BackupParts<StoredVolume>, 'store' | 'locks' | 'log' | 'projectConfig' | 'compression'> {
  readonly volumes: Pick<CustomVolumes, 'get' | 'locate'>;
  readonly volumeStore: VolumeStore;
  readonly events: Events;
  /** `<LXD_DIR>/backups`. */
  readonly directory: string;
}

export const renderVolumeBackup = (backup: Backup) => ({
  ...renderBackup(backup),
  volume_only: backup.withoutSnapshots,
});

export const createVolumeBackups = ({ volumes, volumeStore, events, ...parts }: Parts): VolumeBackups =>
  createBackups<StoredVolume>({
    ...parts,
    kind: 'Storage volume',
    directory: join(parts.directory, 'custom'),
    pathOf: (volume) => join(volume.pool, diskName(volume)),
    depth: 2,
    lockOf: volumeLock,
    owners: () => volumeStore.list({ type: 'custom' }),
    current: volumes.get,
    hasOwnFormat: async (volume) => (await volumes.locate(volume)).open.driver.features.optimizedTransfer,

    async write(volume, { withoutSnapshots, ...target }, work) {
      const located = await volumes.locate(volume);
      const saved = withoutSnapshots
        ? []
        : (await volumeStore.snapshots(located.row.id)).filter(({ state }) => state === 'ready');
      await writeBackup(
        {
          ...target,
          layout: volumeLayout,
          index: volumeIndex(located.open.pool, located.row, saved, target.optimized),
          located,
          snapshots: saved.map(({ name }) => name),
        },
        work,
      );
    },

    publish: (action, { pool, name, project }, backup, context) =>
      events.lifecycle(
        `storage-volume-backup-${action}`,
        storageVolumeBackupUrl(pool, 'custom', name, backup, { project }),
        project,
        { ...(action === 'created' ? { type: 'custom' } : {}), ...context },
      ),
  });
