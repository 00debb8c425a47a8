/**
 * The composition root: makes every area of the daemon (`composition/`), and starts and stops them in order.
 * It alone names concrete drivers.
 */
import { mkdir } from 'node:fs/promises';
import { instanceUrl } from '@lxd-ts/api';
import { conflict, type Driver, notFound } from '@lxd-ts/driver-kit';
import { lockDirectory, releaseMemory } from '@lxd-ts/host';
import { lxc } from '@lxd-ts/instance-lxc';
import { bridge, bridgedNic, p2pNic } from '@lxd-ts/network-bridge';
import { btrfs } from '@lxd-ts/storage-btrfs';
import { ceph, cephfs, cephobject } from '@lxd-ts/storage-ceph';
import { dir } from '@lxd-ts/storage-dir';
import { lvm } from '@lxd-ts/storage-lvm';
import { zfs } from '@lxd-ts/storage-zfs';
import { type Areas, createApi } from './composition/api.ts';
import { type BaseOptions, openBase } from './composition/base.ts';
import { createBuckets } from './composition/buckets.ts';
import { createImages } from './composition/images.ts';
import { createInstances, type Instances } from './composition/instances.ts';
import { createNetworks } from './composition/networks.ts';
import { createStorage } from './composition/storage.ts';
import { whenAtRest } from './core/at-rest.ts';
import type { Directories } from './core/directories.ts';
import { every } from './core/every.ts';
import { everyMinute } from './core/schedule.ts';
import { deviceDrivers } from './devices/index.ts';
import { listenDevlxd } from './devlxd/server.ts';
import { listenUnix } from './http/server.ts';
import { handleOf, type Instance } from './instances/instance.ts';
import { expireLogs } from './instances/logs.ts';

/** The drivers this daemon comes with. Plug-ins add theirs. */
const drivers: readonly Driver[] = [
  dir,
  btrfs,
  lvm,
  zfs,
  ceph,
  cephfs,
  cephobject,
  bridge,
  lxc,
  bridgedNic,
  p2pNic,
  ...deviceDrivers,
];

const minute = 60 * 1000;
const hour = 60 * minute;

export interface DaemonOptions extends Omit<BaseOptions, 'drivers'> {
  /** The group that may use the local socket besides root. */
  readonly gid?: number;
  /** Called when a client asks for a host shutdown (`lxd shutdown`); calls `shutdown` in the end. */
  readonly onShutdown: (force: boolean) => void;
}

/** A daemon that answers. */
export interface Daemon {
  /** Stops answering; instances run on. Waits for running operations as `core.shutdown_timeout` says. */
  stop(): Promise<void>;
  /**
   * Host shutdown: stops all instances first, keeping their power state on record, and unmounts the storage pools at last. `force`: does
   * not wait for operations.
   */
  shutdown(options?: { force: boolean }): Promise<void>;
}

/** Brings up what is on record, and clears what a crash left half done. */
const recover = async ({ base, storage, buckets, networks, images, instances: area }: Areas): Promise<void> => {
  await storage.pools.openAll();
  await storage.ownData.open();
  await images.images.recover();
  await area.instances.recover();
  await area.rebuilding.recover();
  await storage.rootVolumes.recover();
  await storage.customVolumes.recover();
  await storage.volumeCopying.recover();
  await storage.volumeSnapshots.recover();
  await buckets.buckets.recover();
  await storage.volumeBackups.recover();
  await area.moving.recover();
  await area.snapshots.recover();
  await area.backups.recover();
  await area.importing.recover();
  await networks.startAll();
  await area.lifecycle.recover(await base.stores.instances.list());
};

/** The API that instances see at `/dev/lxd`. */
const listenToGuests = ({ base, images: { images }, instances: area }: Areas) => {
  const { log, events, directories, runs, stores } = base;
  return listenDevlxd({
    log,
    directory: directories.devlxd,
    events: area.guestEvents,
    runs: () => runs.all(),
    get: (project, name) => stores.instances.get(project, name),
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
};

/** What is done from time to time. */
const startTasks = ({ base, storage, images, instances: area }: Areas): readonly AsyncDisposable[] => {
  const { log, directories, stores } = base;
  const removeOldLogs = async (): Promise<void> =>
    expireLogs(directories.logs, new Set((await stores.instances.list()).map(handleOf)));
  return [
    everyMinute('take scheduled snapshots or delete expired ones', area.schedule.turn, log),
    everyMinute('take scheduled snapshots of volumes or delete expired ones', storage.volumeSchedule.turn, log),
    every(minute, 'remove expired backups', area.backups.expire, log),
    every(minute, 'remove expired backups of volumes', storage.volumeBackups.expire, log),
    every(hour, 'remove old logs', removeOldLogs, log),
    images.refresh.start(),
    whenAtRest({ quietMs: 10_000, longestMs: minute }, 'give back memory', releaseMemory, log),
  ];
};

/** Nobody else works in the directory until this is disposed of, or the process ends. @throws LxdError conflict */
const holdAlone = async ({ root }: Directories): Promise<Disposable> => {
  await mkdir(root, { recursive: true, mode: 0o711 });
  const lock = lockDirectory(root);
  if (!lock) throw conflict('LXD is already running');
  return lock;
};

const startAlone = async ({ gid, onShutdown, ...options }: DaemonOptions): Promise<Daemon> => {
  const base = await openBase({ ...options, drivers });
  const { directories, log, operations, settings, stores, local, global } = base;
  // A volume's record tells of its instance, which lies in a volume.
  const record: Instances['record'] = (instance, withSnapshots) => instances.record(instance, withSnapshots);
  const storage = createStorage(base, (instance) => record(instance, true));
  const buckets = createBuckets(base, storage);
  const networks = createNetworks(base);
  const images = createImages(base, storage);
  const instances = createInstances(base, storage, networks, images);
  const areas = { base, storage, buckets, networks, images, instances };
  const { router, https } = await createApi(areas, onShutdown);
  const all = (): Promise<readonly Instance[]> => stores.instances.list();

  await recover(areas);
  const guestApi = await listenToGuests(areas);
  // Before anybody can change the settings that say where.
  await https.open();
  await buckets.listener.open();
  const socket = await listenUnix(router, directories.socket, gid);
  log.info({ socket: directories.socket }, 'Ready');
  const autostart = instances.lifecycle.autostart(await all());
  const tasks = startTasks(areas);

  const drain = (): Promise<void> => operations.drain(Number(settings.get('core.shutdown_timeout') ?? 5) * 60_000);
  const stop = async (): Promise<void> => {
    const listeners = [socket, https, buckets.listener, guestApi];
    await Promise.all(listeners.map((listener) => listener[Symbol.asyncDispose]()));
    await drain();
    await Promise.all([autostart, ...[...tasks, buckets.served].map((one) => one[Symbol.asyncDispose]())]);
    await Promise.all([local.close(), global.close()]);
  };
  return {
    stop,
    async shutdown({ force } = { force: false }) {
      if (!force) await drain();
      await instances.lifecycle.shutdownAll(await all());
      await stop();
      await storage.ownData[Symbol.asyncDispose]();
      await storage.pools.closeAll();
    },
  };
};

/**
 * Starts the daemon and returns when it answers. Instances and networks come up in the background after that.
 *
 * @throws LxdError conflict when one works in the directory already
 */
export const startDaemon = async (options: DaemonOptions): Promise<Daemon> => {
  const alone = await holdAlone(options.directories);
  try {
    const daemon = await startAlone(options);
    return {
      async stop() {
        await daemon.stop();
        alone[Symbol.dispose]();
      },
      async shutdown(how) {
        await daemon.shutdown(how);
        alone[Symbol.dispose]();
      },
    };
  } catch (error) {
    alone[Symbol.dispose]();
    throw error;
  }
};
