/** Containers that come from and go to other servers. */
import type { InstancesPost } from '@lxd-ts/api';
import { checkName } from '@lxd-ts/api';
import { badRequest, type Config, conflict, type Work } from '@lxd-ts/driver-kit';
import type { IdMap } from '@lxd-ts/host';
import type { Locks } from '../core/locks.ts';
import { requireRootDisk } from '../devices/manager.ts';
import { inPool } from '../instances/backups-import.ts';
import { type InstanceRecord, portable } from '../instances/backups-record.ts';
import { isHostState, isServerKey } from '../instances/config.ts';
import { type Creation, newIdentity, type PreparedInstance, randomName } from '../instances/create.ts';
import { renderIdMap } from '../instances/idmap.ts';
import { expand, type Instance, lockKey, type ProfilePart } from '../instances/instance.ts';
import type { Lifecycle } from '../instances/lifecycle.ts';
import { assertOneMap, idKeysOf, idsOnDisk, tellsOfIds } from '../instances/root-ids.ts';
import type { InstanceService } from '../instances/service.ts';
import type { SnapshotService } from '../instances/snapshots.ts';
import type { InstanceSnapshot } from '../instances/snapshots-store.ts';
import type { InstanceStore } from '../instances/store.ts';
import { snapshotIdsOf } from '../storage/copy-across.ts';
import type { Pools } from '../storage/pools.ts';
import type { RootSnapshots } from '../storage/root-snapshots.ts';
import type { RootVolumeService } from '../storage/root-volumes.ts';
import type { Connection } from './connection.ts';
import { chooseFormat, fillVolume, receiveStates } from './fill.ts';
import type { SentSnapshot } from './messages.ts';
import { type Arrival, receiveVolume } from './receive.ts';
import { sendVolume } from './send.ts';

export interface SendOptions {
  /** The snapshot to send instead of the instance as it is. */
  readonly snapshot?: string;
  /** With its run-time state. */
  readonly live: boolean;
  /** Without snapshots. */
  readonly instanceOnly: boolean;
  /** A source that runs is not frozen, and files that vanish meanwhile are no error. */
  readonly allowInconsistent: boolean;
}

/** Containers between this server and others. */
export interface InstanceMigration {
  /**
   * Checks whether an instance can be sent.
   *
   * @returns what sends it
   * @throws LxdError bad-request
   */
  prepareSending(
    instance: Instance,
    options: SendOptions,
  ): Promise<(connection: Connection, work: Work) => Promise<void>>;
  /** Checks a request for an instance that another server sends. @throws LxdError */
  prepareReceiving(
    project: string,
    request: InstancesPost,
  ): Promise<
    Pick<PreparedInstance, 'name' | 'project'> & {
      /** Makes it, or brings it up to date. On failure nothing new is left. */
      receive(connection: Connection, work: Work): Promise<Instance>;
    }
  >;
}

interface Parts {
  readonly store: InstanceStore;
  readonly instances: InstanceService;
  readonly creation: Creation;
  readonly snapshots: SnapshotService;
  readonly rootVolumes: RootVolumeService;
  readonly rootSnapshots: RootSnapshots;
  readonly pools: Pools;
  readonly lifecycle: Lifecycle;
  readonly locks: Locks;
  readonly profileParts: (project: string, names: readonly string[]) => Promise<readonly ProfilePart[]>;
  readonly record: (instance: Instance, withSnapshots: boolean) => Promise<InstanceRecord>;
}

const pick = (config: Config, wanted: (key: string) => boolean): Config =>
  Object.fromEntries(Object.entries(config).filter(([key]) => wanted(key)));

/** Server keys that a client may hand on to the new instance: what the image was, and addresses when it moves. */
const isHandedOn = (key: string): boolean =>
  key.startsWith('image.') || key === 'volatile.base_image' || /^volatile\.[^.]+\.hwaddr$/.test(key);

const sentSnapshot = (instance: Instance, snapshot: InstanceSnapshot): SentSnapshot => ({
  ...snapshot,
  config: portable(snapshot.config),
  profiles: instance.profiles,
  ephemeral: instance.ephemeral,
  architecture: instance.architecture,
});

/** To the second, which is all that the other server tells. */
const isSame = (a: InstanceSnapshot, b: SentSnapshot): boolean =>
  a.name === b.name && Math.floor(a.createdAt.getTime() / 1000) === Math.floor(b.createdAt.getTime() / 1000);

/** The description of an instance that goes before its data, with the names of LXD's Go structures. */
const indexOf = ({ container, snapshots, pool, profiles, volume, volume_snapshots }: InstanceRecord) => ({
  config: {
    Container: container,
    Snapshots: snapshots ?? null,
    Pool: pool,
    Profiles: profiles,
    Volume: volume,
    VolumeSnapshots: volume_snapshots ?? null,
  },
});

export const createInstanceMigration = (parts: Parts): InstanceMigration => {
  const { store, instances, creation, snapshots, rootVolumes, rootSnapshots, lifecycle, locks } = parts;

  const refuseMachines = ({ type }: Pick<Instance, 'type'>): void => {
    if (type !== 'container')
      throw badRequest(`Migrating instances of type ${type} between servers is not supported on this server`);
  };

  /** The pool that a new instance's root disk is in. @throws LxdError bad-request */
  const poolOf = async (project: string, request: InstancesPost): Promise<string> => {
    const profiles = await parts.profileParts(project, request.profiles ?? ['default']);
    return requireRootDisk(expand(profiles, request).devices).config['pool'] ?? '';
  };

  /** The snapshots that the other server has, as they are recorded here. */
  const recordsOf = (
    sent: readonly SentSnapshot[],
    profiles: readonly ProfilePart[],
    pool: string,
  ): (InstanceSnapshot & { state: 'ready' })[] =>
    sent.map(({ name, config, devices, createdAt, expiresAt }) => ({
      id: 0,
      instanceId: 0,
      state: 'ready',
      name,
      stateful: false,
      config: pick(config, (key) => !isHostState(key) || tellsOfIds(key)),
      devices: inPool(devices, profiles, pool),
      createdAt,
      expiresAt,
    }));

  const make = async (
    project: string,
    request: InstancesPost,
    name: string,
    arrival: Arrival,
    sent: readonly SentSnapshot[],
    idmap: IdMap,
  ): Promise<Instance> => {
    const profileNames = request.profiles ?? ['default'];
    const given = { ...request, config: pick(request.config, (key) => !isServerKey(key)) };
    const own = await creation.check(project, given, 'container', profileNames);
    const profiles = await parts.profileParts(project, profileNames);
    const records = recordsOf(sent, profiles, await poolOf(project, request));
    const made = await creation.make(
      {
        name,
        project,
        type: 'container',
        architecture: request.architecture,
        description: request.description,
        ephemeral: request.ephemeral,
        stateful: false,
        config: {
          ...pick(request.config, isHandedOn),
          ...own.config,
          ...newIdentity(),
          'volatile.apply_template': 'copy',
          'volatile.last_state.idmap': renderIdMap(idmap),
        },
        devices: own.devices,
        profiles: profileNames,
      },
      {
        kind: 'backup',
        snapshots: records,
        restore: ({ open, volume }) => fillVolume({ open, volume }, sent, arrival),
      },
      { signal: arrival.signal },
      async (row) => {
        for (const record of records) await snapshots.receive(row, record, async () => undefined);
      },
    );
    snapshots.received(made, records);
    return made;
  };

  const refresh = async (
    target: Instance,
    arrival: Arrival,
    sent: readonly SentSnapshot[],
    idmap: IdMap,
  ): Promise<Instance> => {
    const profiles = await parts.profileParts(target.project, target.profiles);
    const { open, volume } = await rootVolumes.locate(target);
    const receiveOnto = async (): Promise<void> => {
      await using mounted = await open.storage.mountVolume(volume);
      await arrival.receive(mounted);
    };
    const own = arrival.format === undefined ? undefined : receiveStates({ open, volume }, arrival);
    for (const record of recordsOf(sent, profiles, open.pool.name)) {
      if (!own) await receiveOnto();
      await snapshots.receive(target, record, () =>
        rootSnapshots.create(target, record.name, record, own && (() => own(record.name))),
      );
      snapshots.received(target, [record]);
    }
    await (own ? own(undefined) : receiveOnto());
    await store.setConfig(target.id, idKeysOf({ 'volatile.last_state.idmap': renderIdMap(idmap) }));
    const refreshed = await store.get(target.project, target.name);
    await rootVolumes.writeBackupFile(refreshed);
    return refreshed;
  };

  const stateOf = async (instance: Instance, snapshot: string | undefined): Promise<Instance | InstanceSnapshot> =>
    snapshot === undefined ? instance : snapshots.get(instance, snapshot);

  return {
    async prepareSending(instance, options) {
      refuseMachines(instance);
      if (options.live && options.snapshot === undefined && instances.runOf(instance)) {
        throw badRequest(
          'Unable to perform container live migration. This server moves containers without their run-time state: stop it first, or use --stateless',
        );
      }
      const { snapshot, instanceOnly, allowInconsistent } = options;
      assertOneMap((await stateOf(instance, snapshot)).config);
      return async (connection, work) => {
        using lock = await locks.wait(lockKey(instance), 'migrate', work.signal);
        const source = await store.get(instance.project, instance.name);
        const { config } = await stateOf(source, snapshot);
        const list = instanceOnly || snapshot !== undefined ? [] : await snapshots.list(source);
        const { open, volume } = await rootVolumes.locate(source);
        const { driver, storage } = open;
        await sendVolume(
          connection,
          {
            diskSize: undefined,
            header: {
              idmap: idsOnDisk(config),
              snapshots: list.map((one) => sentSnapshot(source, one)),
            },
            index: indexOf(await parts.record(source, list.length > 0)),
            poolConfig: open.pool.config,
            allowInconsistent,
            mount: (name) => rootVolumes.mount(source, name ?? snapshot),
            ...(driver.features.optimizedTransfer && storage.send
              ? {
                  own: {
                    format: driver.name,
                    bases: list.length > 0 ? await snapshotIdsOf({ open, volume }) : {},
                    send: async (name, base, to, sending) => {
                      const wanted = name ?? snapshot;
                      const state = wanted === undefined ? volume : { ...volume, snapshot: wanted };
                      await storage.send?.(state, base, to, sending);
                    },
                  },
                }
              : {}),
            whileStill: (send) =>
              snapshot !== undefined || allowInconsistent ? send() : lifecycle.whileFrozen(source, send),
            sent: () => lock[Symbol.dispose](),
          },
          work,
        );
      };
    },

    async prepareReceiving(project, request) {
      const name = request.name === '' ? randomName() : request.name;
      checkName('instance', name);
      refuseMachines({ type: request.type || 'container' });
      if (request.source.live)
        throw badRequest('Field "source.live": containers move without their run-time state here');
      const existing = await store.find(project, name);
      if (existing && !request.source.refresh) throw conflict(`Instance "${name}" already exists`);
      if (existing && instances.runOf(existing)) throw badRequest('Cannot refresh a running instance: stop it first');
      return {
        name,
        project,
        async receive(connection, work) {
          using lock = existing && (await locks.hold(lockKey(existing), 'refresh'));
          return receiveVolume<Instance>(
            connection,
            {
              disk: false,
              async choose(offer) {
                const { snapshots: offered } = offer;
                for (const one of offered) checkName('instanceSnapshot', one.name);
                if (!existing) {
                  const open = await parts.pools.open(await poolOf(project, request));
                  const how = await chooseFormat(open, undefined, offer, offered);
                  return { snapshots: offered, refresh: false, ...how };
                }
                const own = await snapshots.list(existing);
                for (const one of own)
                  if (!offered.some((other) => isSame(one, other))) await snapshots.remove(existing, one);
                const wanted = offered.filter((one) => !own.some((other) => isSame(other, one)));
                const { open, volume } = await rootVolumes.locate(existing);
                const how = await chooseFormat(open, volume, offer, wanted);
                return { snapshots: wanted, refresh: true, ...how };
              },
              async take({ idmap }, chosen, arrival) {
                if (!existing) return make(project, request, name, arrival, chosen, idmap);
                const refreshed = await refresh(existing, arrival, chosen, idmap);
                lock?.[Symbol.dispose]();
                return refreshed;
              },
            },
            work,
          );
        },
      };
    },
  };
};
