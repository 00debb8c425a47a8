import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { instanceUrl, type LifecycleAction } from '@lxd-ts/api';
import {
  type Attachment,
  badRequest,
  type Config,
  conflict,
  isKind,
  isTrue,
  isTrueOrUnset,
  LxdError,
  type Machine,
  type MountedVolume,
  messageOf,
  type RunningInstance,
  type StopReason,
  UndoStack,
} from '@lxd-ts/driver-kit';
import { type IdMap, parseIdMapJson } from '@lxd-ts/host';
import type { Logger } from 'pino';
import type { Directories } from '../core/directories.ts';
import type { Locks } from '../core/locks.ts';
import type { DeviceManager, VolatileChanges } from '../devices/manager.ts';
import type { Drivers } from '../drivers/registry.ts';
import type { Events } from '../events/bus.ts';
import { loadAttachments, saveAttachments } from './attachments.ts';
import type { Hotplug } from './hotplug.ts';
import { chooseIdMap, needsFreeIds, renderIdMap, type UsedRange } from './idmap.ts';
import { handleOf, type Instance, lockKey } from './instance.ts';
import { alignRootIds } from './root-ids.ts';
import type { Run, Runs } from './running.ts';
import type { InstanceStore } from './store.ts';

/** What starting and stopping needs of the rest of the daemon. */
export interface LifecycleParts {
  readonly log: Logger;
  readonly events: Events;
  readonly locks: Locks;
  readonly directories: Directories;
  readonly drivers: Drivers;
  readonly devices: DeviceManager;
  readonly hotplug: Pick<Hotplug, 'recover'>;
  readonly store: InstanceStore;
  readonly runs: Runs;
  /** Mounts the root volume. */
  readonly mount: (instance: Instance) => Promise<MountedVolume>;
  /** Ran before every start, before the root volume is mounted: sizes that waited. */
  readonly beforeMount: (instance: Instance) => Promise<void>;
  /** The host's ids for containers. @throws LxdError when the host is not set up for unprivileged containers */
  readonly subIds: () => Promise<Parameters<typeof chooseIdMap>[1]['range']>;
  /** Ran before every start with the volume mounted: templates. */
  readonly prepare: (instance: Instance, volume: MountedVolume) => Promise<VolatileChanges>;
  /** Deletes an ephemeral instance that stopped. */
  readonly deleteEphemeral: (instance: Instance) => Promise<void>;
}

export interface StopOptions {
  readonly force: boolean;
  /** Seconds to wait for a clean stop; −1: without end. */
  readonly timeout: number;
}

export interface Lifecycle {
  start(instance: Instance): Promise<void>;
  stop(instance: Instance, options: StopOptions): Promise<void>;
  restart(instance: Instance, options: StopOptions): Promise<void>;
  freeze(instance: Instance): Promise<void>;
  unfreeze(instance: Instance): Promise<void>;
  /**
   * Does something for which the instance must not run: one that runs is stopped by force and started again after, also
   * when `work` failed. The caller holds the instance's lock. A daemon that dies on the way starts it when it comes back.
   */
  whileStopped(instance: Instance, work: () => Promise<void>): Promise<void>;
  /**
   * Does something for which no process of the instance may write: one that runs is frozen meanwhile. The caller holds the
   * instance's lock. A daemon that dies on the way thaws it when it comes back.
   */
  whileFrozen<T>(instance: Instance, work: () => Promise<T>): Promise<T>;
  /** Takes up instances that run on from before a daemon restart; clears what a crash left of the others. */
  recover(instances: readonly Instance[]): Promise<void>;
  /** Starts what was running or is to start by itself, in order of priority (spec 03 §4). */
  autostart(instances: readonly Instance[]): Promise<void>;
  /** Host shutdown: stops all, keeping the power state on record. */
  shutdownAll(instances: readonly Instance[]): Promise<void>;
  /** The map a container would start with. */
  idmapOf(instance: Instance): Promise<IdMap | undefined>;
}

/** Set while the daemon has frozen an instance for its own work. */
const frozenKey = 'volatile.last_state.frozen';

export const createLifecycle = (parts: LifecycleParts): Lifecycle => {
  const { log, events, locks, directories, drivers, devices, hotplug, store, runs } = parts;

  /** Set while the host goes down: the power state on record must survive. */
  let keepPowerState = false;

  /** The host's ids that other isolated containers have. */
  const usedIds = async (instance: Instance): Promise<UsedRange[]> => {
    const others = await store.list({ type: 'container' });
    return others.flatMap((other) => {
      const { config } = other.expanded;
      const base = Number(config['volatile.idmap.base'] ?? 0);
      if (other.id === instance.id || base === 0) return [];
      return [{ host: base, size: Number(config['security.idmap.size'] ?? 65536) }];
    });
  };

  const idmapOf = async (instance: Instance): Promise<IdMap | undefined> => {
    if (instance.type !== 'container' || isTrue(instance.expanded.config['security.privileged'])) return undefined;
    const { config } = instance.expanded;
    return chooseIdMap(config, {
      range: await parts.subIds(),
      used: needsFreeIds(config) ? await usedIds(instance) : [],
    });
  };

  const machineOf = async (instance: Instance, path: string, idmap: IdMap | undefined): Promise<Machine> => {
    const handle = handleOf(instance);
    const logs = join(directories.logs, handle);
    const own = join(directories.devices, handle);
    await Promise.all([mkdir(logs, { recursive: true, mode: 0o711 }), mkdir(own, { recursive: true, mode: 0o711 })]);
    return {
      name: instance.name,
      project: instance.project,
      handle,
      architecture: instance.architecture,
      config: instance.expanded.config,
      path,
      logs,
      devices: own,
      ...(isTrueOrUnset(instance.expanded.config['security.devlxd']) ? { devlxd: directories.devlxd } : {}),
      ...(idmap ? { idmap } : {}),
    };
  };

  const isolatedBase = (config: Config, idmap: IdMap | undefined): string =>
    idmap?.[0] && (isTrue(config['security.idmap.isolated']) || config['security.idmap.base'])
      ? String(idmap[0].host)
      : '0';

  const lifecycleEvent = (action: LifecycleAction, instance: Instance): void =>
    events.lifecycle(action, instanceUrl(instance.name), instance.project);

  /** Takes down what the host holds for an instance that has stopped. */
  const clear = async (instance: Instance, volume: MountedVolume | undefined): Promise<void> => {
    const changes = await devices.stopAll(instance);
    if (!keepPowerState) changes['volatile.last_state.power'] = 'STOPPED';
    await volume?.[Symbol.asyncDispose]();
    await rm(join(directories.devices, handleOf(instance)), { recursive: true, force: true });
    await store.setConfig(instance.id, changes);
  };

  /** Deletes an ephemeral instance that has stopped, unless the host is going down. */
  const removeEphemeral = async (instance: Instance): Promise<void> => {
    if (instance.ephemeral && !keepPowerState) await parts.deleteEphemeral(instance);
  };

  /** Waits for the end of a run and does what follows from it. */
  const watch = (
    instance: Instance,
    running: RunningInstance,
    volume: MountedVolume,
    attachments: readonly Attachment[],
    idmap: IdMap | undefined,
  ): Run => {
    const cleaned = Promise.withResolvers<void>();
    const run: Run = {
      name: instance.name,
      project: instance.project,
      type: instance.type,
      running,
      volume,
      attachments,
      idmap,
      frozen: false,
      ready: false,
      cleaned: cleaned.promise,
    };
    runs.set(instance, run);

    const onStopped = async (reason: StopReason): Promise<void> => {
      // The record may have changed while it ran (renamed devices, other profiles): take the newest.
      const current = (await store.findById(instance.id)) ?? instance;
      try {
        await clear(current, volume);
      } catch (error) {
        log.error({ err: error, instance: instance.name }, 'Could not clear up after the instance stopped');
      }
      runs.delete(instance);
      cleaned.resolve();
      if (run.intent === 'restart') return;
      if (reason === 'reboot' && run.intent === undefined) {
        lifecycleEvent('instance-restarted', current);
        await start(current);
        return;
      }
      if (run.intent !== undefined) return;
      lifecycleEvent('instance-shutdown', current);
      await removeEphemeral(current);
    };

    running.stopped.then(onStopped).catch((error: unknown) => {
      log.error({ err: error, instance: instance.name }, 'Could not handle the stop of the instance');
    });
    return run;
  };

  const boot = async (instance: Instance): Promise<void> => {
    const driver = drivers.instance(instance.type);
    await using undo = new UndoStack((what, error) =>
      log.warn({ err: error, instance: instance.name }, `Could not undo: ${what}`),
    );
    const idmap = await idmapOf(instance);

    const mounting = parts.beforeMount(instance).then(() => parts.mount(instance));
    undo.add('unmount the root volume', async () => (await mounting)[Symbol.asyncDispose]());
    const starting = devices.startAll(instance, idmap);
    // The root volume and the devices have nothing to do with each other: both at once.
    const [mounted, started] = await Promise.allSettled([mounting, starting]);
    if (started.status === 'fulfilled') undo.add('stop the devices', () => devices.stopAll(instance));
    if (mounted.status === 'rejected') throw mounted.reason;
    if (started.status === 'rejected') throw started.reason;

    const remember = (changes: Config): Promise<void> => store.setConfig(instance.id, changes);
    const onDisk =
      instance.type === 'container' ? await alignRootIds(instance, mounted.value.path, idmap, remember) : [];
    const [prepared, plain] = await Promise.all([
      parts.prepare(instance, mounted.value),
      machineOf(instance, mounted.value.path, idmap),
    ]);
    const machine = onDisk.length > 0 ? { ...plain, diskIdmap: onDisk } : plain;
    await saveAttachments(machine.devices, started.value.attachments);
    const running = await driver.start(machine, started.value.attachments);
    undo.add('kill the instance', () => running.kill());
    await started.value.afterStart(running.pid);

    const map = renderIdMap(idmap);
    const changes = {
      ...prepared,
      ...started.value.volatile,
      ...(instance.type === 'container'
        ? {
            'volatile.idmap.base': isolatedBase(instance.expanded.config, idmap),
            'volatile.idmap.current': map,
            'volatile.idmap.next': map,
            'volatile.last_state.idmap': renderIdMap(onDisk),
          }
        : {}),
      'volatile.last_state.power': 'RUNNING',
    };
    await store.setConfig(instance.id, changes, new Date());
    undo.commit();
    watch(instance, running, mounted.value, started.value.attachments, idmap);
  };

  const start = async (instance: Instance): Promise<void> => {
    using _lock = await locks.hold(lockKey(instance), 'start');
    if (runs.get(instance)) throw badRequest('The instance is already running');
    try {
      await boot(await store.get(instance.project, instance.name));
    } catch (error) {
      const advice = `Try \`lxc info --show-log ${instance.name}\` for more info`;
      log.warn({ err: error, instance: instance.name }, 'The instance did not start');
      throw new LxdError(isKind(error) ? error.kind : 'internal', `${messageOf(error)}\n${advice}`, {
        cause: error,
      });
    }
    lifecycleEvent('instance-started', instance);
  };

  const requireRun = (instance: Instance): Run => {
    const run = runs.get(instance);
    if (!run) throw badRequest('The instance is already stopped');
    return run;
  };

  /** Ends a run and waits until everything is down. */
  const end = async (instance: Instance, run: Run, { force, timeout }: StopOptions): Promise<void> => {
    if (force) {
      await run.running.kill();
    } else {
      if (run.frozen) await run.running.unfreeze();
      await run.running.shutdown();
      if (timeout >= 0) {
        const late = Promise.withResolvers<'late'>();
        const timer = setTimeout(() => late.resolve('late'), timeout * 1000);
        const outcome = await Promise.race([run.running.stopped, late.promise]);
        clearTimeout(timer);
        if (outcome === 'late') {
          delete run.intent;
          throw conflict(
            `Failed shutting down instance, status is "${run.frozen ? 'Frozen' : 'Running'}": it did not stop within ${timeout} s. Stop it by force (--force)`,
          );
        }
      }
    }
    await run.running.stopped;
    await run.cleaned;
    log.debug({ instance: instance.name }, 'Stopped');
  };

  const stop = async (instance: Instance, options: StopOptions): Promise<void> => {
    {
      using _lock = await locks.hold(lockKey(instance), 'stop');
      const run = requireRun(instance);
      run.intent = 'stop';
      await end(instance, run, options);
      lifecycleEvent(options.force ? 'instance-stopped' : 'instance-shutdown', instance);
    }
    await removeEphemeral(instance);
  };

  const restart = async (instance: Instance, options: StopOptions): Promise<void> => {
    using _lock = await locks.hold(lockKey(instance), 'restart');
    const run = requireRun(instance);
    run.intent = 'restart';
    await end(instance, run, options);
    await boot(await store.get(instance.project, instance.name));
    lifecycleEvent('instance-restarted', instance);
  };

  const setFrozen = async (instance: Instance, frozen: boolean): Promise<void> => {
    using _lock = await locks.hold(lockKey(instance), frozen ? 'freeze' : 'unfreeze');
    const run = requireRun(instance);
    if (run.frozen === frozen)
      throw badRequest(frozen ? 'The instance is already frozen' : 'The instance is not frozen');
    await (frozen ? run.running.freeze() : run.running.unfreeze());
    run.frozen = frozen;
    lifecycleEvent(frozen ? 'instance-paused' : 'instance-resumed', instance);
  };

  const whileStopped: Lifecycle['whileStopped'] = async (instance, work) => {
    const run = runs.get(instance);
    if (!run) return work();
    run.intent = 'restart';
    await end(instance, run, { force: true, timeout: 0 });
    await store.setConfig(instance.id, { 'volatile.last_state.power': 'RUNNING' });
    try {
      await work();
    } finally {
      await boot(await store.get(instance.project, instance.name));
    }
    lifecycleEvent('instance-started', instance);
  };

  const thaw = async (instance: Instance, run: Run): Promise<void> => {
    if (runs.get(instance)) await run.running.unfreeze();
    await store.setConfig(instance.id, { [frozenKey]: '' });
  };

  const whileFrozen: Lifecycle['whileFrozen'] = async (instance, work) => {
    const run = runs.get(instance);
    if (!run || run.frozen) return work();
    await store.setConfig(instance.id, { [frozenKey]: 'true' });
    try {
      await run.running.freeze();
      return await work();
    } finally {
      await thaw(instance, run);
    }
  };

  const priority = (instance: Instance, key: string): number => Number(instance.expanded.config[key] ?? 0);

  return {
    start,
    stop,
    restart,
    freeze: (instance) => setFrozen(instance, true),
    unfreeze: (instance) => setFrozen(instance, false),
    whileStopped,
    whileFrozen,
    idmapOf,

    async recover(instances) {
      await Promise.all(
        instances.map(async (instance) => {
          try {
            const driver = drivers.instance(instance.type);
            // The map it runs with, which its configuration may no longer say.
            const current = parseIdMapJson(instance.config['volatile.idmap.current'] ?? '[]');
            const idmap = current.length > 0 ? current : undefined;
            const path = join(directories.root, 'containers', handleOf(instance));
            const machine = await machineOf(instance, path, idmap);
            const running = await driver.find(machine);
            if (running) {
              const run = watch(
                instance,
                running,
                await parts.mount(instance),
                await loadAttachments(machine.devices),
                idmap,
              );
              if (instance.config[frozenKey]) await thaw(instance, run);
              run.frozen = (await running.status()) === 'frozen';
              await devices.recover(instance, run.idmap, running.pid);
              await hotplug.recover(run, instance);
              return;
            }
            await driver.cleanup(machine);
            const wasRunning = instance.config['volatile.last_state.power'] === 'RUNNING';
            if (wasRunning) await devices.recover(instance, undefined, undefined);
            await store.setConfig(instance.id, { ...(await devices.stopAll(instance)), [frozenKey]: '' });
            if (wasRunning) log.info({ instance: instance.name }, 'The instance stopped while the daemon was away');
          } catch (error) {
            log.error({ err: error, instance: instance.name }, 'Could not take up the instance');
          }
        }),
      );
    },

    async autostart(instances) {
      const wanted = instances.filter((instance) => {
        const setting = instance.expanded.config['boot.autostart'];
        const last = instance.config['volatile.last_state.power'] === 'RUNNING';
        return !runs.get(instance) && (setting === undefined || setting === '' ? last : isTrue(setting));
      });
      const ordered = wanted.sort(
        (a, b) => priority(b, 'boot.autostart.priority') - priority(a, 'boot.autostart.priority'),
      );
      for (const instance of ordered) {
        try {
          await start(instance);
        } catch (error) {
          log.error({ err: error, instance: instance.name }, 'Could not start the instance with the daemon');
        }
        const delay = priority(instance, 'boot.autostart.delay');
        if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay * 1000));
      }
    },

    async shutdownAll(instances) {
      keepPowerState = true;
      const groups = Map.groupBy(
        instances.filter((instance) => runs.get(instance)),
        (instance) => priority(instance, 'boot.stop.priority'),
      );
      for (const level of [...groups.keys()].sort((a, b) => b - a)) {
        await Promise.all(
          (groups.get(level) ?? []).map(async (instance) => {
            const timeout = Number(instance.expanded.config['boot.host_shutdown_timeout'] ?? 30);
            try {
              await stop(instance, { force: false, timeout });
            } catch (error) {
              log.warn(
                { err: error, instance: instance.name },
                'The instance did not stop cleanly: stopping it by force',
              );
              if (runs.get(instance)) await stop(instance, { force: true, timeout: 0 });
            }
          }),
        );
      }
    },
  };
};
