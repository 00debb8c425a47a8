import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { checkName } from '@lxd-ts/api';
import { badRequest, type Config, conflict, copyRawDisk, type Work } from '@lxd-ts/driver-kit';
import { readIndex, volumeLayout } from '../backups/archive.ts';
import { restoreBackup } from '../backups/restore.ts';
import { receiveUpload, type Upload } from '../backups/upload.ts';
import type { Locks } from '../core/locks.ts';
import type { Pools } from './pools.ts';
import { parseVolumeIndex, type VolumeIndex } from './volume-backup-record.ts';
import { unshiftVolume, withoutIdmap } from './volume-idmap.ts';
import { type VolumeName, volumeLock } from './volume-name.ts';
import type { VolumeStore } from './volume-store.ts';
import type { CustomVolumes } from './volumes.ts';

/** A file that was uploaded and checked. Dispose it when done, whether it became a volume or not. */
export interface PreparedVolume extends AsyncDisposable {
  readonly name: VolumeName;
  create(work: Work): Promise<void>;
}

export interface VolumeImporting {
  /**
   * Takes in a backup.
   *
   * @param name - with an empty name the volume is called as in the backup
   * @throws LxdError bad-request when it is no backup of a volume, conflict when the name is taken or the disk is full; nothing is left then
   */
  backup(name: VolumeName, upload: Readable): Promise<PreparedVolume>;
  /** Takes in a disc image. @throws as `backup` */
  iso(name: VolumeName, upload: Readable): Promise<PreparedVolume>;
}

interface Parts {
  readonly pools: Pools;
  readonly volumes: CustomVolumes;
  readonly store: VolumeStore;
  readonly locks: Locks;
  /** `<LXD_DIR>/backups`. */
  readonly directory: string;
}

export const createVolumeImporting = ({ pools, volumes, store, locks, directory }: Parts): VolumeImporting => {
  const refuseTaken = async ({ pool, project, name }: VolumeName): Promise<void> => {
    checkName('volume', name);
    if (await store.find(pool, project, 'custom', name)) throw conflict('Volume by that name already exists');
  };

  /** Receives a file, and has it removed unless `check` accepts it. */
  const taken = async (
    upload: Readable,
    check: (received: Upload) => Promise<Omit<PreparedVolume, keyof AsyncDisposable>>,
  ): Promise<PreparedVolume> => {
    const received = await receiveUpload(directory, upload);
    try {
      const prepared = await check(received);
      return { ...prepared, [Symbol.asyncDispose]: () => received[Symbol.asyncDispose]() };
    } catch (error) {
      await received[Symbol.asyncDispose]();
      throw error;
    }
  };

  const restore = async (name: VolumeName, file: string, index: VolumeIndex, work: Work): Promise<void> => {
    using _lock = await locks.hold(volumeLock(name), 'import');
    const open = await pools.open(name.pool);
    const { volume, volume_snapshots: records } = index.config;
    const known = (config: Config): Config => volumes.known(open, config);
    const configOf = (snapshot: string | undefined): Config =>
      snapshot === undefined ? volume.config : (records.find((one) => one.name === snapshot)?.config ?? volume.config);
    await volumes.add(name, {
      content: volume.content_type,
      volume: { description: volume.description, config: withoutIdmap(known(volume.config)) },
      ...(volume.created_at ? { createdAt: volume.created_at } : {}),
      async make(located) {
        const rows: number[] = [];
        for (const snapshot of index.snapshots) {
          const record = records.find((one) => one.name === snapshot);
          const config = known(configOf(snapshot));
          const row = await store.insertSnapshot(located.row.id, {
            name: snapshot,
            description: record?.description ?? '',
            // In a driver's own format a snapshot comes as it is: its ids are put right when it is restored.
            config: index.optimized ? config : withoutIdmap(config),
            ...(record?.created_at ? { createdAt: record.created_at } : {}),
            expiresAt: record?.expires_at,
          });
          rows.push(row.id);
        }
        await restoreBackup(
          {
            file,
            scratch: `${file}.scratch`,
            layout: volumeLayout,
            snapshots: index.snapshots,
            optimized: index.optimized,
            located,
            stage: 'create_volume_from_backup',
            unpacking: () => ({ itself: true }),
            finish: (path, snapshot, own) => unshiftVolume(path, configOf(snapshot), own),
          },
          work,
        );
        for (const id of rows) await store.markSnapshotReady(id);
      },
    });
  };

  return {
    backup: (wanted, upload) =>
      taken(upload, async ({ file }) => {
        const index = parseVolumeIndex(await readIndex(file));
        const name = { ...wanted, name: wanted.name === '' ? index.name : wanted.name };
        await refuseTaken(name);
        for (const snapshot of index.snapshots) checkName('volumeSnapshot', snapshot);
        const { driver, pool } = await pools.open(name.pool);
        if (index.optimized && index.backend !== driver.name)
          throw badRequest(
            `The backup is in the format of ${index.backend}: import it into a pool of that driver, not "${pool.name}" (${driver.name})`,
          );
        return { name, create: (work) => restore(name, file, index, work) };
      }),

    iso: (name, upload) =>
      taken(upload, async ({ file }) => {
        await refuseTaken(name);
        const { size } = await stat(file);
        if (size === 0) throw badRequest('The ISO file is empty');
        return {
          name,
          create: (work) =>
            volumes.create(
              name,
              'iso',
              { description: '', config: { size: `${size}` } },
              async ({ disk }, own) => {
                if (disk === undefined) throw new TypeError(`Volume "${name.name}" was made without a disk`);
                await copyRawDisk(file, disk, own);
              },
              work,
            ),
        };
      }),
  };
};
