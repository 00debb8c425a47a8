import { isDeepStrictEqual } from 'node:util';
import { checkName, instanceUrl } from '@lxd-ts/api';
import {
  type Attachment,
  badRequest,
  type Config,
  changedKeys,
  conflict,
  findKey,
  type InstanceType,
  isKind,
  isTrue,
  LxdError,
  UndoStack,
  withoutEmpty,
} from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import { instanceKeys } from '../config/instance-keys.ts';
import type { Locks } from '../core/locks.ts';
import { type DeviceManager, type DeviceSurroundings, requireRootDisk } from '../devices/manager.ts';
import type { GuestEvents } from '../devlxd/events.ts';
import type { Drivers } from '../drivers/registry.ts';
import type { Events } from '../events/bus.ts';
import type { Changing } from './attachments.ts';
import { checkInstanceConfig, withServerKeys } from './config.ts';
import { type Hotplug, limitsOfRoot } from './hotplug.ts';
import { type Devices, expand, type Instance, isRootDisk, lockKey, rootDisk } from './instance.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { RootSizes } from './root-size.ts';
import type { Run, Runs } from './running.ts';
import type { InstanceChange, InstanceStore } from './store.ts';

/** What instances need of storage for their root volumes. */
export interface RootVolumes {
  delete(instance: Instance): Promise<void>;
  rename(instance: Instance, name: string): Promise<void>;
  /** Writes `backup.yaml` so that the instance can be recovered without the database. */
  writeBackupFile(instance: Instance): Promise<void>;
}

/** An instance, and what it becomes. */
export interface InstanceDifference {
  readonly before: Instance;
  readonly after: Instance;
}

/** The change of a record, and the way back. */
export interface Replacement {
  save(): Promise<void>;
  restore(): Promise<void>;
}

export interface InstanceService {
  list(where: { project?: string; type?: InstanceType }): Promise<readonly Instance[]>;
  get(project: string, name: string): Promise<Instance>;
  runOf(instance: Instance): Run | undefined;
  /** Changes an instance, running or not. On failure everything is as before. */
  update(instance: Instance, change: InstanceChange): Promise<void>;
  /**
   * Changes a record that instances take from, a profile, and the instances with it: all of them, or nothing.
   *
   * @param changes - the instances as they are, and as the record makes them
   */
  follow(changes: readonly InstanceDifference[], record: Replacement): Promise<void>;
  rename(instance: Instance, name: string): Promise<void>;
  /** Brings what a device has attached to a running instance in line with what `wanted` tells (`DeviceContext.hotplug`). */
  hotplug: DeviceSurroundings['hotplug'];
  /** Deletes a stopped instance with everything that belongs to it. */
  delete(instance: Instance): Promise<void>;
  /** Finishes deletions and undoes creations that a crash cut short. */
  recover(): Promise<void>;
}

interface Parts {
  readonly store: InstanceStore;
  readonly runs: Runs;
  readonly lifecycle: Lifecycle;
  readonly devices: DeviceManager;
  readonly hotplug: Hotplug;
  readonly drivers: Drivers;
  readonly volumes: RootVolumes;
  readonly rootSizes: Pick<RootSizes, 'change'>;
  readonly locks: Locks;
  readonly events: Events;
  readonly log: Logger;
  /** Profile parts of a project by name, for the expansion of a change. */
  readonly profiles: (
    project: string,
    names: readonly string[],
  ) => Promise<readonly { config: Config; devices: Devices }[]>;
  readonly guestEvents: GuestEvents;
  /** NICs of the instance have changed, or it was deleted or renamed: networks forget what is gone. */
  readonly nicsChanged: (instance: Pick<Instance, 'name' | 'project'>) => Promise<void>;
  readonly removeSnapshots: (instance: Instance) => Promise<void>;
  /** Removes files kept for an instance outside its volume: logs, backups. */
  readonly removeFiles: (instance: Instance) => Promise<void>;
  readonly renameFiles: (instance: Instance, name: string) => Promise<void>;
}

const nics = ({ expanded }: Instance): [string, Config][] =>
  Object.entries(expanded.devices).filter(([, config]) => config['type'] === 'nic');

const isLive = (key: string): boolean => findKey(instanceKeys, key)?.live === true;

/** What of a change reaches an instance that runs. */
const changingOf = ({ before, after }: InstanceDifference): Changing => {
  const [was, is] = [before.expanded.devices, after.expanded.devices];
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  return {
    devices: names.filter((name) => !isDeepStrictEqual(was[name], is[name])),
    keys: changedKeys(before.expanded.config, after.expanded.config).filter(isLive),
  };
};

/** Set on an instance that is being renamed: the old name. */
const renameKey = 'volatile.rename';

export const createInstanceService = (parts: Parts): InstanceService => {
  const { store, runs, lifecycle, devices, hotplug, volumes, rootSizes, locks, events, log } = parts;

  const reachesRun = (change: InstanceDifference): boolean => {
    const { devices: changed, keys } = changingOf(change);
    return runs.get(change.before) !== undefined && changed.length + keys.length > 0;
  };

  /** An error that says which of several instances it is about. */
  const about = ({ name }: Instance, error: unknown): unknown =>
    isKind(error) ? new LxdError(error.kind, `Instance "${name}": ${error.message}`, { cause: error }) : error;

  const failedUndo =
    ({ name }: Instance) =>
    (what: string, error: unknown): void =>
      log.error({ err: error, instance: name }, `Could not undo: ${what}`);

  /** Removes, changes and adds devices of a running instance; undoes itself on failure. */
  const applyDevices = async (
    run: Run,
    { before, after }: InstanceDifference,
    changed: Changing['devices'],
    undo: UndoStack,
  ): Promise<void> => {
    const idmap = await lifecycle.idmapOf(after);
    const { pid } = run.running;
    const detach = (instance: Instance, name: string, config: Config): Promise<void> =>
      hotplug.detach(run, instance, name, config);
    const attach = (instance: Instance, name: string, config: Config): Promise<void> =>
      hotplug.attach(run, instance, name, config, idmap);

    const limitRoot = async (name: string, old: Config, next: Config): Promise<void> => {
      const [oldLimits, limits] = [limitsOfRoot(old), limitsOfRoot(next)];
      if (isDeepStrictEqual(oldLimits, limits)) return;
      undo.add('restore the limits of the root disk', () =>
        devices.updateOne(before, { name, config: oldLimits }, limits, pid),
      );
      await devices.updateOne(after, { name, config: limits }, oldLimits, pid);
    };
    for (const name of changed) {
      const old = before.expanded.devices[name];
      const next = after.expanded.devices[name];
      if (isRootDisk(old) || isRootDisk(next)) {
        if (old && next) await limitRoot(name, old, next);
        continue;
      }
      if (
        old &&
        next &&
        old['type'] === next['type'] &&
        (await devices.updateOne(after, { name, config: next }, old, pid))
      ) {
        undo.add(`change device ${name} back`, () => devices.updateOne(before, { name, config: old }, next, pid));
        continue;
      }
      if (old) {
        undo.add(`add device ${name} again`, () => attach(before, name, old));
        await detach(before, name, old);
      }
      if (next) {
        undo.add(`remove device ${name}`, () => detach(after, name, next));
        await attach(after, name, next);
      }
    }
  };

  const apply = async (change: InstanceDifference): Promise<void> => {
    const { before, after } = change;
    if (!isDeepStrictEqual(before.expanded.config, after.expanded.config))
      parts.drivers.instance(after.type).validate(after.expanded.config);
    const oldRoot = rootDisk(before.expanded.devices);
    const newRoot = requireRootDisk(after.expanded.devices);
    if (oldRoot && oldRoot.config['pool'] !== newRoot.config['pool']) {
      throw badRequest(
        `The pool of the root disk cannot be changed from "${oldRoot.config['pool']}" here: move the instance (lxc move --storage)`,
      );
    }
    await using undo = new UndoStack(failedUndo(before));
    const [oldSize, newSize] = [oldRoot?.config['size'], newRoot.config['size']];
    if (oldRoot && oldSize !== newSize) {
      undo.add('restore the size of the root disk', () => rootSizes.change(before, oldRoot, newSize));
      await rootSizes.change(after, newRoot, oldSize);
    }
    const run = runs.get(before);
    if (run) {
      const { devices: changed, keys } = changingOf(change);
      await applyDevices(run, change, changed, undo);
      if (keys.length > 0) {
        undo.add('restore the live keys', () => run.running.update(before.expanded.config, keys));
        await run.running.update(after.expanded.config, keys);
      }
    }
    undo.commit();
  };

  /**
   * Runs what changes instances and the record of them. Whatever comes of it, they agree after it; should the daemon die in it, then
   * after its next start.
   */
  const noted = async <T>(changes: readonly InstanceDifference[], work: () => Promise<T>): Promise<T> => {
    const concerned = changes.filter(reachesRun);
    for (const change of concerned) await hotplug.changing(change.before, changingOf(change));
    try {
      return await work();
    } finally {
      for (const { before } of concerned) await hotplug.settled(before);
    }
  };

  /** What follows from a change that was made. */
  const tell = async ({ before, after }: InstanceDifference): Promise<void> => {
    if (!isDeepStrictEqual(nics(before), nics(after))) await parts.nicsChanged(after);
    parts.guestEvents.changed(before, after);
  };

  const expandedWith = async (instance: Instance, change: InstanceChange): Promise<Instance> => {
    const next = { ...instance, ...change };
    return { ...next, expanded: expand(await parts.profiles(instance.project, next.profiles), next) };
  };

  const remove = async (instance: Instance): Promise<void> => {
    await store.markPending(instance.id);
    await parts.removeSnapshots(instance);
    await volumes.delete(instance);
    await parts.removeFiles(instance);
    await store.delete(instance.id);
    if (nics(instance).length > 0) await parts.nicsChanged(instance);
  };

  /** Finishes what a crash cut short about one instance. */
  const repair = async (instance: Instance): Promise<void> => {
    const old = instance.config[renameKey];
    if (instance.state !== 'ready') {
      log.warn({ instance: instance.name }, 'Removing an instance that was being made or deleted when the daemon died');
      await remove(instance);
    } else if (old !== undefined) {
      if (old !== instance.name) {
        await volumes.rename({ ...instance, name: old }, instance.name);
        await parts.renameFiles({ ...instance, name: old }, instance.name);
      }
      await store.setConfig(instance.id, { [renameKey]: '' });
    }
  };

  return {
    list: (where) => store.list(where),
    get: (project, name) => store.get(project, name),
    runOf: (instance) => runs.get(instance),

    async follow(changes, record) {
      await noted(changes, async () => {
        await using undo = new UndoStack((what, error) => log.error({ err: error }, `Could not undo: ${what}`));
        await record.save();
        undo.add('restore the record', () => record.restore());
        for (const change of changes) {
          const { before, after } = change;
          using _lock = reachesRun(change) ? await locks.wait(lockKey(before), 'update') : undefined;
          await apply(change).catch((error: unknown) => {
            throw about(before, error);
          });
          undo.add(`change instance "${before.name}" back`, () => apply({ before: after, after: before }));
        }
        undo.commit();
      });
      for (const change of changes) await tell(change);
    },

    async update(instance, change) {
      using _lock = await locks.wait(lockKey(instance), 'update');
      const before = await store.get(instance.project, instance.name);
      const config = withoutEmpty(change.config ? withServerKeys(change.config, before.config) : before.config);
      // `lxc copy --refresh` sends the source's record, with what the server keeps of the source: that is not meant. A copy that was
      // brought up to date before may have the source's identity already, but not its ids on another host.
      const foreign = ['volatile.uuid', 'volatile.idmap.current', 'volatile.idmap.next'].some(
        (key) => change.config?.[key] && change.config[key] !== before.config[key],
      );
      checkInstanceConfig(foreign ? config : withoutEmpty(change.config ?? {}), before.config, before.type);
      if (change.devices) devices.validate(change.devices, before.project, before.type);
      const complete = { ...change, config };
      const after = await expandedWith(before, complete);
      devices.validate(after.expanded.devices, before.project, undefined);
      await devices.checkAdded(after.expanded.devices, before.expanded.devices, before);
      const difference = { before, after };
      const updated = await noted([difference], async () => {
        await apply(difference);
        // Devices that came or went have left their marks in the volatile keys meanwhile.
        const now = await store.get(instance.project, instance.name);
        return store.update(now, { ...complete, config: withServerKeys(config, now.config) });
      });
      await volumes.writeBackupFile(updated);
      await tell({ before, after: updated });
      events.lifecycle('instance-updated', instanceUrl(instance.name), instance.project);
    },

    async hotplug(instance, device, wanted) {
      using _lock = await locks.own(lockKey(instance), 'update devices');
      const run = runs.get(instance);
      const next = run && (await wanted());
      if (!run || !next) return;
      const isAmong = (all: readonly Attachment[], one: Attachment): boolean =>
        all.some((other) => isDeepStrictEqual(other, one));
      for (const one of run.attachments.filter((has) => has.device === device && !isAmong(next, has))) {
        await run.running.detach(one);
        await hotplug.keep(
          run,
          instance,
          run.attachments.filter((other) => other !== one),
        );
      }
      for (const one of next.filter((wants) => !isAmong(run.attachments, wants))) {
        await run.running.attach(one);
        await hotplug.keep(run, instance, [...run.attachments, one]);
      }
    },

    async rename(instance, name) {
      checkName('instance', name);
      using _lock = await locks.hold(lockKey(instance), 'rename');
      if (runs.get(instance)) throw badRequest('Renaming of a running instance is not allowed: stop it first');
      if (await store.find(instance.project, name)) throw conflict(`Name "${name}" already in use`);
      await using undo = new UndoStack((what, error) =>
        log.error({ err: error, instance: instance.name }, `Could not undo: ${what}`),
      );
      undo.add('forget the renaming', () => store.setConfig(instance.id, { [renameKey]: '' }));
      await store.setConfig(instance.id, { [renameKey]: instance.name });
      undo.add('rename the row back', () => store.rename(instance, instance.name));
      await store.rename(instance, name);
      undo.add('rename the volume back', () => volumes.rename({ ...instance, name }, instance.name));
      await volumes.rename(instance, name);
      await parts.renameFiles(instance, name);
      await store.setConfig(instance.id, { [renameKey]: '' });
      undo.commit();
      if (nics(instance).length > 0) {
        await parts.nicsChanged(instance);
        await parts.nicsChanged({ ...instance, name });
      }
      events.lifecycle('instance-renamed', instanceUrl(name), instance.project, { old_name: instance.name });
    },

    async delete(instance) {
      using _lock = await locks.hold(lockKey(instance), 'delete');
      const current = await store.get(instance.project, instance.name);
      if (runs.get(current)) throw badRequest('The instance is currently running, stop it first or use --force');
      if (isTrue(current.expanded.config['security.protection.delete']))
        throw badRequest('Instance is protected (security.protection.delete)');
      await remove(current);
      events.lifecycle('instance-deleted', instanceUrl(current.name), current.project);
    },

    async recover() {
      for (const instance of await store.list()) {
        try {
          await repair(instance);
        } catch (error) {
          // A pool that is away, say. The mark stays, and so the next start tries again.
          log.error({ err: error, instance: instance.name }, 'Could not repair what a crash left of the instance');
        }
      }
    },
  };
};
