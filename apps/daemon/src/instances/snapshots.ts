import { randomUUID } from 'node:crypto';
import { checkName, expiryDate, instanceSnapshotUrl, instanceUrl } from '@lxd-ts/api';
import { badRequest, type Config, conflict, notFound, UndoStack } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import type { Locks } from '../core/locks.ts';
import { requireRootDisk } from '../devices/manager.ts';
import type { Events } from '../events/bus.ts';
import { checkMayMake } from '../projects/restrictions.ts';
import type { RootSnapshots } from '../storage/root-snapshots.ts';
import type { RootVolumeService } from '../storage/root-volumes.ts';
import { type Instance, lockKey, type ProfilePart } from './instance.ts';
import type { Lifecycle } from './lifecycle.ts';
import { tellsOfIds } from './root-ids.ts';
import type { InstanceService } from './service.ts';
import { defaultPattern, snapshotName } from './snapshots-names.ts';
import { instanceAt, renderSnapshot } from './snapshots-render.ts';
import type { InstanceSnapshot, SnapshotStore } from './snapshots-store.ts';
import type { InstanceStore } from './store.ts';

export interface NewSnapshot {
  /** Empty: `snapshots.pattern` names it. */
  readonly name: string;
  readonly stateful: boolean;
  /** `undefined`: as `snapshots.expiry` says; `null`: never. */
  readonly expiresAt: Date | null | undefined;
}

/** Snapshots of instances. */
export interface SnapshotService {
  list(instance: Instance): Promise<readonly InstanceSnapshot[]>;
  /** @throws LxdError not-found */
  get(instance: Instance, name: string): Promise<InstanceSnapshot>;
  /** The wire form of all snapshots of instances, by instance, in a constant number of queries. */
  render(instances: readonly Instance[]): Promise<ReadonlyMap<number, ReturnType<typeof renderSnapshot>[]>>;
  /** @throws LxdError forbidden where the instance's project allows no snapshots */
  checkMayCreate(instance: Instance): Promise<void>;
  /** Takes a snapshot and returns its name. On failure nothing is left. @throws LxdError forbidden where the project restricts it */
  create(instance: Instance, snapshot: NewSnapshot): Promise<string>;
  /** Like `create`, for a caller who holds the instance's lock. */
  take(instance: Instance, snapshot: NewSnapshot): Promise<string>;
  /**
   * Gives an instance a copy of another one's snapshot, for a caller who holds the instance's lock and tells `received` in the end.
   *
   * @param make - makes what stands for it in the pool
   */
  receive(instance: Instance, snapshot: InstanceSnapshot, make: () => Promise<void>): Promise<void>;
  /** Publishes that copied snapshots are there. */
  received(instance: Instance, copied: readonly Pick<InstanceSnapshot, 'name'>[]): void;
  setExpiry(instance: Instance, name: string, expiresAt: Date | undefined): Promise<void>;
  rename(instance: Instance, name: string, to: string): Promise<void>;
  delete(instance: Instance, name: string): Promise<void>;
  /** Like `delete`, for a caller who holds the instance's lock. */
  remove(instance: Instance, snapshot: InstanceSnapshot): Promise<void>;
  /** Deletes all snapshots of an instance that is being deleted, newest first. */
  removeAll(instance: Instance): Promise<void>;
  /** Makes the instance what it was; one that runs is stopped and started again. */
  restore(instance: Instance, name: string, stateful: boolean): Promise<void>;
  /** Finishes deletions, renamings and restorations that a crash cut short, and undoes creations. */
  recover(): Promise<void>;
}

interface Parts {
  readonly store: InstanceStore;
  readonly snapshots: SnapshotStore;
  readonly volumes: RootVolumeService;
  readonly rootSnapshots: RootSnapshots;
  readonly instances: InstanceService;
  readonly lifecycle: Lifecycle;
  readonly locks: Locks;
  readonly events: Events;
  readonly log: Logger;
  readonly projectConfig: (project: string) => Promise<Config>;
  readonly profiles: (project: string, names: readonly string[]) => Promise<readonly ProfilePart[]>;
}

/** Set on a snapshot that is being renamed: the new name. */
const renameKey = 'volatile.rename';
/** Set on an instance that is being restored: the snapshot. */
const restoreKey = 'volatile.restore';

/** Server keys that say what the host has made of the instance, or who it is: they stay when it goes back in time. */
const isPresent = (key: string): boolean => /^volatile\.(?:uuid$|[^.]+\.(?!hwaddr$))/.test(key);
const isAddress = (key: string): boolean => /^volatile\.[^.]+\.hwaddr$/.test(key);

const pick = (config: Config, wanted: (key: string) => boolean): Config =>
  Object.fromEntries(Object.entries(config).filter(([key]) => wanted(key)));

/** The configuration after a restoration: the snapshot's, with what describes the present kept. */
const restoredConfig = (snapshot: Config, now: Config): Config => ({
  ...pick(now, isAddress),
  ...pick(snapshot, (key) => !isPresent(key) && key !== renameKey),
  ...pick(now, (key) => isPresent(key) && !tellsOfIds(key)),
  ...pick(snapshot, tellsOfIds),
  'volatile.uuid.generation': randomUUID(),
});

export const createSnapshots = (parts: Parts): SnapshotService => {
  const { store, snapshots, volumes, rootSnapshots, lifecycle, locks, events, log } = parts;

  const publish = (
    action: 'created' | 'deleted' | 'renamed' | 'updated',
    instance: Instance,
    name: string,
    context?: Record<string, unknown>,
  ): void =>
    events.lifecycle(
      `instance-snapshot-${action}`,
      instanceSnapshotUrl(instance.name, name),
      instance.project,
      context,
    );

  const take: SnapshotService['take'] = async (instance, { name: given, stateful, expiresAt }) => {
    const running = parts.instances.runOf(instance) !== undefined;
    if (stateful && !running) throw badRequest("Unable to create a stateful snapshot. The instance isn't running");
    if (stateful) {
      throw badRequest(
        `Stateful snapshots of a ${instance.type} are not supported on this server: take the snapshot without its run-time state`,
      );
    }
    const { config } = instance.expanded;
    const createdAt = new Date();
    const taken = (await snapshots.list(instance.id)).map((one) => one.name);
    const name = given === '' ? snapshotName(config['snapshots.pattern'] || defaultPattern, createdAt, taken) : given;
    checkName('instanceSnapshot', name);
    const expiry = expiresAt === undefined ? expiryDate(createdAt, config['snapshots.expiry'] ?? '') : expiresAt;
    const dates = { createdAt, expiresAt: expiry ?? undefined };
    await using undo = new UndoStack((what, error) =>
      log.error({ err: error, instance: instance.name, snapshot: name }, `Could not undo: ${what}`),
    );
    const row = await snapshots.insert({
      instanceId: instance.id,
      name,
      stateful,
      config: instance.config,
      devices: instance.devices,
      ...dates,
    });
    undo.add('remove the row', () => snapshots.delete(row.id));
    const { open } = await volumes.locate(instance);
    const make = (): Promise<void> => rootSnapshots.create(instance, name, dates);
    // Copying takes time, in which nothing may change; a snapshot by the file system is of one moment.
    await (open.driver.features.optimizedSnapshots ? make() : lifecycle.whileFrozen(instance, make));
    await snapshots.markReady(row.id);
    undo.commit();
    publish('created', instance, name);
    return name;
  };

  const remove: SnapshotService['remove'] = async (instance, snapshot) => {
    await snapshots.markPending(snapshot.id);
    await rootSnapshots.delete(instance, snapshot.name);
    await snapshots.delete(snapshot.id);
    publish('deleted', instance, snapshot.name);
  };

  const finishRename = async (instance: Instance, snapshot: InstanceSnapshot, to: string): Promise<void> => {
    await rootSnapshots.rename(instance, snapshot.name, to);
    await snapshots.rename(snapshot.id, to);
    await snapshots.setConfig(snapshot.id, { [renameKey]: '' });
  };

  const finishRestore = async (instance: Instance, snapshot: InstanceSnapshot): Promise<void> => {
    const inTheWay = await rootSnapshots.deletedByRestore(instance, snapshot.name);
    for (const one of (await snapshots.list(instance.id)).toReversed())
      if (inTheWay.includes(one.name)) await remove(instance, one);
    await rootSnapshots.restore(instance, snapshot.name);
    const now = await store.get(instance.project, instance.name);
    const { open } = await volumes.locate(instance);
    const then = instanceAt(now, snapshot, await parts.profiles(now.project, now.profiles));
    const root = requireRootDisk(then.expanded.devices);
    // The instance may have moved to another pool since, with all its snapshots.
    const moved =
      root.config['pool'] === open.pool.name ? {} : { [root.name]: { ...root.config, pool: open.pool.name } };
    await store.update(now, {
      config: restoredConfig(snapshot.config, now.config),
      devices: { ...snapshot.devices, ...moved },
      stateful: snapshot.stateful,
    });
    await volumes.writeBackupFile(await store.get(instance.project, instance.name));
  };

  const checkMayCreate = async ({ project }: Instance): Promise<void> =>
    checkMayMake('snapshots', { name: project, config: await parts.projectConfig(project) });

  return {
    take,
    remove,

    list: async (instance) => (await snapshots.list(instance.id)).filter((one) => one.state === 'ready'),
    async get(instance, name) {
      const snapshot = await snapshots.get(instance, name);
      if (snapshot.state === 'ready') return snapshot;
      throw notFound(`Snapshot "${name}" of instance "${instance.name}" is still being made, or being deleted`);
    },

    async render(instances) {
      const [only] = instances;
      const all = await snapshots.list(instances.length === 1 ? only?.id : undefined);
      const own = Map.groupBy(
        all.filter((one) => one.state === 'ready'),
        (one) => one.instanceId,
      );
      const concerned = instances.filter((instance) => own.has(instance.id));
      if (concerned.length === 0) return new Map();
      const usageOf = await rootSnapshots.usages(concerned);
      const projects = new Map<string, Map<string, ProfilePart>>();
      for (const { project, profiles } of concerned) {
        const known = projects.get(project) ?? new Map<string, ProfilePart>();
        projects.set(project, known);
        const missing = profiles.filter((name) => !known.has(name));
        if (missing.length === 0) continue;
        for (const [at, part] of (await parts.profiles(project, missing)).entries()) known.set(missing[at] ?? '', part);
      }
      const none: ProfilePart = { config: {}, devices: {} };
      const rendered = concerned.map(async (instance) => {
        const profiles = instance.profiles.map((name) => projects.get(instance.project)?.get(name) ?? none);
        const wire = (own.get(instance.id) ?? []).map(async (snapshot) =>
          renderSnapshot(instance, snapshot, profiles, (await usageOf(instance, snapshot.name))?.used ?? -1),
        );
        return [instance.id, await Promise.all(wire)] as const;
      });
      return new Map(await Promise.all(rendered));
    },

    checkMayCreate,

    async create(instance, snapshot) {
      await checkMayCreate(instance);
      using _lock = await locks.wait(lockKey(instance), 'snapshot');
      const current = await store.get(instance.project, instance.name);
      const name = await take(current, snapshot);
      await volumes.writeBackupFile(current);
      return name;
    },

    async receive(instance, { name, stateful, config, devices, createdAt, expiresAt }, make) {
      const row = { instanceId: instance.id, name, stateful, config, devices, createdAt, expiresAt };
      const { id } = await snapshots.insert(row);
      try {
        await make();
        await snapshots.markReady(id);
      } catch (error) {
        await snapshots.delete(id);
        throw error;
      }
    },

    received: (instance, copied) => {
      for (const { name } of copied) publish('created', instance, name);
    },

    async setExpiry(instance, name, expiresAt) {
      using _lock = await locks.wait(lockKey(instance), 'update snapshot');
      const snapshot = await snapshots.get(instance, name);
      await rootSnapshots.setExpiry(instance, name, expiresAt);
      await snapshots.setExpiry(snapshot.id, expiresAt);
      await volumes.writeBackupFile(instance);
      publish('updated', instance, name);
    },

    async rename(instance, name, to) {
      checkName('instanceSnapshot', to);
      using _lock = await locks.wait(lockKey(instance), 'rename snapshot');
      const snapshot = await snapshots.get(instance, name);
      if ((await snapshots.list(instance.id)).some((one) => one.name === to))
        throw conflict(`Name '${instance.name}/${to}' already in use`);
      await snapshots.setConfig(snapshot.id, { [renameKey]: to });
      try {
        await finishRename(instance, snapshot, to);
      } catch (error) {
        await snapshots.setConfig(snapshot.id, { [renameKey]: '' });
        throw error;
      }
      await volumes.writeBackupFile(instance);
      publish('renamed', instance, to, { old_name: name });
    },

    async delete(instance, name) {
      using _lock = await locks.wait(lockKey(instance), 'delete snapshot');
      await remove(instance, await snapshots.get(instance, name));
      await volumes.writeBackupFile(instance);
    },

    async removeAll(instance) {
      for (const snapshot of (await snapshots.list(instance.id)).toReversed()) await remove(instance, snapshot);
    },

    async restore(instance, name, stateful) {
      using _lock = await locks.hold(lockKey(instance), 'restore');
      const snapshot = (await snapshots.list(instance.id)).find((one) => one.name === name && one.state === 'ready');
      if (!snapshot) throw badRequest(`Snapshot ${instance.name}/${name} does not exist`);
      if (stateful && !snapshot.stateful)
        throw badRequest('Stateful snapshot restore requested by snapshot is stateless');
      await lifecycle.whileStopped(instance, async () => {
        await store.setConfig(instance.id, { [restoreKey]: name });
        try {
          await finishRestore(instance, snapshot);
        } catch (error) {
          await store.setConfig(instance.id, { [restoreKey]: '' });
          throw error;
        }
      });
      events.lifecycle('instance-restored', instanceUrl(instance.name), instance.project, {
        snapshot: `${instance.name}/${name}`,
      });
    },

    async recover() {
      const all = Map.groupBy(await snapshots.list(), (one) => one.instanceId);
      for (const instance of await store.list()) {
        for (const snapshot of all.get(instance.id) ?? []) {
          try {
            const renamed = snapshot.config[renameKey];
            if (snapshot.state === 'pending') await remove(instance, snapshot);
            else if (renamed) await finishRename(instance, snapshot, renamed);
            else if (instance.config[restoreKey] === snapshot.name) await finishRestore(instance, snapshot);
          } catch (error) {
            log.error(
              { err: error, instance: instance.name, snapshot: snapshot.name },
              'Could not repair what a crash left of the snapshot',
            );
          }
        }
      }
    },
  };
};
