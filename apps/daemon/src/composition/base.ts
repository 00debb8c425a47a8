/** What every area of the daemon is built on: rows, settings, drivers, locks, operations, events. */
import { createInitialRows, openDatabases, schema } from '@lxd-ts/database';
import type { Config, Driver } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import { createBackupStore } from '../backups/store.ts';
import { createBucketStore } from '../buckets/store.ts';
import { createCertificateStore } from '../certificates/store.ts';
import { createDirectories, type Directories } from '../core/directories.ts';
import { readHostFacts } from '../core/host-facts.ts';
import { createLocks } from '../core/locks.ts';
import { createUsedBy } from '../core/used-by.ts';
import { loadPlugins } from '../drivers/plugins.ts';
import { createDrivers } from '../drivers/registry.ts';
import type { Events } from '../events/bus.ts';
import { createImageStore } from '../images/store.ts';
import { createRuns } from '../instances/running.ts';
import { createSnapshotStore } from '../instances/snapshots-store.ts';
import { createInstanceStore } from '../instances/store.ts';
import { createNetworkStore } from '../networks/store.ts';
import { createOperations } from '../operations/registry.ts';
import { createProfileStore } from '../profiles/store.ts';
import { createProjectStore } from '../projects/store.ts';
import { loadServerCertificate } from '../server/certificate.ts';
import { loadSettings } from '../server/settings.ts';
import { createPoolStore } from '../storage/pool-store.ts';
import { createVolumeStore } from '../storage/volume-store.ts';
import { createWarningStore } from '../warnings/store.ts';

export interface BaseOptions {
  readonly directories: Directories;
  readonly log: Logger;
  readonly events: Events;
  /** The drivers that the daemon comes with. Plug-ins add theirs. */
  readonly drivers: readonly Driver[];
}

/** Opens the databases and loads what all areas share. */
export const openBase = async ({ directories, log, events, drivers: own }: BaseOptions) => {
  await createDirectories(directories);
  const host = await readHostFacts();
  const { local, global } = await openDatabases(directories.database);
  await global.transaction((tx) =>
    createInitialRows(tx, { name: host.hostname, address: '0.0.0.0', architecture: host.architecture }),
  );
  const settings = await loadSettings(local, global);
  const certificate = await loadServerCertificate(directories.root);

  const drivers = createDrivers(log);
  for (const driver of own) drivers.register(driver);
  await loadPlugins(directories.plugins, drivers, log);
  await drivers.probe();

  const stores = {
    projects: createProjectStore(global),
    profiles: createProfileStore(global),
    instances: createInstanceStore(global),
    snapshots: createSnapshotStore(global),
    backups: createBackupStore(global, schema.instancesBackups),
    volumeBackups: createBackupStore(global, schema.storageVolumesBackups),
    images: createImageStore(global),
    pools: createPoolStore(global),
    volumes: createVolumeStore(global),
    buckets: createBucketStore(global),
    networks: createNetworkStore(global),
    certificates: createCertificateStore(global),
    warnings: createWarningStore(global),
  };
  return {
    directories,
    log,
    events,
    host,
    local,
    global,
    settings,
    certificate,
    drivers,
    stores,
    locks: createLocks(),
    operations: createOperations(events),
    usedBy: createUsedBy(stores),
    /** The instances that run. */
    runs: createRuns(),
    projectConfig: async (name: string): Promise<Config> => (await stores.projects.get(name)).config,
    /** What the profiles named bring along, in that order; nothing for one that is gone. */
    profileParts: async (project: string, names: readonly string[]) => {
      const all = new Map((await stores.profiles.list(project)).map((profile) => [profile.name, profile]));
      return names.map((name) => all.get(name) ?? { config: {}, devices: {} });
    },
  };
};

export type Base = Awaited<ReturnType<typeof openBase>>;
