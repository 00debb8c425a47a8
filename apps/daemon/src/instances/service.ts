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
  isTrue,
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
import { checkInstanceConfig, withServerKeys } from './config.ts';
import type { Hotplug } from './hotplug.ts';
import { type Devices, expand, type Instance, lockKey, rootDisk } from './instance.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Run, Runs } from './running.ts';
import type { InstanceChange, InstanceStore } from './store.ts';

/** What instances need of storage for their root volumes. */
export interface RootVolumes {
  delete(instance: Instance): Promise<void>;
  rename(instance: Instance, name: string): Promise<void>;
  /** Applies a changed root disk device: its size. */
  resize(instance: Instance, root: Config): Promise<void>;
  /** Writes `backup.yaml` so that the instance can be recovered without the database. */
  writeBackupFile(instance: Instance): Promise<void>;
}

export interface InstanceService {
  list(where: { project?: string; type?: InstanceType }): Promise<readonly Instance[]>;
  get(project: string, name: string): Promise<Instance>;
  runOf(instance: Instance): Run | undefined;
  /** Changes an instance, running or not. On failure everything is as before. */
  update(instance: Instance, change: InstanceChange): Promise<void>;
  /** Brings a running instance in line with a changed profile. */
  applyExpanded(before: Instance, after: Instance): Promise<void>;
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

/** Set on an instance that is being renamed: the old name. */
const renameKey = 'volatile.rename';

export const createInstanceService = (parts: Parts): InstanceService => {
  const { store, runs, lifecycle, devices, hotplug, volumes, locks, events, log } = parts;

  /** Removes, changes and adds devices of a running instance; undoes itself on failure. */
  const applyDevices = async (run: Run, before: Instance, after: Instance, undo: UndoStack): Promise<void> => {
    const idmap = await lifecycle.idmapOf(after);
    const detach = (instance: Instance, name: string, config: Config): Promise<void> =>
      hotplug.detach(run, instance, name, config);
    const attach = (instance: Instance, name: string, config: Config): Promise<void> =>
      hotplug.attach(run, instance, name, config, idmap);

    const was = before.expanded.devices;
    const is = after.expanded.devices;
    const isRoot = (config: Config | undefined): boolean => config?.['type'] === 'disk' && config['path'] === '/';
    /** Of the root disk, the limits alone can change while it runs; its size is the volume's business. */
    const limitRoot = async (name: string, old: Config, next: Config): Promise<void> => {
      const limitsOf = (config: Config): Config =>
        Object.fromEntries(Object.entries(config).filter(([key]) => key.startsWith('limits.')));
      const limited = (limits: Config): Config => ({ type: 'disk', path: '/', ...limitsOf(limits) });
      if (isDeepStrictEqual(limited(old), limited(next))) return;
      const { pid } = run.running;
      undo.add('restore the limits of the root disk', () =>
        devices.updateOne(before, { name, config: limited(old) }, limited(next), pid),
      );
      await devices.updateOne(after, { name, config: limited(next) }, limited(old), pid);
    };
    const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
    const changed = names.filter((name) => !isDeepStrictEqual(was[name], is[name]));
    const replaced = changed.filter((name) => !isRoot(was[name]) && !isRoot(is[name]));
    if (replaced.length > 0) await hotplug.changing(after, replaced);
    for (const name of changed) {
      const old = was[name];
      const next = is[name];
      if (isRoot(old) || isRoot(next)) {
        if (old && next) await limitRoot(name, old, next);
        continue;
      }
      if (
        old &&
        next &&
        old['type'] === next['type'] &&
        (await devices.updateOne(after, { name, config: next }, old, run.running.pid))
      ) {
        undo.add(`change device ${name} back`, () =>
          devices.updateOne(before, { name, config: old }, next, run.running.pid),
        );
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

  const applyExpanded = async (before: Instance, after: Instance): Promise<void> => {
    if (!isDeepStrictEqual(before.expanded.config, after.expanded.config))
      parts.drivers.instance(after.type).validate(after.expanded.config);
    const oldRoot = rootDisk(before.expanded.devices);
    const newRoot = requireRootDisk(after.expanded.devices);
    if (oldRoot && oldRoot.config['pool'] !== newRoot.config['pool']) {
      throw badRequest(
        `The pool of the root disk cannot be changed from "${oldRoot.config['pool']}" here: move the instance (lxc move --storage)`,
      );
    }
    await using undo = new UndoStack((what, error) =>
      log.error({ err: error, instance: before.name }, `Could not undo: ${what}`),
    );
    if (oldRoot && oldRoot.config['size'] !== newRoot.config['size']) {
      undo.add('restore the size of the root disk', () => volumes.resize(before, oldRoot.config));
      await volumes.resize(after, newRoot.config);
    }
    const run = runs.get(before);
    if (run) {
      await applyDevices(run, before, after, undo);
      const live = changedKeys(before.expanded.config, after.expanded.config).filter(isLive);
      if (live.length > 0) {
        undo.add('restore the live keys', () => run.running.update(before.expanded.config, live));
        await run.running.update(after.expanded.config, live);
      }
    }
    undo.commit();
  };

  /** Runs what changes devices and the record of them; after it, whatever came of it, they agree. */
  const untilSettled = async <T>(instance: Instance, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } finally {
      if (runs.get(instance)) await hotplug.settled(instance);
    }
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

    async applyExpanded(before, after) {
      await untilSettled(after, () => applyExpanded(before, after));
      if (!isDeepStrictEqual(nics(before), nics(after))) await parts.nicsChanged(after);
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
      const updated = await untilSettled(before, async () => {
        await applyExpanded(before, after);
        // Devices that came or went have left their marks in the volatile keys meanwhile.
        const now = await store.get(instance.project, instance.name);
        return store.update(now, { ...complete, config: withServerKeys(config, now.config) });
      });
      await volumes.writeBackupFile(updated);
      if (!isDeepStrictEqual(nics(before), nics(updated))) await parts.nicsChanged(updated);
      parts.guestEvents.changed(before, updated);
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
