/**
 * The composition root: makes every part of the daemon, gives each what it needs, and starts and stops them in order.
 * It alone names concrete drivers.
 */
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { instanceUrl } from '@lxd-ts/api';
import { createInitialRows, openDatabases } from '@lxd-ts/database';
import { type Driver, isTrue, notFound } from '@lxd-ts/driver-kit';
import { subordinateIds } from '@lxd-ts/host';
import { lxc } from '@lxd-ts/instance-lxc';
import { bridge, bridgedNic, p2pNic } from '@lxd-ts/network-bridge';

import { btrfs } from '@lxd-ts/storage-btrfs';
import { dir } from '@lxd-ts/storage-dir';
import type { Logger } from 'pino';
import { certificateRoutes } from './certificates/routes.ts';
import { createCertificateService } from './certificates/service.ts';
import { createCertificateStore } from './certificates/store.ts';
import { loadTrust } from './certificates/trust.ts';
import { createDirectories, type Directories } from './core/directories.ts';
import { every } from './core/every.ts';
import { readHostFacts } from './core/host-facts.ts';
import { createLocks } from './core/locks.ts';
import { attaches, createUsedBy } from './core/used-by.ts';
import { deviceDrivers } from './devices/index.ts';
import { createDeviceManager } from './devices/manager.ts';
import { createGuestEvents } from './devlxd/events.ts';
import { listenDevlxd } from './devlxd/server.ts';
import { loadPlugins } from './drivers/plugins.ts';
import { createDrivers } from './drivers/registry.ts';
import type { Events } from './events/bus.ts';
import { eventRoutes } from './events/routes.ts';
import { createIdentify } from './http/caller.ts';
import { createRouter } from './http/router.ts';
import { type Listener, listenUnix } from './http/server.ts';
import { imageAliasRoutes } from './images/alias-routes.ts';
import { createImageAliases } from './images/aliases.ts';
import { createImageFetch } from './images/fetch.ts';
import { createImageChoice } from './images/for-instance.ts';
import { createImageVolumes } from './images/pool-volumes.ts';
import { createPublish } from './images/publish.ts';
import { createImageRefresh } from './images/refresh.ts';
import { findOnLxd } from './images/remote-lxd.ts';
import { imageRoutes } from './images/routes.ts';
import { createImageSecrets } from './images/secrets.ts';
import { createImageService } from './images/service.ts';
import { createSimplestreams } from './images/simplestreams.ts';
import { createImageStore } from './images/store.ts';
import { createWeb } from './images/web.ts';
import { createBackups } from './instances/backups.ts';
import { createImporting } from './instances/backups-import.ts';
import { instanceRecord } from './instances/backups-record.ts';
import { backupRoutes } from './instances/backups-routes.ts';
import { createBackupStore } from './instances/backups-store.ts';
import { consoleRoutes } from './instances/console-routes.ts';
import { createCopying } from './instances/copy.ts';
import { copyRoutes } from './instances/copy-routes.ts';
import { type CreationParts, createCreation } from './instances/create.ts';
import { execRoutes } from './instances/exec-routes.ts';
import { fileRoutes } from './instances/file-routes.ts';
import { openFiles } from './instances/files.ts';
import { expand, handleOf, type Instance, rootDisk } from './instances/instance.ts';
import { createLifecycle } from './instances/lifecycle.ts';
import { expireLogs } from './instances/logs.ts';
import { logRoutes } from './instances/logs-routes.ts';
import { createInstanceMetadata } from './instances/metadata.ts';
import { instanceMetadataRoutes } from './instances/metadata-routes.ts';
import { createMoving } from './instances/move.ts';
import { createRebuilding } from './instances/rebuild.ts';
import { checkRequirements } from './instances/requirements.ts';
import { idsOnDisk } from './instances/root-ids.ts';
import { instanceRoutes } from './instances/routes.ts';
import { createRuns } from './instances/running.ts';
import { createSchedule } from './instances/schedule.ts';
import { createInstanceService } from './instances/service.ts';
import { sftpRoutes } from './instances/sftp-routes.ts';
import { createSnapshots } from './instances/snapshots.ts';
import { snapshotRoutes } from './instances/snapshots-routes.ts';
import { createSnapshotStore } from './instances/snapshots-store.ts';
import { createInstanceStore } from './instances/store.ts';
import { prepareTemplates } from './instances/templates.ts';
import { reservationsOf } from './networks/reservations.ts';
import { networkRoutes } from './networks/routes.ts';
import { createNetworkService } from './networks/service.ts';
import { createNetworkStore } from './networks/store.ts';
import { createOperations } from './operations/registry.ts';
import { operationRoutes } from './operations/routes.ts';
import { profileRoutes } from './profiles/routes.ts';
import { createProfileService } from './profiles/service.ts';
import { createProfileStore } from './profiles/store.ts';
import { projectRoutes } from './projects/routes.ts';
import { createProjectStore } from './projects/store.ts';
import { loadServerCertificate } from './server/certificate.ts';
import { createServerInfo } from './server/info.ts';
import { internalRoutes } from './server/internal-routes.ts';
import { kernelFeatures } from './server/kernel-features.ts';
import { createHttpsListener } from './server/listeners.ts';
import { resourceRoutes } from './server/resource-routes.ts';
import { serverRoutes } from './server/routes.ts';
import { loadSettings } from './server/settings.ts';
import { serverVersion } from './server/version.ts';
import { createPoolStore } from './storage/pool-store.ts';
import { createPools } from './storage/pools.ts';
import { createRootSnapshots } from './storage/root-snapshots.ts';
import { createRootVolumes } from './storage/root-volumes.ts';
import { storageRoutes } from './storage/routes.ts';
import { volumeRoutes } from './storage/volume-routes.ts';
import { createVolumeSnapshots } from './storage/volume-snapshots.ts';
import { createVolumeStore } from './storage/volume-store.ts';
import { createCustomVolumes } from './storage/volumes.ts';
import { warningRoutes } from './warnings/routes.ts';
import { createWarningStore } from './warnings/store.ts';

/** The drivers this daemon comes with. Plug-ins add theirs. */
const ownDrivers: readonly Driver[] = [dir, btrfs, bridge, lxc, bridgedNic, p2pNic, ...deviceDrivers];

const minute = 60 * 1000;
const hour = 60 * minute;

export interface DaemonOptions {
  readonly directories: Directories;
  readonly log: Logger;
  readonly events: Events;
  /** The group that may use the local socket besides root. */
  readonly gid?: number;
  /** Called when a client asks for a host shutdown (`lxd shutdown`); calls `shutdown` in the end. */
  readonly onShutdown: (force: boolean) => void;
}

/** A daemon that answers. */
export interface Daemon {
  /** Stops answering; instances run on. Waits for running operations as `core.shutdown_timeout` says. */
  stop(): Promise<void>;
  /** Host shutdown: stops all instances first, keeping their power state on record. `force`: does not wait for operations. */
  shutdown(options?: { force: boolean }): Promise<void>;
}

/** The ids that the host lets containers use: what the ranges for users and for groups have in common. */
const containerIds = async (): Promise<{ host: number; size: number }> => {
  const { uid, gid } = await subordinateIds({ users: ['lxd', '_lxd', 'root'] });
  const host = Math.max(uid.start, gid.start);
  return { host, size: Math.min(uid.start + uid.size, gid.start + gid.size) - host };
};

/** Starts the daemon and returns when it answers. Instances and networks come up in the background after that. */
export const startDaemon = async ({ directories, log, events, gid, onShutdown }: DaemonOptions): Promise<Daemon> => {
  await createDirectories(directories);
  const host = await readHostFacts();
  const { local, global } = await openDatabases(directories.database);
  await global.transaction((tx) =>
    createInitialRows(tx, { name: host.hostname, address: '0.0.0.0', architecture: host.architecture }),
  );
  const settings = await loadSettings(local, global);
  const certificate = await loadServerCertificate(directories.root);
  const locks = createLocks();
  const operations = createOperations(events);

  const drivers = createDrivers(log);
  for (const driver of ownDrivers) drivers.register(driver);
  await loadPlugins(directories.plugins, drivers, log);
  await drivers.probe();

  // Rows
  const projects = createProjectStore(global);
  const profileStore = createProfileStore(global);
  const instanceStore = createInstanceStore(global);
  const poolStore = createPoolStore(global);
  const volumeStore = createVolumeStore(global);
  const networkStore = createNetworkStore(global);
  const certificateStore = createCertificateStore(global);
  const trust = await loadTrust(certificateStore);

  const imageStore = createImageStore(global);
  const snapshotStore = createSnapshotStore(global);
  const usedBy = createUsedBy({
    instances: instanceStore,
    snapshots: snapshotStore,
    profiles: profileStore,
    networks: networkStore,
    volumes: volumeStore,
    images: imageStore,
  });
  const profileParts = async (project: string, names: readonly string[]) => {
    const all = new Map((await profileStore.list(project)).map((profile) => [profile.name, profile]));
    return names.map((name) => all.get(name) ?? { config: {}, devices: {} });
  };

  // Networks
  const networks = createNetworkService({
    store: networkStore,
    drivers,
    directories,
    locks,
    events,
    log,
    usedBy: (_project, name) => usedBy.network(name),
    reservations: async (network) => reservationsOf(await instanceStore.list(), network),
  });

  // Storage
  const pools = createPools({
    store: poolStore,
    drivers,
    directories,
    locks,
    log,
    usedBy: usedBy.pool,
    removeImages: (name) => imageVolumes.clear(name),
  });
  // Images
  const imageVolumes = createImageVolumes({ pools, volumes: volumeStore, locks });
  const imageAliases = createImageAliases({ store: imageStore, events });
  const images = createImageService({
    store: imageStore,
    aliases: imageAliases,
    volumes: imageVolumes,
    directories,
    events,
    locks,
    log,
  });
  /** A project without images of its own uses those of the default project. */
  const imageProject = async (name: string): Promise<string> =>
    name === 'default' || isTrue((await projects.get(name)).config['features.images']) ? name : 'default';
  const imageSetting = async (project: string, key: string): Promise<string | undefined> =>
    (await projects.get(project)).config[key] ?? settings.get(key);
  const web = createWeb(() => settings.all());
  const imageFetch = createImageFetch({
    images,
    store: imageStore,
    web,
    finders: { lxd: findOnLxd, simplestreams: createSimplestreams(web, host.architectures) },
    serverHeaders: {
      'LXD-Server-Architectures': host.architectures.join(', '),
      'LXD-Server-Version': serverVersion,
    },
  });
  const imageRefresh = createImageRefresh({
    images,
    aliases: imageAliases,
    fetch: imageFetch,
    events,
    log,
    setting: imageSetting,
  });
  const chooseImage = createImageChoice({
    images,
    store: imageStore,
    fetch: imageFetch,
    directory: directories.images,
    setting: imageSetting,
  });
  const rootVolumes = createRootVolumes({
    pools,
    store: volumeStore,
    log,
    imageVolume: imageVolumes.get,
    backupContent: (instance) => recordOf(instance, true),
  });

  const customVolumes = createCustomVolumes({
    pools,
    store: volumeStore,
    locks,
    events,
    log,
    usedBy: usedBy.customVolume,
    runningUsers: async (name) =>
      (await instanceStore.list({ project: name.project }))
        .filter((one) => runs.get(one) && Object.values(one.expanded.devices).some(attaches(name)))
        .map((one) => one.name),
  });
  const volumeSnapshots = createVolumeSnapshots({ volumes: customVolumes, store: volumeStore, locks, events, log });

  // Instances
  const devices = createDeviceManager(
    drivers,
    {
      network: (project, name) => networks.forDevice(project, name),
      reserve: (project, network, reservation, owner) => networks.reserve(project, network, owner, reservation),
      volume: (project, pool, name) => customVolumes.mount({ project, pool, name }),
      serverConfig: () => settings.all(),
      hotplug: (instance, device, wanted) => instances.hotplug(instance, device, wanted),
    },
    directories,
    log,
  );
  const runs = createRuns();
  const guestEvents = createGuestEvents();
  const lifecycle = createLifecycle({
    log,
    events,
    locks,
    directories,
    drivers,
    devices,
    store: instanceStore,
    runs,
    mount: (instance) => rootVolumes.mount(instance),
    subIds: containerIds,
    prepare: async (instance, volume) => {
      checkRequirements(instance);
      await schedule.atStart(instance);
      return prepareTemplates(instance, volume);
    },
    deleteEphemeral: (instance) => instances.delete(instance),
  });
  const instances = createInstanceService({
    store: instanceStore,
    runs,
    lifecycle,
    devices,
    volumes: rootVolumes,
    locks,
    events,
    log,
    profiles: profileParts,
    guestEvents,
    devicesDirectory: directories.devices,
    removeSnapshots: (instance) => snapshots.removeAll(instance),
    nicsChanged: (instance) => networks.syncReservations(instance),
    removeFiles: async (instance) => {
      await rm(join(directories.logs, handleOf(instance)), { recursive: true, force: true });
      await backups.removeFiles(instance);
    },
    renameFiles: async (instance, name) => {
      await backups.renameFiles(instance, name);
      await rename(
        join(directories.logs, handleOf(instance)),
        join(directories.logs, handleOf({ ...instance, name })),
      ).catch(() => undefined);
    },
  });
  const rootSnapshots = createRootSnapshots(pools, rootVolumes, volumeStore);
  const snapshots = createSnapshots({
    store: instanceStore,
    snapshots: snapshotStore,
    volumes: rootVolumes,
    rootSnapshots,
    instances,
    lifecycle,
    locks,
    events,
    log,
    profiles: profileParts,
  });
  const imageFor: CreationParts['image'] = async (project, source, type, work) =>
    chooseImage(await imageProject(project), source, type, work);
  const creation = createCreation({
    store: instanceStore,
    volumes: rootVolumes,
    devices,
    drivers,
    locks,
    events,
    log,
    architecture: host.architecture,
    subIds: containerIds,
    profiles: profileParts,
    image: imageFor,
    imageUsed: async (project, fingerprint) => images.markUsed(await imageProject(project), fingerprint),
  });
  const schedule = createSchedule({ store: instanceStore, instances, snapshots, snapshotStore, operations, log });
  const copying = createCopying({
    store: instanceStore,
    instances,
    creation,
    snapshots,
    volumes: rootVolumes,
    rootSnapshots,
    pools,
    lifecycle,
    locks,
    profiles: profileParts,
  });
  const recordOf = async (instance: Instance, withSnapshots: boolean) => {
    const { open, row } = await rootVolumes.locate(instance);
    const known = new Map((await profileStore.list(instance.project)).map((profile) => [profile.name, profile]));
    return instanceRecord({
      instance,
      run: runs.get(instance),
      snapshots: withSnapshots ? ((await snapshots.render([instance])).get(instance.id) ?? []) : [],
      profiles: instance.profiles.flatMap((name) => known.get(name) ?? []),
      pool: open.pool,
      volume: row,
      volumeSnapshots: withSnapshots && row ? await volumeStore.snapshots(row.id) : [],
    });
  };
  const backups = createBackups({
    store: createBackupStore(global),
    instances: instanceStore,
    volumes: rootVolumes,
    lifecycle,
    locks,
    events,
    log,
    directory: directories.backups,
    record: recordOf,
    projectConfig: async (name) => (await projects.get(name)).config,
    compression: () => settings.get('backups.compression_algorithm') ?? 'gzip',
  });
  const importing = createImporting({
    store: instanceStore,
    creation,
    snapshots,
    pools,
    drivers,
    profiles: profileParts,
    directory: directories.backups,
  });
  const moveParts = {
    store: instanceStore,
    instances,
    snapshots,
    volumes: rootVolumes,
    locks,
    events,
    log,
    profiles: profileParts,
  };
  const moving = createMoving(moveParts);
  const rebuilding = createRebuilding({ ...moveParts, image: imageFor });
  const profiles = createProfileService({
    store: profileStore,
    devices,
    events,
    apply: async (profile) => {
      for (const { project, name } of profile.instances) {
        const after = await instanceStore.get(project, name);
        const parts = await profileParts(project, after.profiles);
        const before = parts.map((part, at) => (after.profiles[at] === profile.name ? profile : part));
        await instances.applyExpanded({ ...after, expanded: expand(before, after) }, after);
      }
    },
  });

  // The API
  const router = createRouter({ log, identify: createIdentify(trust) });
  const https = createHttpsListener(router, settings, certificate, log);
  const certificates = createCertificateService({
    store: certificateStore,
    trust,
    settings,
    operations,
    events,
    serverFingerprint: certificate.fingerprint,
    addresses: https.addresses,
  });
  const info = createServerInfo({
    host,
    drivers,
    settings,
    certificate,
    poolDrivers: poolStore.drivers,
    addresses: https.addresses,
    kernelFeatures: await kernelFeatures(directories.root, host.kernelVersion),
  });
  internalRoutes(router, { local, global }, onShutdown);
  serverRoutes(router, info, settings, events);
  resourceRoutes(router);
  warningRoutes(router, createWarningStore(global), events);
  certificateRoutes(router, certificates);
  operationRoutes(router, operations, events);
  eventRoutes(router, events);
  projectRoutes(router, projects, events, usedBy.project);
  profileRoutes(router, profiles);
  networkRoutes(router, networks, (_project, name) => usedBy.network(name));
  storageRoutes(router, { pools, poolStore, events, usedBy: usedBy.pool });
  imageAliasRoutes(router, { images, aliases: imageAliases, projectOf: imageProject });
  volumeRoutes(router, {
    pools: poolStore,
    store: volumeStore,
    volumes: customVolumes,
    snapshots: volumeSnapshots,
    operations,
    usedBy: usedBy.volume,
    deleteImageVolume: (volume) => imageVolumes.removeFrom(volume.pool, volume.name),
    rootUsage: async (volume) => rootVolumes.usage(await instanceStore.get(volume.project, volume.name)),
  });
  imageRoutes(router, {
    images,
    fetch: imageFetch,
    refresh: imageRefresh,
    publish: createPublish({
      images,
      locks,
      mount: rootVolumes.mount,
      isRunning: (instance) => runs.get(instance) !== undefined,
    }),
    secrets: createImageSecrets(operations),
    operations,
    events,
    projectOf: imageProject,
    setting: imageSetting,
    instance: instanceStore.get,
  });
  instanceRoutes(router, {
    instances,
    lifecycle,
    creation,
    operations,
    diskUsage: async (all) => {
      const usageOf = await rootSnapshots.usages(all);
      return async (instance) => {
        const root = rootDisk(instance.expanded.devices);
        const usage = await usageOf(instance);
        return root && usage ? { [root.name]: { usage: usage.used, total: usage.total ?? 0 } } : {};
      };
    },
    extras: async (all) => {
      const [rendered, saved] = await Promise.all([snapshots.render(all), backups.render(all)]);
      return ({ id }) => ({ snapshots: rendered.get(id) ?? null, backups: saved.get(id) ?? null });
    },
    special: {
      ...copyRoutes(router, { instances, copying, moving, rebuilding, snapshots, operations }),
      upload: backupRoutes(router, { instances, backups, importing, operations, events }),
    },
  });
  snapshotRoutes(router, instances, snapshots, operations);

  const openInstanceFiles = async (instance: Instance) => {
    const run = runs.get(instance);
    if (run) return openFiles(`/proc/${run.running.pid}/root`, run.idmap, async () => undefined);
    const volume = await rootVolumes.mount(instance);
    const onDisk = idsOnDisk(instance.config);
    return openFiles(join(volume.path, 'rootfs'), onDisk.length > 0 ? onDisk : undefined, () =>
      Promise.resolve(volume[Symbol.asyncDispose]()),
    );
  };
  instanceMetadataRoutes(router, {
    find: instanceStore.get,
    metadata: createInstanceMetadata({ mount: (instance) => rootVolumes.mount(instance), locks, events }),
  });
  fileRoutes(router, instances, events, openInstanceFiles);
  sftpRoutes(router, instances, openInstanceFiles, log);
  execRoutes(router, instances, operations, events, directories.logs);
  consoleRoutes(router, instances, operations, events, directories.logs);
  logRoutes(router, instances, events, directories.logs);

  const listeners: Listener[] = [];
  const all = (): Promise<readonly Instance[]> => instanceStore.list();
  await pools.openAll();
  await images.recover();
  await instances.recover();
  await rebuilding.recover();
  await rootVolumes.recover();
  await customVolumes.recover();
  await moving.recover();
  await snapshots.recover();
  await backups.recover();
  await importing.recover();
  await networks.startAll();
  await lifecycle.recover(await all());
  const guestApi = await listenDevlxd({
    log,
    directory: directories.devlxd,
    events: guestEvents,
    runs: () => runs.all(),
    get: (project, name) => instanceStore.get(project, name),
    setReady: (run, instance, ready) => {
      if (ready && !run.ready) events.lifecycle('instance-ready', instanceUrl(instance.name), instance.project);
      run.ready = ready;
    },
    imageFile: async (instance, fingerprint) => {
      const image = await images.get(instance.project, fingerprint);
      if (!image.public && !image.cached) throw notFound('Image not found');
      return (await images.files(image)).main;
    },
  });
  listeners.push(await listenUnix(router, directories.socket, gid));
  await https.open();
  log.info({ socket: directories.socket }, 'Ready');
  const background = lifecycle.autostart(await all());
  schedule.run();
  const backupExpiry = every(minute, 'remove expired backups', backups.expire, log);
  const expiry = every(
    hour,
    'remove old logs',
    async () => expireLogs(directories.logs, new Set((await all()).map(handleOf))),
    log,
  );
  const imageTasks = imageRefresh.start();

  const drain = (): Promise<void> => operations.drain(Number(settings.get('core.shutdown_timeout') ?? 5) * 60_000);
  const close = async (): Promise<void> => {
    await Promise.all([...listeners, https, guestApi].map((listener) => listener[Symbol.asyncDispose]()));
    await drain();
    const tasks = [schedule, expiry, backupExpiry, imageTasks];
    await Promise.all([background, ...tasks.map((task) => task[Symbol.asyncDispose]())]);
    await Promise.all([local.close(), global.close()]);
  };

  return {
    stop: close,
    async shutdown({ force } = { force: false }) {
      if (!force) await drain();
      await lifecycle.shutdownAll(await all());
      await close();
    },
  };
};
