import { join } from 'node:path';
import { checkName, networkUrl } from '@lxd-ts/api';
import {
  type Config,
  type ConfigKey,
  changedKeys,
  conflict,
  type DeviceContext,
  type Network,
  type NetworkDriver,
  notFound,
  type Reservation,
  UndoStack,
  validateConfig,
  withoutEmpty,
} from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import type { Directories } from '../core/directories.ts';
import type { Locks } from '../core/locks.ts';
import type { Drivers } from '../drivers/registry.ts';
import type { Events } from '../events/bus.ts';
import { checkIfMatch } from '../http/etag.ts';
import type { ReservationOwner } from './reservations.ts';
import type { NetworkStore, StoredNetwork } from './store.ts';

export interface NetworkService {
  /** Starts all networks with the daemon; what fails is logged. @param reservations - of NICs that exist, by network name */
  startAll(): Promise<void>;
  list(project: string): Promise<readonly StoredNetwork[]>;
  find(project: string, name: string): Promise<StoredNetwork | undefined>;
  /** @throws LxdError not-found */
  get(project: string, name: string): Promise<StoredNetwork>;
  /** The live network. @throws LxdError not-found */
  open(project: string, name: string): Network;
  create(network: { name: string; project: string; type: string; description: string; config: Config }): Promise<void>;
  update(
    project: string,
    name: string,
    change: { description: string; config: Config },
    ifMatch: string | undefined,
  ): Promise<void>;
  rename(project: string, name: string, to: string): Promise<void>;
  delete(project: string, name: string): Promise<void>;
  /** For NIC devices. @throws LxdError not-found */
  forDevice(project: string, name: string): ReturnType<DeviceContext['network']>;
  /**
   * Sets the static assignment of a NIC to what `choose` says; no other NIC of the network gets one meanwhile.
   *
   * @throws LxdError not-found, conflict when another has the address or the name; what `choose` throws
   */
  reserve(project: string, name: string, owner: ReservationOwner, choose: () => Promise<Reservation>): Promise<void>;
  /** Drops the static assignment of a NIC. One that goes after its network went has none. */
  release(project: string, name: string, owner: ReservationOwner): Promise<void>;
  /**
   * Brings the assignments in line with the configuration after an instance was deleted or renamed or its NICs changed.
   * Leases of NICs that are gone are forgotten. Failures are logged: the instance has changed already.
   */
  syncReservations(instance: Pick<ReservationOwner, 'project'> & { readonly name: string }): Promise<void>;
}

interface Parts {
  readonly store: NetworkStore;
  readonly drivers: Drivers;
  readonly directories: Directories;
  readonly locks: Locks;
  readonly events: Events;
  readonly log: Logger;
  /** URLs of instances and profiles that use a network. */
  readonly usedBy: (project: string, name: string) => Promise<readonly string[]>;
  /** The static assignments of all NICs on a network, from the configuration of instances. */
  readonly reservations: (name: string) => Promise<readonly Reservation[]>;
}

/** Static assignments by the key of their owner. */
type Reservations = Map<string, Reservation>;

interface Live {
  readonly stored: StoredNetwork;
  readonly driver: NetworkDriver;
  readonly network: Network;
  readonly reservations: Reservations;
}

const userKeys: ConfigKey = { key: 'user.*', type: 'string', description: 'Free-form keys' };

export const networkKeys = (driver: NetworkDriver): readonly ConfigKey[] => [...driver.config, userKeys];

/** The user-editable part of a network, of which its ETag is made. */
export const editableNetwork = ({
  description,
  config,
  type,
  name,
}: Pick<StoredNetwork, 'description' | 'config' | 'type' | 'name'>) => ({
  name,
  type,
  description,
  config,
});

const ownerKey = ({ project, instance, device }: ReservationOwner): string => `${project}/${instance}/${device}`;
const lockOf = (name: string): string => `network "${name}"`;
const reservationsLockOf = (name: string): string => `addresses of network "${name}"`;

export const createNetworkService = (parts: Parts): NetworkService => {
  const { store, drivers, directories, locks, events, log } = parts;
  const live = new Map<string, Live>();

  const openNetwork = (
    driver: NetworkDriver,
    { name, project, config }: Pick<StoredNetwork, 'name' | 'project' | 'config'>,
  ): Network =>
    driver.open({ name, project, config, directory: join(directories.networks, name), logs: directories.logs });

  const requireLive = (name: string): Live => {
    const found = live.get(name);
    if (!found) throw notFound(`Network "${name}" not found`);
    return found;
  };

  const environment = {
    usedSubnets: async () =>
      (await store.list()).flatMap(({ config }) =>
        ['ipv4.address', 'ipv6.address'].flatMap((key) => (config[key]?.includes('/') ? [config[key]] : [])),
      ),
  };

  const check = (driver: NetworkDriver, name: string, config: Config): void => {
    validateConfig(networkKeys(driver), config, 'network');
    driver.validate(name, config);
  };

  /** Replaces values that say `auto`; unlike at creation, keys that are absent stay absent. */
  const resolveAuto = async (driver: NetworkDriver, name: string, config: Config): Promise<Config> => {
    const auto = Object.keys(config).filter((key) => config[key] === 'auto');
    if (auto.length === 0) return config;
    const filled = await driver.fill(name, config, environment);
    return { ...config, ...Object.fromEntries(auto.map((key) => [key, filled[key] ?? 'auto'])) };
  };

  /** Keeps other assignments than before, unless the network refuses them. Under the lock of the network's assignments. */
  const replaceReservations = async ({ network, reservations }: Live, wanted: Reservations): Promise<void> => {
    await network.setReservations([...wanted.values()]);
    reservations.clear();
    for (const [key, one] of wanted) reservations.set(key, one);
  };

  return {
    async startAll() {
      await Promise.all(
        (await store.list()).map(async (stored) => {
          try {
            const driver = drivers.network(stored.type);
            const network = openNetwork(driver, stored);
            if (stored.state !== 'created') {
              log.warn({ network: stored.name }, 'Removing a network that was being created when the daemon died');
              await network.stop();
              await network.delete();
              await store.delete(stored);
              return;
            }
            const reservations = await parts.reservations(stored.name);
            const entry = {
              stored,
              driver,
              network,
              reservations: new Map(reservations.map((one) => [ownerKey(one), one])),
            };
            live.set(stored.name, entry);
            await network.start();
            await network.setReservations([...entry.reservations.values()]);
          } catch (error) {
            log.error({ err: error, network: stored.name }, 'Could not start the network');
          }
        }),
      );
    },

    list: (project) => store.list(project),
    find: (project, name) => store.find(project, name),
    get: (project, name) => store.get(project, name),
    open: (_project, name) => requireLive(name).network,

    async create({ name, project, type, description, config }) {
      checkName('network', name);
      const driver = drivers.network(type === '' ? 'bridge' : type);
      using _lock = await locks.hold(lockOf(name), 'create');
      const given = withoutEmpty(config);
      validateConfig(networkKeys(driver), given, 'network');
      const filled = await driver.fill(name, given, environment);
      check(driver, name, filled);
      await using undo = new UndoStack((what, error) =>
        log.error({ err: error, network: name }, `Could not undo: ${what}`),
      );
      const stored = await store.insert(
        { name, project, type: driver.name, description, config: filled },
        driver.features.memberConfig,
      );
      undo.add('remove the row', () => store.delete(stored));
      const network = openNetwork(driver, stored);
      await network.create();
      undo.add('remove the network', async () => {
        await network.stop();
        await network.delete();
      });
      await network.start();
      await store.markCreated(stored);
      undo.commit();
      live.set(name, { stored: { ...stored, state: 'created' }, driver, network, reservations: new Map() });
      events.lifecycle('network-created', networkUrl(name), project);
    },

    async update(project, name, change, ifMatch) {
      using _lock = await locks.hold(lockOf(name), 'update');
      const stored = await store.get(project, name);
      checkIfMatch(ifMatch, editableNetwork(stored));
      const entry = requireLive(name);
      const config = await resolveAuto(entry.driver, name, withoutEmpty(change.config));
      check(entry.driver, name, config);
      await entry.network.update(config, changedKeys(stored.config, config));
      await store.update(stored, { description: change.description, config }, entry.driver.features.memberConfig);
      live.set(name, { ...entry, stored: { ...stored, description: change.description, config } });
      events.lifecycle('network-updated', networkUrl(name), project);
    },

    async rename(project, name, to) {
      checkName('network', to);
      using _lock = await locks.hold(lockOf(name), 'rename');
      const stored = await store.get(project, name);
      if (await store.find(project, to)) throw conflict(`Network "${to}" already exists`);
      const users = await parts.usedBy(project, name);
      if (users.length > 0) throw conflict('Network is currently in use');
      const entry = requireLive(name);
      await using undo = new UndoStack((what, error) =>
        log.error({ err: error, network: name }, `Could not undo: ${what}`),
      );
      await store.rename(stored, to);
      undo.add('rename the row back', () => store.rename(stored, name));
      await entry.network.rename(to);
      undo.commit();
      live.delete(name);
      const renamed = { ...stored, name: to };
      const network = openNetwork(entry.driver, renamed);
      live.set(to, { ...entry, stored: renamed, network });
      await network.start();
      events.lifecycle('network-renamed', networkUrl(to), project, { old_name: name });
    },

    async delete(project, name) {
      using _lock = await locks.hold(lockOf(name), 'delete');
      const stored = await store.get(project, name);
      const users = await parts.usedBy(project, name);
      if (users.length > 0) throw conflict('The network is currently in use');
      const network = live.get(name)?.network ?? openNetwork(drivers.network(stored.type), stored);
      await network.stop();
      await network.delete();
      live.delete(name);
      await store.delete(stored);
      events.lifecycle('network-deleted', networkUrl(name), project);
    },

    forDevice(_project, name) {
      const { stored, network } = requireLive(name);
      return { config: stored.config, preset: network.nicPreset(), type: stored.type, leases: () => network.leases() };
    },

    async syncReservations({ project, name }) {
      const concerns = (one: Reservation): boolean => one.project === project && one.instance === name;
      for (const entry of live.values()) {
        const { stored, network, reservations } = entry;
        using _lock = await locks.wait(reservationsLockOf(stored.name), 'update');
        const configured = (await parts.reservations(stored.name)).filter(concerns);
        const before = [...reservations.values()].filter(concerns);
        if (before.length === 0 && configured.length === 0) continue;
        // Those of others stay: an address that was just chosen is in no configuration yet.
        const wanted = new Map([...reservations].filter(([, one]) => !concerns(one)));
        for (const one of configured) wanted.set(ownerKey(one), one);
        try {
          await replaceReservations(entry, wanted);
          const kept = new Set([...wanted.values()].map(({ hwaddr }) => hwaddr.toLowerCase()));
          for (const { hwaddr } of before) if (!kept.has(hwaddr.toLowerCase())) await network.forgetLeases(hwaddr);
        } catch (error) {
          log.warn({ err: error, network: stored.name }, 'Could not bring the assignments of addresses up to date');
        }
      }
    },

    async reserve(_project, name, owner, choose) {
      using _lock = await locks.wait(reservationsLockOf(name), 'reserve');
      const entry = requireLive(name);
      const { reservations, stored } = entry;
      const namesake = [...reservations.values()].find(
        ({ instance, project }) => instance === owner.instance && project !== owner.project,
      );
      if (namesake && stored.config['dns.mode'] !== 'none')
        throw conflict(`Instance DNS name "${owner.instance}" already used on network`);
      await replaceReservations(entry, new Map(reservations).set(ownerKey(owner), await choose()));
    },

    async release(_project, name, owner) {
      using _lock = await locks.wait(reservationsLockOf(name), 'release');
      const entry = live.get(name);
      if (!entry?.reservations.has(ownerKey(owner))) return;
      const wanted = new Map(entry.reservations);
      wanted.delete(ownerKey(owner));
      await replaceReservations(entry, wanted);
    },
  };
};
