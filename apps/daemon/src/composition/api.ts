/** The REST API: which routes there are, and what each is given. */
import { bucketRoutes } from '../buckets/routes.ts';
import { certificateRoutes } from '../certificates/routes.ts';
import { createCertificateService } from '../certificates/service.ts';
import { loadTrust } from '../certificates/trust.ts';
import { eventRoutes } from '../events/routes.ts';
import { createIdentify } from '../http/caller.ts';
import { createRouter } from '../http/router.ts';
import { imageAliasRoutes } from '../images/alias-routes.ts';
import { imageRoutes } from '../images/routes.ts';
import { renderInstanceBackup } from '../instances/backups.ts';
import { backupRoutes } from '../instances/backups-routes.ts';
import { consoleRoutes } from '../instances/console-routes.ts';
import { copyRoutes } from '../instances/copy-routes.ts';
import { execRoutes } from '../instances/exec-routes.ts';
import { fileRoutes } from '../instances/file-routes.ts';
import { type Instance, rootDisk } from '../instances/instance.ts';
import { logRoutes } from '../instances/logs-routes.ts';
import { instanceMetadataRoutes } from '../instances/metadata-routes.ts';
import { instanceRoutes } from '../instances/routes.ts';
import { sftpRoutes } from '../instances/sftp-routes.ts';
import { snapshotRoutes } from '../instances/snapshots-routes.ts';
import { createMigrationReplies } from '../migration/routes.ts';
import { networkRoutes } from '../networks/routes.ts';
import { operationRoutes } from '../operations/routes.ts';
import { profileRoutes } from '../profiles/routes.ts';
import { projectRoutes } from '../projects/routes.ts';
import { createImport } from '../recover/import.ts';
import { recoverRoutes } from '../recover/routes.ts';
import { createScan } from '../recover/scan.ts';
import { createServerInfo } from '../server/info.ts';
import { internalRoutes } from '../server/internal-routes.ts';
import { kernelFeatures } from '../server/kernel-features.ts';
import { createHttpsListener } from '../server/listeners.ts';
import { resourceRoutes } from '../server/resource-routes.ts';
import { serverRoutes } from '../server/routes.ts';
import { storageRoutes } from '../storage/routes.ts';
import { volumeBackupRoutes } from '../storage/volume-backup-routes.ts';
import { createVolumeRequests } from '../storage/volume-request.ts';
import { volumeRoutes } from '../storage/volume-routes.ts';
import { volumeSnapshotRoutes } from '../storage/volume-snapshot-routes.ts';
import { warningRoutes } from '../warnings/routes.ts';
import type { Base } from './base.ts';
import type { Buckets } from './buckets.ts';
import type { Images } from './images.ts';
import type { Instances } from './instances.ts';
import type { Networks } from './networks.ts';
import type { Storage } from './storage.ts';

export interface Areas {
  readonly base: Base;
  readonly storage: Storage;
  readonly buckets: Buckets;
  readonly networks: Networks;
  readonly images: Images;
  readonly instances: Instances;
}

/** @param onShutdown - see `DaemonOptions` */
export const createApi = async (
  { base, storage, buckets, networks, images, instances: area }: Areas,
  onShutdown: (force: boolean) => void,
) => {
  const { directories, log, events, settings, certificate, operations, stores, usedBy } = base;
  const { instances, snapshots, backups, files } = area;
  const { rootVolumes, rootSnapshots, imageVolumes } = storage;
  const trust = await loadTrust(stores.certificates);
  const router = createRouter({ log, identify: createIdentify(trust) });
  const https = createHttpsListener(router, settings, certificate, log);

  internalRoutes(router, base, onShutdown);
  const info = createServerInfo({
    ...base,
    poolDrivers: stores.pools.drivers,
    addresses: https.addresses,
    kernelFeatures: await kernelFeatures(directories.root, base.host.kernelVersion),
  });
  serverRoutes(router, info, settings, events);
  resourceRoutes(router);
  warningRoutes(router, stores.warnings, events);
  const certificates = createCertificateService({
    ...base,
    store: stores.certificates,
    trust,
    serverFingerprint: certificate.fingerprint,
    addresses: https.addresses,
  });
  certificateRoutes(router, certificates);
  operationRoutes(router, operations, events);
  eventRoutes(router, events);
  projectRoutes(router, stores.projects, events, usedBy.project);
  profileRoutes(router, area.profiles);
  networkRoutes(router, networks, (_project, name) => usedBy.network(name));
  storageRoutes(router, { ...storage, events, poolStore: stores.pools, usedBy: storage.poolUsers });
  const volumeParts = {
    store: stores.volumes,
    snapshots: storage.volumeSnapshots,
    migration: storage.volumeMigration,
    requests: createVolumeRequests({ store: stores.volumes, operations, projectOf: storage.volumeProject }),
  };
  volumeSnapshotRoutes(router, volumeParts);
  volumeBackupRoutes(router, {
    ...volumeParts,
    volumes: storage.customVolumes,
    volumeBackups: storage.volumeBackups,
    events,
  });
  volumeRoutes(router, {
    ...volumeParts,
    pools: stores.pools,
    volumes: storage.customVolumes,
    copying: storage.volumeCopying,
    importing: storage.volumeImporting,
    usedBy: storage.volumeUsers,
    updateInstanceVolume: storage.updateInstanceVolume,
    deleteImageVolume: (volume) => imageVolumes.removeFrom(volume.pool, volume.name),
    rootUsage: async (volume) => rootVolumes.usage(await stores.instances.get(volume.project, volume.name)),
  });
  const scan = createScan({ ...base, pools: storage.pools, devices: area.devices });
  const takeUp = async (instance: Instance): Promise<void> => {
    await area.lifecycle.recover([instance]);
    await networks.syncReservations(instance);
  };
  recoverRoutes(router, {
    locks: base.locks,
    scan,
    recover: createImport({
      ...base,
      scan,
      pools: storage.pools,
      bucketRecords: buckets.records,
      rootVolumes,
      takeUp,
    }),
  });
  bucketRoutes(router, buckets);
  imageAliasRoutes(router, images);
  imageRoutes(router, { ...images, operations, events, instance: stores.instances.get });

  const diskUsage = async (all: readonly Instance[]) => {
    const usageOf = await rootSnapshots.usages(all);
    return async (instance: Instance) => {
      const root = rootDisk(instance.expanded.devices);
      const usage = await usageOf(instance);
      return root && usage ? { [root.name]: { usage: usage.used, total: usage.total ?? 0 } } : {};
    };
  };
  const migrations = createMigrationReplies({ operations, migration: area.migration });
  instanceRoutes(router, {
    ...area,
    operations,
    diskUsage,
    extras: async (all) => {
      const [rendered, saved] = await Promise.all([snapshots.render(all), backups.byOwner(all)]);
      return ({ id }) => ({
        snapshots: rendered.get(id) ?? null,
        backups: saved.get(id)?.map(renderInstanceBackup) ?? null,
      });
    },
    special: {
      ...copyRoutes(router, { ...area, migrations, operations }),
      upload: backupRoutes(router, { ...area, operations, events }),
    },
  });
  snapshotRoutes(router, instances, snapshots, migrations, operations);
  instanceMetadataRoutes(router, { find: stores.instances.get, metadata: area.metadata });
  fileRoutes(router, instances, events, files);
  sftpRoutes(router, instances, files, log);
  execRoutes(router, instances, operations, events, directories.logs);
  consoleRoutes(router, instances, operations, events, directories.logs);
  logRoutes(router, instances, events, directories.logs);
  return { router, https };
};
