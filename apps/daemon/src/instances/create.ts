import { randomInt, randomUUID } from 'node:crypto';
import type { InstanceSource, InstancesPost } from '@lxd-ts/api';
import { checkName, instanceUrl } from '@lxd-ts/api';
import {
  badRequest,
  type Config,
  conflict,
  type Fill,
  isTrue,
  UndoStack,
  type Work,
  withoutEmpty,
} from '@lxd-ts/driver-kit';
import { randomHwaddr } from '@lxd-ts/host';
import type { Logger } from 'pino';
import type { Locks } from '../core/locks.ts';
import { type DeviceManager, requireRootDisk } from '../devices/manager.ts';
import type { Drivers } from '../drivers/registry.ts';
import type { Events } from '../events/bus.ts';
import type { RootSource, RootVolumeService } from '../storage/root-volumes.ts';
import { checkInstanceConfig } from './config.ts';
import { chooseIdMap, renderIdMap, type UsedRange } from './idmap.ts';
import { type Devices, expand, type Instance, lockKey, type ProfilePart } from './instance.ts';
import type { InstanceStore, NewInstance } from './store.ts';

/** An image an instance can be made from. */
export interface InstanceImage {
  readonly fingerprint: string;
  readonly type: Instance['type'];
  readonly architecture: string;
  readonly properties: Config;
  /** The profiles of an instance that names none. */
  readonly profiles: readonly string[];
  /** Writes the image's content into a new volume. */
  readonly unpack: Fill;
}

export interface CreationParts {
  readonly store: InstanceStore;
  readonly volumes: RootVolumeService;
  readonly devices: DeviceManager;
  readonly drivers: Drivers;
  readonly locks: Locks;
  readonly events: Events;
  readonly log: Logger;
  readonly architecture: string;
  /** The host's ids for containers. @throws LxdError when the host is not set up for unprivileged containers */
  readonly subIds: () => Promise<UsedRange>;
  readonly profiles: (
    project: string,
    names: readonly string[],
  ) => Promise<readonly { config: Config; devices: Devices }[]>;
  /** Finds the image a source names, fetching it first if it is elsewhere. @throws LxdError not-found */
  readonly image: (
    project: string,
    source: InstanceSource,
    type: Instance['type'],
    work: Work,
  ) => Promise<InstanceImage>;
  /** Records that an image was used. */
  readonly imageUsed: (project: string, fingerprint: string) => Promise<void>;
}

/** A new instance whose request was checked: nothing is made yet. */
export interface PreparedInstance {
  readonly name: string;
  readonly project: string;
  /** Makes it. @throws LxdError; then nothing is left */
  create(work: Work): Promise<Instance>;
}

export interface Creation {
  /** Checks a request as far as that needs no download. @throws LxdError */
  prepare(project: string, request: InstancesPost): Promise<PreparedInstance>;
  /**
   * Adds the row, makes the root volume, and marks the row ready.
   *
   * @param addRows - adds further rows to the new one before anything is made on the host
   */
  make(
    instance: Parameters<InstanceStore['insert']>[0],
    source: RootSource,
    work: Work,
    addRows?: (instance: Instance) => Promise<void>,
  ): Promise<Instance>;
  /**
   * Checks own and inherited configuration and devices against the instance's type and the profiles.
   *
   * @param inherited - what a copy takes over from its source where the request says nothing else
   * @returns own configuration and devices of the new instance
   */
  check(
    project: string,
    request: Pick<InstancesPost, 'config' | 'devices'>,
    type: Instance['type'],
    profiles: readonly string[],
    inherited?: ProfilePart,
  ): Promise<ProfilePart>;
}

const syllables = [
  'ba',
  'den',
  'fi',
  'gor',
  'ha',
  'kel',
  'lu',
  'mar',
  'ni',
  'pol',
  'ra',
  'sen',
  'ti',
  'vor',
  'wa',
  'zem',
];

/** A pronounceable name for an instance that was given none. */
export const randomName = (): string => {
  const word = (): string => Array.from({ length: 3 }, () => syllables[randomInt(syllables.length)]).join('');
  return `${word()}-${word()}`;
};

/** Keys that say who an instance is; a copy gets its own. */
export const newIdentity = (): Config => {
  const uuid = randomUUID();
  return { 'volatile.uuid': uuid, 'volatile.uuid.generation': uuid, 'volatile.cloud-init.instance-id': randomUUID() };
};

export const createCreation = (parts: CreationParts): Creation => {
  const { store, volumes, devices, drivers, locks, events, log } = parts;

  /** What is decided once and kept: the addresses of its NICs and the ids of its next start. */
  const initialState = async (instance: NewInstance): Promise<Config> => {
    const { config, devices: all } = expand(await parts.profiles(instance.project, instance.profiles), instance);
    const nics = Object.entries(all).filter(([, device]) => device['type'] === 'nic' && !device['hwaddr']);
    const addresses = nics.map(([name]): [string, string] => [`volatile.${name}.hwaddr`, randomHwaddr()]);
    const ids =
      instance.type === 'container'
        ? { 'volatile.idmap.base': '0', 'volatile.last_state.idmap': '[]', ...(await nextMap(config)) }
        : {};
    return { ...Object.fromEntries(addresses), ...ids };
  };

  /** An isolated container is given its range when it starts. */
  const nextMap = async (config: Config): Promise<Config> => {
    if (isTrue(config['security.idmap.isolated'])) return {};
    return { 'volatile.idmap.next': renderIdMap(chooseIdMap(config, { range: await parts.subIds(), used: [] })) };
  };

  const make: Creation['make'] = async (instance, source, work, addRows) => {
    using _lock = await locks.hold(lockKey(instance), 'create');
    await using undo = new UndoStack((what, error) =>
      log.error({ err: error, instance: instance.name }, `Could not undo: ${what}`),
    );
    const row = await store.insert({ ...instance, config: { ...(await initialState(instance)), ...instance.config } });
    undo.add('remove the row', () => store.delete(row.id));
    await addRows?.(row);
    await volumes.create(row, source, work);
    undo.add('remove the volume', () => volumes.delete(row));
    await volumes.writeBackupFile(row);
    await store.markReady(row.id);
    undo.commit();
    events.lifecycle('instance-created', instanceUrl(row.name), row.project, {
      type: row.type,
      'storage-pool': requireRootDisk(row.expanded.devices).config['pool'],
    });
    return store.get(row.project, row.name);
  };

  const check: Creation['check'] = async (
    project,
    request,
    type,
    profiles,
    inherited = { config: {}, devices: {} },
  ) => {
    const given = withoutEmpty(request.config);
    checkInstanceConfig(given, inherited.config, type);
    const config = { ...inherited.config, ...given };
    const own = { config, devices: { ...inherited.devices, ...request.devices } };
    devices.validate(own.devices, project, type);
    const expanded = expand(await parts.profiles(project, profiles), own);
    drivers.instance(type).validate(expanded.config);
    requireRootDisk(expanded.devices);
    devices.validate(expanded.devices, project, undefined);
    await devices.checkAdded(expanded.devices, {}, { project, name: '', type });
    return own;
  };

  const fromImage = async (project: string, request: InstancesPost, name: string, work: Work): Promise<Instance> => {
    const wanted = request.type === '' ? 'container' : request.type;
    const image = await parts.image(project, request.source, wanted, work);
    if (request.type !== '' && image.type !== request.type) {
      throw badRequest(`Requested image's type "${image.type}" doesn't match instance type "${request.type}"`);
    }
    drivers.instance(image.type);
    const profiles = request.profiles ?? image.profiles;
    const properties = Object.fromEntries(
      Object.entries(image.properties).map(([key, value]) => [`image.${key}`, value]),
    );
    const identity = {
      ...properties,
      'volatile.base_image': image.fingerprint,
      'volatile.apply_template': 'create',
      ...newIdentity(),
    };
    const own = await check(project, request, image.type, profiles);
    const making = make(
      {
        name,
        project,
        type: image.type,
        architecture: request.architecture || image.architecture,
        description: request.description,
        ephemeral: request.ephemeral,
        stateful: false,
        config: { ...own.config, ...identity },
        devices: own.devices,
        profiles,
      },
      { kind: 'image', fingerprint: image.fingerprint, unpack: image.unpack },
      work,
    );
    // Neither waits for the other.
    const [instance] = await Promise.all([making, parts.imageUsed(project, image.fingerprint)]);
    return instance;
  };

  const empty = async (project: string, request: InstancesPost, name: string, work: Work): Promise<Instance> => {
    const type = request.type === '' ? 'container' : request.type;
    drivers.instance(type);
    const profiles = request.profiles ?? ['default'];
    const own = await check(project, request, type, profiles);
    return make(
      {
        name,
        project,
        type,
        architecture: request.architecture || parts.architecture,
        description: request.description,
        ephemeral: request.ephemeral,
        stateful: false,
        config: { ...own.config, 'volatile.apply_template': 'create', ...newIdentity() },
        devices: own.devices,
        profiles,
      },
      { kind: 'empty' },
      work,
    );
  };

  return {
    make,
    check,

    async prepare(project, request) {
      const name = request.name === '' ? randomName() : request.name;
      checkName('instance', name);
      if (await store.find(project, name)) throw conflict(`Instance "${name}" already exists`);
      const { type } = request.source;
      if (type === 'image') return { name, project, create: (work) => fromImage(project, request, name, work) };
      if (type === 'none') return { name, project, create: (work) => empty(project, request, name, work) };
      throw badRequest(`Invalid source.type "${type}": use one of image, copy, migration, none`);
    },
  };
};
