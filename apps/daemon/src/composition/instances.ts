/** Instances: their life, devices, snapshots, copies and backups. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { subordinateIds } from '@lxd-ts/host';
import { createDeviceManager } from '../devices/manager.ts';
import { createGuestEvents } from '../devlxd/events.ts';
import { createInstanceBackups } from '../instances/backups.ts';
import { createImporting } from '../instances/backups-import.ts';
import { instanceRecord } from '../instances/backups-record.ts';
import { createCopying } from '../instances/copy.ts';
import { createCreation } from '../instances/create.ts';
import { openFiles } from '../instances/files.ts';
import { createHotplug } from '../instances/hotplug.ts';
import { expand, handleOf, type Instance } from '../instances/instance.ts';
import { createLifecycle } from '../instances/lifecycle.ts';
import { moveLogs } from '../instances/logs.ts';
import { createInstanceMetadata } from '../instances/metadata.ts';
import { createMoving } from '../instances/move.ts';
import { createRebuilding } from '../instances/rebuild.ts';
import { checkRequirements } from '../instances/requirements.ts';
import { idsOnDisk } from '../instances/root-ids.ts';
import { createRootSizes } from '../instances/root-size.ts';
import { createSchedule } from '../instances/schedule.ts';
import { createInstanceService } from '../instances/service.ts';
import { createSnapshots } from '../instances/snapshots.ts';
import { prepareTemplates } from '../instances/templates.ts';
import { createInstanceMigration } from '../migration/instances.ts';
import { createProfileService } from '../profiles/service.ts';
import type { Base } from './base.ts';
import type { Images } from './images.ts';
import type { Networks } from './networks.ts';
import type { Storage } from './storage.ts';

/**
 * The ids that the host lets containers use: what the ranges for users and for groups have in common. Like LXD 5.0.2, it does not look
 * at those of Debian's user `_lxd`.
 */
const containerIds = async (): Promise<{ host: number; size: number }> => {
  const { uid, gid } = await subordinateIds({ users: ['lxd', 'root'] });
  const host = Math.max(uid.start, gid.start);
  return { host, size: Math.min(uid.start + uid.size, gid.start + gid.size) - host };
};

export const createInstances = (base: Base, storage: Storage, networks: Networks, images: Images) => {
  const { stores, runs, settings, directories, drivers, host, profileParts } = base;
  const { pools, rootVolumes, rootSnapshots, customVolumes } = storage;
  const store = stores.instances;
  const guestEvents = createGuestEvents();

  const devices = createDeviceManager(
    drivers,
    {
      network: (project, name) => networks.forDevice(project, name),
      reserve: networks.reserve,
      release: networks.release,
      volume: async (instance, idmap, pool, name) =>
        customVolumes.mount(
          { project: await storage.volumeProject(instance.project), pool, name },
          { instance: instance.name, idmap },
        ),
      checkAttach: async (project, pool, name, instance) =>
        customVolumes.checkAttach({ project: await storage.volumeProject(project), pool, name }, instance),
      serverConfig: () => settings.all(),
      hotplug: (instance, device, wanted) => instances.hotplug(instance, device, wanted),
    },
    directories,
    base.log,
  );
  const hotplug = createHotplug({ ...base, devices, store });
  const rootSizes = createRootSizes({ ...base, store, resize: rootVolumes.resize });
  const lifecycle = createLifecycle({
    ...base,
    devices,
    hotplug,
    store,
    mount: (instance) => rootVolumes.mount(instance),
    beforeMount: (instance) => rootSizes.catchUp(instance),
    subIds: containerIds,
    prepare: async (instance, volume) => {
      checkRequirements(instance);
      await schedule.atStart(instance);
      return prepareTemplates(instance, volume);
    },
    deleteEphemeral: (instance) => instances.delete(instance),
  });
  const instances = createInstanceService({
    ...base,
    store,
    lifecycle,
    devices,
    hotplug,
    volumes: rootVolumes,
    rootSizes,
    profiles: profileParts,
    guestEvents,
    removeSnapshots: (instance) => snapshots.removeAll(instance),
    nicsChanged: (instance) => networks.syncReservations(instance),
    removeFiles: async (instance) => {
      await rm(join(directories.logs, handleOf(instance)), { recursive: true, force: true });
      await backups.removeFiles(instance);
    },
    renameFiles: async (instance, name) => {
      await backups.renameFiles(instance, name);
      await moveLogs(
        join(directories.logs, handleOf(instance)),
        join(directories.logs, handleOf({ ...instance, name })),
      );
    },
  });
  const snapshots = createSnapshots({
    ...base,
    store,
    snapshots: stores.snapshots,
    volumes: rootVolumes,
    rootSnapshots,
    instances,
    lifecycle,
    profiles: profileParts,
  });
  const schedule = createSchedule({ ...base, store, instances, snapshots, snapshotStore: stores.snapshots });
  const creation = createCreation({
    ...base,
    store,
    volumes: rootVolumes,
    devices,
    architecture: host.architecture,
    subIds: containerIds,
    profiles: profileParts,
    image: images.forInstance,
    imageUsed: images.markUsed,
  });
  const copying = createCopying({
    ...base,
    store,
    instances,
    creation,
    snapshots,
    volumes: rootVolumes,
    rootSnapshots,
    pools,
    lifecycle,
    profiles: profileParts,
  });
  const record = async (instance: Instance, withSnapshots: boolean) => {
    const { open, row } = await rootVolumes.locate(instance);
    const known = new Map((await stores.profiles.list(instance.project)).map((profile) => [profile.name, profile]));
    return instanceRecord({
      instance,
      run: runs.get(instance),
      snapshots: withSnapshots ? ((await snapshots.render([instance])).get(instance.id) ?? []) : [],
      profiles: instance.profiles.flatMap((name) => known.get(name) ?? []),
      pool: open.pool,
      volume: row,
      volumeSnapshots: withSnapshots && row ? await stores.volumes.snapshots(row.id) : [],
    });
  };
  const backups = createInstanceBackups({
    ...base,
    store: stores.backups,
    instances: store,
    volumes: rootVolumes,
    lifecycle,
    directory: directories.backups,
    record,
    compression: () => settings.get('backups.compression_algorithm') ?? 'gzip',
  });
  const importing = createImporting({
    ...base,
    store,
    creation,
    snapshots,
    pools,
    profiles: profileParts,
    directory: directories.backups,
  });
  const moveParts = { ...base, store, instances, snapshots, volumes: rootVolumes, profiles: profileParts };

  return {
    instances,
    lifecycle,
    devices,
    guestEvents,
    snapshots,
    schedule,
    creation,
    copying,
    migration: createInstanceMigration({
      ...moveParts,
      pools,
      rootVolumes,
      rootSnapshots,
      creation,
      lifecycle,
      record,
    }),
    moving: createMoving(moveParts),
    rebuilding: createRebuilding({ ...moveParts, image: images.forInstance }),
    record,
    backups,
    importing,
    metadata: createInstanceMetadata({ ...base, mount: (instance) => rootVolumes.mount(instance) }),
    profiles: createProfileService({
      ...base,
      store: stores.profiles,
      devices,
      follow: async (profile, content, record) => {
        const changes = [];
        for (const { project, name } of profile.instances) {
          const before = await store.get(project, name);
          const parts = await profileParts(project, before.profiles);
          const changed = parts.map((part, at) => (before.profiles[at] === profile.name ? content : part));
          changes.push({ before, after: { ...before, expanded: expand(changed, before) } });
        }
        await instances.follow(changes, record);
      },
    }),
    /** An instance's files: of the run where it runs, else of its root volume. */
    files: async (instance: Instance) => {
      const run = runs.get(instance);
      if (run) return openFiles(`/proc/${run.running.pid}/root`, run.idmap, async () => undefined);
      const volume = await rootVolumes.mount(instance);
      const onDisk = idsOnDisk(instance.config);
      return openFiles(join(volume.path, 'rootfs'), onDisk.length > 0 ? onDisk : undefined, () =>
        Promise.resolve(volume[Symbol.asyncDispose]()),
      );
    },
  };
};

export type Instances = ReturnType<typeof createInstances>;
