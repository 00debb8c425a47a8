import { join, normalize } from 'node:path';
import {
  type Attachment,
  badRequest,
  type Config,
  conflict,
  type Device,
  type DeviceContext,
  type DeviceDriver,
  type InstanceType,
  isKind,
  LxdError,
  messageOf,
  type NicAttachment,
  type Reservation,
  UndoStack,
  validateConfig,
} from '@lxd-ts/driver-kit';
import type { IdMap } from '@lxd-ts/host';
import type { Logger } from 'pino';
import type { Directories } from '../core/directories.ts';
import type { Drivers } from '../drivers/registry.ts';
import { type Devices, handleOf, type Instance, rootDisk } from '../instances/instance.ts';
import type { ReservationOwner } from '../networks/reservations.ts';
import { stopStrangers } from './proxy/process.ts';

/** What device drivers may ask of the rest of the daemon. */
export interface DeviceSurroundings {
  readonly network: (project: string, name: string) => ReturnType<DeviceContext['network']>;
  readonly reserve: (
    project: string,
    network: string,
    device: ReservationOwner,
    choose: () => Promise<Reservation>,
  ) => Promise<void>;
  readonly release: (project: string, network: string, device: ReservationOwner) => Promise<void>;
  readonly volume: (
    instance: Instance,
    idmap: IdMap | undefined,
    pool: string,
    name: string,
  ) => ReturnType<DeviceContext['volume']>;
  /** Checks that an instance may attach a custom volume. @throws LxdError */
  readonly checkAttach: (
    project: string,
    pool: string,
    volume: string,
    instance: { readonly name: string; readonly type: InstanceType },
  ) => Promise<void>;
  readonly serverConfig: () => Config;
  /** Brings what a device has attached to a running instance in line with what `wanted` tells. */
  readonly hotplug: (
    instance: Pick<Instance, 'name' | 'project'>,
    device: string,
    wanted: Parameters<DeviceContext['hotplug']>[0],
  ) => Promise<void>;
}

/** Changes to an instance's `volatile.*` keys; an empty value removes the key. */
export type VolatileChanges = Record<string, string>;

/** Devices of one instance that are up. */
export interface StartedDevices {
  readonly attachments: readonly Attachment[];
  readonly volatile: VolatileChanges;
  afterStart(pid: number): Promise<void>;
}

export interface DeviceManager {
  /**
   * Checks the devices of an instance or profile.
   *
   * @param type - the instance's; unset for a profile, where what does not fit is ignored later
   * @throws LxdError bad-request naming the device and the key
   */
  validate(devices: Devices, project: string, type: InstanceType | undefined): void;
  /**
   * Checks what devices that an instance gets, or gets changed, attach.
   *
   * @throws LxdError naming the device
   */
  checkAdded(
    devices: Devices,
    before: Devices,
    instance: { readonly project: string; readonly name: string; readonly type: InstanceType },
  ): Promise<void>;
  /** Brings up all devices. On failure those that were up are down again. */
  startAll(instance: Instance, idmap: IdMap | undefined): Promise<StartedDevices>;
  /** Takes down all devices, those that a crash left included. Failures are logged: the instance is gone anyway. */
  stopAll(instance: Instance): Promise<VolatileChanges>;
  /**
   * Brings up one device of a running instance.
   *
   * @param present - what is attached already: a new NIC gets a name that is free
   * @throws LxdError bad-request when its type cannot be hot-plugged
   */
  startOne(
    instance: Instance,
    device: Device,
    run: { readonly idmap: IdMap | undefined; readonly pid: number; readonly present: readonly Attachment[] },
  ): Promise<StartedDevices>;
  /** Takes up the devices of an instance found by a new daemon: running, or (no pid) stopped meanwhile. Failures are logged. */
  recover(instance: Instance, idmap: IdMap | undefined, pid: number | undefined): Promise<void>;
  /** @param pid - of the instance's init, while it runs */
  stopOne(instance: Instance, device: Device, pid?: number): Promise<VolatileChanges>;
  /** Applies changed keys to a running device. @returns false when it must be removed and added anew */
  updateOne(instance: Instance, device: Device, before: Config, pid: number): Promise<boolean>;
}

const prefixed = (device: string, values: Config | undefined): VolatileChanges =>
  Object.fromEntries(Object.entries(values ?? {}).map(([key, value]) => [`volatile.${device}.${key}`, value]));

/** The `volatile.<device>.*` keys without their prefix. */
const volatileOf = (config: Config, device: string): Config => {
  const prefix = `volatile.${device}.`;
  return Object.fromEntries(
    Object.entries(config).flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [],
    ),
  );
};

/** Who has a reservation. */
const ownerOf = (instance: Instance, device: Device): ReservationOwner => ({
  instance: instance.name,
  project: instance.project,
  device: device.name,
});

/** The first free `ethN`. */
const freeNicName = (taken: ReadonlySet<string>): string => {
  for (let n = 0; ; n++) if (!taken.has(`eth${n}`)) return `eth${n}`;
};

export const createDeviceManager = (
  drivers: Drivers,
  surroundings: DeviceSurroundings,
  directories: Pick<Directories, 'devices' | 'logs'>,
  log: Logger,
): DeviceManager => {
  const nictypeOf = (project: string, config: Config): string | undefined =>
    config['type'] === 'nic' && config['network']
      ? surroundings.network(project, config['network']).preset.nictype
      : config['nictype'];

  const driverOf = (project: string, device: Device): DeviceDriver => {
    try {
      return drivers.device(device.config, nictypeOf(project, device.config));
    } catch (error) {
      throw isKind(error)
        ? new LxdError(error.kind, `Failed loading device "${device.name}": ${error.message}`, { cause: error })
        : error;
    }
  };

  /** The devices a driver of this instance type can handle; others come from profiles and are ignored (spec 03.11). */
  const devicesOf = (instance: Instance): Device[] =>
    Object.entries(instance.expanded.devices)
      .map(([name, config]) => ({ name, config }))
      .filter((device) => driverOf(instance.project, device).instanceTypes.includes(instance.type));

  const filesOf = (instance: Instance) => ({
    directory: join(directories.devices, handleOf(instance)),
    logs: join(directories.logs, handleOf(instance)),
  });

  const contextOf = (instance: Instance, device: Device, idmap: IdMap | undefined, pid?: number): DeviceContext => ({
    instance: {
      name: instance.name,
      project: instance.project,
      type: instance.type,
      config: instance.expanded.config,
      devices: instance.expanded.devices,
      ...(idmap ? { idmap } : {}),
      ...(pid === undefined ? {} : { pid }),
    },
    ...filesOf(instance),
    volatile: volatileOf(instance.config, device.name),
    server: surroundings.serverConfig(),
    network: (name) => surroundings.network(instance.project, name),
    reserve: (network, choose) => surroundings.reserve(instance.project, network, ownerOf(instance, device), choose),
    volume: (pool, name) => surroundings.volume(instance, idmap, pool, name),
    hotplug: (wanted) => surroundings.hotplug(instance, device.name, wanted),
    warn: (message) => log.warn({ instance: instance.name, project: instance.project, device: device.name }, message),
  });

  const start = async (instance: Instance, device: Device, idmap: IdMap | undefined, pid?: number) => {
    try {
      const started = await driverOf(instance.project, device).start(device, contextOf(instance, device, idmap, pid));
      return { device, started };
    } catch (error) {
      const message = `Failed to start device "${device.name}": ${messageOf(error)}`;
      throw new LxdError(isKind(error) ? error.kind : 'internal', message, { cause: error });
    }
  };

  const stop = async (instance: Instance, device: Device, pid?: number): Promise<VolatileChanges> => {
    const stopped = await driverOf(instance.project, device).stop(device, contextOf(instance, device, undefined, pid));
    return prefixed(device.name, stopped?.volatile);
  };

  /** Gives NICs without a name theirs: `eth0`, `eth1`, … in order of the devices. */
  const withNames = (attachments: readonly Attachment[], present: readonly Attachment[]): Attachment[] => {
    const taken = new Set(
      [...attachments, ...present].flatMap((one) => (one.kind === 'nic' && one.name !== '' ? [one.name] : [])),
    );
    return attachments.map((attachment): Attachment => {
      if (attachment.kind !== 'nic' || attachment.name !== '') return attachment;
      const name = freeNicName(taken);
      taken.add(name);
      return { ...attachment, name } satisfies NicAttachment;
    });
  };

  const collect = (
    results: readonly Awaited<ReturnType<typeof start>>[],
    present: readonly Attachment[] = [],
  ): StartedDevices => ({
    attachments: withNames(
      results.flatMap(({ started }) => started.attachments),
      present,
    ),
    volatile: Object.assign({}, ...results.map(({ device, started }) => prefixed(device.name, started.volatile))),
    async afterStart(pid) {
      for (const { started } of results) await started.afterStart?.(pid);
    },
  });

  /** The managed network whose DNS knows the instance by this NIC. */
  const namedOn = (project: string, { network, parent = '' }: Config): string | undefined => {
    try {
      const { config } = surroundings.network(project, network ?? parent);
      return config['dns.mode'] === 'none' ? undefined : (network ?? parent);
    } catch (error) {
      // A bridge that is not ours; a missing network is the driver's to complain about.
      if (isKind(error, 'not-found')) return undefined;
      throw error;
    }
  };

  /** Checks what devices of one instance may not have in common. */
  const validateTogether = (devices: Devices, project: string): void => {
    const paths = new Set<string>();
    const networks = new Set<string>();
    for (const [name, config] of Object.entries(devices)) {
      if (config['type'] === 'disk' && config['path']) {
        const path = normalize(`/${config['path']}/.`);
        if (paths.has(path)) {
          throw badRequest(
            `Invalid devices: Device validation failed for "${name}": More than one disk device uses the same path "${config['path']}"`,
          );
        }
        paths.add(path);
      }
      const network = config['type'] === 'nic' ? namedOn(project, config) : undefined;
      if (network === undefined) continue;
      if (networks.has(network)) {
        throw conflict(
          `Failed add validation for device "${name}": Instance DNS name already used on network "${network}"`,
        );
      }
      networks.add(network);
    }
  };

  return {
    validate(devices, project, type) {
      validateTogether(devices, project);
      for (const [name, config] of Object.entries(devices)) {
        if (name.length === 0 || name.length > 64)
          throw badRequest(`Invalid device name "${name}": give 1 to 64 characters`);
        if (name.includes('/')) throw badRequest(`Invalid device name "${name}": it may not contain "/"`);
        const device = { name, config };
        try {
          const driver = driverOf(project, device);
          if (type && !driver.instanceTypes.includes(type))
            throw badRequest(`Type "${config['type']}" is not supported by instances of type ${type}`);
          const { type: _type, ...keys } = config;
          validateConfig(driver.config, keys, 'device');
          driver.validate(device, type);
        } catch (error) {
          const message = `Invalid devices: Device validation failed for "${name}": ${messageOf(error)}`;
          throw new LxdError(isKind(error) ? error.kind : 'bad-request', message, { cause: error });
        }
      }
    },

    async checkAdded(devices, before, instance) {
      for (const [name, config] of Object.entries(devices)) {
        const { type, pool, source } = config;
        if (type !== 'disk' || !pool || !source) continue;
        if (before[name]?.['pool'] === pool && before[name]?.['source'] === source) continue;
        try {
          await surroundings.checkAttach(instance.project, pool, source, instance);
        } catch (error) {
          if (!isKind(error)) throw error;
          throw new LxdError(error.kind, `Failed add validation for device "${name}": ${error.message}`, {
            cause: error,
          });
        }
      }
    },

    async startAll(instance, idmap) {
      await using undo = new UndoStack((what, error) =>
        log.warn({ err: error, instance: instance.name }, `Could not undo: ${what}`),
      );
      const attempts = await Promise.allSettled(
        devicesOf(instance).map(async (device) => {
          undo.add(`stop device ${device.name}`, () => stop(instance, device));
          return start(instance, device, idmap);
        }),
      );
      const failed = attempts.find((attempt) => attempt.status === 'rejected');
      if (failed) throw failed.reason;
      undo.commit();
      return collect(attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : [])));
    },

    async stopAll(instance) {
      const changes = await Promise.all(
        devicesOf(instance).map(async (device) => {
          try {
            return await stop(instance, device);
          } catch (error) {
            log.error({ err: error, instance: instance.name, device: device.name }, 'Could not stop the device');
            return {};
          }
        }),
      );
      return Object.assign({}, ...changes);
    },

    async startOne(instance, device, { idmap, pid, present }) {
      const driver = driverOf(instance.project, device);
      if (!driver.hotplug.includes(instance.type)) {
        throw badRequest(
          `Device "${device.name}" cannot be added to a running ${instance.type}: stop the instance first`,
        );
      }
      return collect([await start(instance, device, idmap, pid)], present);
    },

    async recover(instance, idmap, pid) {
      if (pid !== undefined) await stopStrangers(filesOf(instance), new Set(Object.keys(instance.expanded.devices)));
      await Promise.all(
        devicesOf(instance).map(async (device) => {
          try {
            await driverOf(instance.project, device).recover?.(device, contextOf(instance, device, idmap, pid));
          } catch (error) {
            log.error({ err: error, instance: instance.name, device: device.name }, 'Could not take up the device');
          }
        }),
      );
    },

    async stopOne(instance, device, pid) {
      const changes = await stop(instance, device, pid);
      const network = device.config['network'] || device.config['parent'];
      // Another NIC may take over its address in the same change. Stopped with the instance, a NIC keeps it.
      if (device.config['type'] === 'nic' && network)
        await surroundings.release(instance.project, network, ownerOf(instance, device));
      return changes;
    },

    async updateOne(instance, device, before, pid) {
      const driver = driverOf(instance.project, device);
      const keys = new Set([...Object.keys(before), ...Object.keys(device.config)]);
      const changed = [...keys].filter((key) => before[key] !== device.config[key]);
      const allLive = changed.every((key) => driver.config.find((declared) => declared.key === key)?.live === true);
      if (!driver.update || !allLive) return false;
      await driver.update(device, before, contextOf(instance, device, undefined, pid));
      return true;
    },
  };
};

/** The root disk's device, or an error that says how to get one. */
export const requireRootDisk = (devices: Devices): Device => {
  const root = rootDisk(devices);
  if (!root)
    throw badRequest(
      'No root disk device found: add one to the instance or its profiles (type=disk path=/ pool=<pool>)',
    );
  return root;
};
