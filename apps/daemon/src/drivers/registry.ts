import {
  badRequest,
  type Config,
  type DeviceDriver,
  type Driver,
  type InstanceDriver,
  type InstanceType,
  isKind,
  type NetworkDriver,
  notImplemented,
  type StorageDriver,
} from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';

/** A storage driver that works on this host, with the version it reports. */
export interface WorkingStorageDriver {
  readonly driver: StorageDriver;
  readonly version: string;
}

/** A backend that works on this host. */
export interface WorkingInstanceDriver {
  readonly driver: InstanceDriver;
  readonly version: string;
  readonly features: Readonly<Record<string, boolean>>;
}

/** The drivers of this daemon, its own and those of plug-ins, by the words users type. */
export interface Drivers {
  /** Adds a driver. @throws LxdError bad-request when one of that kind and name is there already */
  register(driver: Driver): void;
  /** Tries all drivers on this host; what does not work is logged with the reason and left out. */
  probe(): Promise<void>;
  /** @throws LxdError bad-request naming the drivers there are, or not-implemented with the reason why it does not work here */
  storage(name: string): StorageDriver;
  network(name: string): NetworkDriver;
  instance(type: InstanceType): InstanceDriver;
  /** The driver of a device. @param nictype - for NICs, from the device or its network */
  device(config: Config, nictype?: string): DeviceDriver;
  workingStorage(): readonly WorkingStorageDriver[];
  workingInstances(): readonly WorkingInstanceDriver[];
  networkNames(): readonly string[];
}

const deviceKey = (type: string, variant: string | undefined): string =>
  variant === undefined ? type : `${type} ${variant}`;

export const createDrivers = (log: Logger): Drivers => {
  const storage = new Map<string, StorageDriver>();
  const network = new Map<string, NetworkDriver>();
  const instance = new Map<InstanceType, InstanceDriver>();
  const device = new Map<string, DeviceDriver>();
  const broken = new Map<Driver, string>();
  const versions = new Map<StorageDriver, string>();
  const backends = new Map<InstanceDriver, Omit<WorkingInstanceDriver, 'driver'>>();

  const add = <K, D extends Driver>(map: Map<K, D>, key: K, driver: D): void => {
    if (map.has(key)) throw badRequest(`There is a ${driver.kind} driver "${String(key)}" already`);
    map.set(key, driver);
  };

  const working = <K, D extends Driver>(map: Map<K, D>, key: K, what: string): D => {
    const driver = map.get(key);
    if (!driver) throw badRequest(`Unknown ${what} "${String(key)}": use one of ${[...map.keys()].join(', ')}`);
    const reason = broken.get(driver);
    if (reason !== undefined)
      throw notImplemented(`The ${what} "${String(key)}" does not work on this host: ${reason}`);
    return driver;
  };

  const attempt = async (driver: Driver, name: string, probe: () => Promise<void>): Promise<void> => {
    try {
      await probe();
      broken.delete(driver);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      broken.set(driver, reason);
      log[isKind(error, 'not-implemented') ? 'info' : 'warn'](
        { driver: name, reason },
        `The ${driver.kind} driver does not work here`,
      );
    }
  };

  return {
    register(driver) {
      switch (driver.kind) {
        case 'storage':
          return add(storage, driver.name, driver);
        case 'network':
          return add(network, driver.name, driver);
        case 'instance':
          return add(instance, driver.type, driver);
        case 'device':
          return add(device, deviceKey(driver.type, driver.variant), driver);
      }
    },

    async probe() {
      await Promise.all([
        ...[...storage.values()].map((driver) =>
          attempt(driver, driver.name, async () => {
            versions.set(driver, (await driver.probe()).version);
          }),
        ),
        ...[...network.values()].map((driver) => attempt(driver, driver.name, () => driver.probe())),
        ...[...instance.values()].map((driver) =>
          attempt(driver, driver.name, async () => {
            backends.set(driver, await driver.probe());
          }),
        ),
      ]);
    },

    storage: (name) => working(storage, name, 'storage driver'),
    network: (name) => working(network, name, 'network type'),
    instance: (type) => working(instance, type, 'instance type'),

    device(config, nictype) {
      const type = config['type'] ?? '';
      const variant = type === 'nic' ? (nictype ?? config['nictype']) : undefined;
      const driver = device.get(deviceKey(type, variant)) ?? device.get(type);
      if (driver) return driver;
      if (type === 'nic' && variant)
        throw badRequest(`Unknown nictype "${variant}": use one of ${variantsOf(device, 'nic').join(', ')}`);
      if (type === 'nic') throw badRequest('A nic device needs one of the keys "network" and "nictype"');
      throw badRequest(
        `Unsupported device type "${type}": use one of ${[...new Set([...device.values()].map((one) => one.type))].join(', ')}`,
      );
    },

    workingStorage: () => [...versions].map(([driver, version]) => ({ driver, version })),
    workingInstances: () => [...backends].map(([driver, rest]) => ({ driver, ...rest })),
    networkNames: () => [...network.keys()],
  };
};

const variantsOf = (devices: Map<string, DeviceDriver>, type: string): string[] =>
  [...devices.values()].flatMap((driver) => (driver.type === type && driver.variant ? [driver.variant] : []));
