/** Pools and what lies in them: volumes of images, of instances, and custom ones. */
import { attaches } from '../core/used-by.ts';
import { createImageVolumes } from '../images/pool-volumes.ts';
import type { Instance } from '../instances/instance.ts';
import { createVolumeMigration } from '../migration/volumes.ts';
import { ownerOf } from '../projects/features.ts';
import { createInstanceVolumeUpdate } from '../storage/instance-volume-update.ts';
import { createOwnData, holdsOwnData } from '../storage/own-data.ts';
import { createPools } from '../storage/pools.ts';
import { createRootSnapshots } from '../storage/root-snapshots.ts';
import { createRootVolumes, type RootVolumeParts } from '../storage/root-volumes.ts';
import { createVolumeBackups } from '../storage/volume-backups.ts';
import { createVolumeCopying } from '../storage/volume-copy.ts';
import { createVolumeImporting } from '../storage/volume-import.ts';
import type { VolumeName } from '../storage/volume-name.ts';
import { createVolumeSchedule } from '../storage/volume-schedule.ts';
import { createVolumeSnapshots } from '../storage/volume-snapshots.ts';
import type { StoredVolume } from '../storage/volume-store.ts';
import { createCustomVolumes } from '../storage/volumes.ts';
import type { Base } from './base.ts';

/** @param record - what `backup.yaml` in an instance's volume says */
export const createStorage = (base: Base, record: RootVolumeParts['backupContent']) => {
  const { stores, runs, usedBy, directories, settings } = base;
  const pools = createPools({
    ...base,
    store: stores.pools,
    usedBy: usedBy.pool,
    removeImages: (name) => imageVolumes.clear(name),
  });
  const imageVolumes = createImageVolumes({ ...base, pools, volumes: stores.volumes });
  const rootVolumes = createRootVolumes({
    ...base,
    pools,
    store: stores.volumes,
    imageVolume: imageVolumes.get,
    backupContent: record,
  });
  const isRunning = (instance: Instance): boolean => runs.get(instance) !== undefined;
  /** The project whose custom volumes are seen from a project. */
  const volumeProject = async (name: string): Promise<string> =>
    ownerOf({ name, config: await base.projectConfig(name) }, 'features.storage.volumes');
  /** Instances that attach a custom volume, themselves or by a profile. */
  const usersOf = async (name: VolumeName): Promise<Instance[]> => {
    const attaching = (await stores.instances.list()).filter((one) =>
      Object.values(one.expanded.devices).some(attaches(name)),
    );
    const projects = await Promise.all(attaching.map((one) => volumeProject(one.project)));
    return attaching.filter((_, at) => projects[at] === name.project);
  };
  /** URLs of instances and profiles that attach a custom volume, and of the server where it keeps data of its own in it. */
  const customUsers = async (name: VolumeName): Promise<string[]> => [
    ...(holdsOwnData(settings)(name) ? ['/1.0'] : []),
    ...(await usedBy.customVolume(name)),
  ];
  const customVolumes = createCustomVolumes({
    ...base,
    pools,
    store: stores.volumes,
    usedBy: customUsers,
    users: async (name) => (await usersOf(name)).map((one) => one.name),
    runningUsers: async (name) => (await usersOf(name)).filter(isRunning).map((one) => one.name),
    holdsOwnData: holdsOwnData(settings),
    removeBackups: (row) => volumeBackups.removeFiles(row),
  });
  const volumeCopying = createVolumeCopying({
    ...base,
    pools,
    volumes: customVolumes,
    store: stores.volumes,
    usedBy: usedBy.customVolume,
    renameBackups: async (name, to) => volumeBackups.renameFiles(await customVolumes.get(name), to),
    usersChanged: async (name) => {
      for (const instance of await usersOf(name)) await rootVolumes.writeBackupFile(instance);
    },
  });
  const volumeBackups = createVolumeBackups({
    ...base,
    store: stores.volumeBackups,
    volumes: customVolumes,
    volumeStore: stores.volumes,
    directory: directories.backups,
    compression: () => settings.get('backups.compression_algorithm') ?? 'gzip',
  });
  const volumeSnapshots = createVolumeSnapshots({ ...base, volumes: customVolumes, store: stores.volumes });
  return {
    pools,
    imageVolumes,
    rootVolumes,
    rootSnapshots: createRootSnapshots(pools, rootVolumes, stores.volumes),
    volumeProject,
    /** URLs of what uses volumes of any type, in a constant number of queries. */
    volumeUsers: async (all: readonly StoredVolume[]) => {
      const users = await usedBy.volumes(all);
      const isOwn = holdsOwnData(settings);
      return (volume: StoredVolume): string[] => [
        ...(volume.type === 'custom' && isOwn(volume) ? ['/1.0'] : []),
        ...users(volume),
      ];
    },
    /** URLs of what uses a pool or is cached in it. */
    poolUsers: async (pool: string) => [...(await usedBy.imagesIn(pool)), ...(await usedBy.pool(pool))],
    ownData: createOwnData({ ...base, volumes: customVolumes, store: stores.volumes }),
    updateInstanceVolume: createInstanceVolumeUpdate({ ...base, pools, store: stores.volumes }),
    customVolumes,
    volumeCopying,
    volumeSnapshots,
    volumeMigration: createVolumeMigration({ ...base, pools, volumes: customVolumes, store: stores.volumes }),
    volumeBackups,
    volumeImporting: createVolumeImporting({
      ...base,
      pools,
      volumes: customVolumes,
      store: stores.volumes,
      directory: directories.backups,
    }),
    volumeSchedule: createVolumeSchedule({ ...base, store: stores.volumes, snapshots: volumeSnapshots }),
  };
};

export type Storage = ReturnType<typeof createStorage>;
