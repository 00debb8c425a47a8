import type { InstancesPost } from '@lxd-ts/api';
import { checkName } from '@lxd-ts/api';
import { badRequest, type Config, conflict, isKind, notFound, type Work, withoutEmpty } from '@lxd-ts/driver-kit';
import type { Locks } from '../core/locks.ts';
import { requireRootDisk } from '../devices/manager.ts';
import { refreshing } from '../storage/copy-across.ts';
import type { OpenPool, Pools } from '../storage/pools.ts';
import type { RootSnapshots } from '../storage/root-snapshots.ts';
import type { RootVolumeService } from '../storage/root-volumes.ts';
import { type Creation, newIdentity, type PreparedInstance, randomName } from './create.ts';
import { expand, type Instance, lockKey, type ProfilePart } from './instance.ts';
import type { Lifecycle } from './lifecycle.ts';
import { idKeysOf } from './root-ids.ts';
import type { InstanceService } from './service.ts';
import type { SnapshotService } from './snapshots.ts';
import type { InstanceSnapshot } from './snapshots-store.ts';
import type { InstanceStore } from './store.ts';

/** A copy whose request was checked. */
export interface PreparedCopy extends PreparedInstance {
  readonly source: Instance;
}

export interface Copying {
  /**
   * Checks a request for a copy of an instance or snapshot of this server. With `source.refresh` an instance that is there already is
   * brought up to date instead.
   *
   * @throws LxdError
   */
  prepare(project: string, request: InstancesPost): Promise<PreparedCopy>;
}

interface Parts {
  readonly store: InstanceStore;
  readonly instances: InstanceService;
  readonly creation: Creation;
  readonly snapshots: SnapshotService;
  readonly volumes: RootVolumeService;
  readonly rootSnapshots: RootSnapshots;
  readonly pools: Pools;
  readonly lifecycle: Lifecycle;
  readonly locks: Locks;
  readonly profiles: (project: string, names: readonly string[]) => Promise<readonly ProfilePart[]>;
}

/** Server keys that a copy has in common with its source; all others say who and where an instance is. */
const isInherited = (key: string): boolean => !key.startsWith('volatile.') || key === 'volatile.base_image';

const inheritedOf = (config: Config): Config =>
  Object.fromEntries(Object.entries(config).filter(([key]) => isInherited(key)));

/** What is copied: an instance as it is, or as it was. */
interface Origin {
  readonly instance: Instance;
  readonly snapshot: InstanceSnapshot | undefined;
}

export const createCopying = (parts: Parts): Copying => {
  const { store, instances, creation, snapshots, volumes, rootSnapshots, pools, lifecycle, locks } = parts;

  const originOf = async (project: string, source: string): Promise<Origin> => {
    if (source === '') throw badRequest('Must specify a source instance');
    const [name = '', snapshot, ...more] = source.split('/');
    if (more.length > 0) throw badRequest(`Invalid source "${source}": write <instance> or <instance>/<snapshot>`);
    try {
      const instance = await instances.get(project, name);
      return { instance, snapshot: snapshot === undefined ? undefined : await snapshots.get(instance, snapshot) };
    } catch (error) {
      if (!isKind(error, 'not-found') || snapshot !== undefined) throw error;
      throw notFound(`Failed to fetch instance "${name}" in project "${project}": Instance not found`, {
        cause: error,
      });
    }
  };

  /** Runs the copying with a source that holds still, unless a driver copies it as of one moment or the caller waives that. */
  const fromStill = async <T>(
    origin: Origin,
    target: OpenPool,
    tolerant: boolean,
    copy: () => Promise<T>,
  ): Promise<T> => {
    const { open } = await volumes.locate(origin.instance);
    const { copyOnWrite, optimizedTransfer } = open.driver.features;
    const atOnce =
      open.pool.name === target.pool.name ? copyOnWrite : open.driver === target.driver && optimizedTransfer;
    return origin.snapshot || atOnce || tolerant ? copy() : lifecycle.whileFrozen(origin.instance, copy);
  };

  /** Snapshots are no part of it. */
  const isAlone = (origin: Origin, { source }: InstancesPost): boolean =>
    origin.snapshot !== undefined || source.instance_only || source.container_only;

  const make = async (project: string, request: InstancesPost, name: string, from: Origin, work: Work) => {
    using _lock = await locks.wait(lockKey(from.instance), 'copy', work.signal);
    // Asked again: it may have changed, or gone, while this waited.
    const origin = await originOf(from.instance.project, request.source.source);
    const { instance, snapshot } = origin;
    const profiles = request.profiles ?? instance.profiles;
    const then = snapshot ?? instance;
    const own = await creation.check(project, request, instance.type, profiles, {
      config: then.config,
      devices: then.devices,
    });
    const expanded = expand(await parts.profiles(project, profiles), own);
    const target = await pools.open(requireRootDisk(expanded.devices).config['pool'] ?? '');
    const copied = isAlone(origin, request) ? [] : await snapshots.list(instance);
    const tolerant = request.source.allow_inconsistent;
    const made = await fromStill(origin, target, tolerant, () =>
      creation.make(
        {
          name,
          project,
          type: instance.type,
          architecture: request.architecture || instance.architecture,
          description: request.description,
          ephemeral: request.ephemeral,
          stateful: false,
          config: {
            ...inheritedOf(own.config),
            ...(instance.type === 'container' ? withoutEmpty(idKeysOf(then.config)) : {}),
            ...newIdentity(),
            'volatile.apply_template': 'copy',
          },
          devices: own.devices,
          profiles,
        },
        {
          kind: 'copy',
          instance,
          ...(snapshot ? { snapshot: snapshot.name } : {}),
          snapshots: copied.map((one) => one.name),
          allowInconsistent: tolerant,
        },
        work,
        async (row) => {
          for (const one of copied) await snapshots.receive(row, one, async () => undefined);
        },
      ),
    );
    snapshots.received(made, copied);
    return made;
  };

  /** Takes away the snapshots that the source has no more. @returns all of the source's, and those that the target lacks, oldest first */
  const compareSnapshots = async (target: Instance, origin: Origin, request: InstancesPost) => {
    if (isAlone(origin, request)) return { theirs: [], lacking: [] };
    const theirs = await snapshots.list(origin.instance);
    const own = await snapshots.list(target);
    const same = (a: InstanceSnapshot, b: InstanceSnapshot): boolean =>
      a.name === b.name && a.createdAt.getTime() === b.createdAt.getTime();
    for (const one of own) if (!theirs.some((other) => same(one, other))) await snapshots.remove(target, one);
    return { theirs, lacking: theirs.filter((one) => !own.some((other) => same(one, other))) };
  };

  const refresh = async (existing: Instance, request: InstancesPost, from: Origin, work: Work): Promise<Instance> => {
    if (existing.id === from.instance.id) throw badRequest('An instance cannot be refreshed from itself');
    using _source = await locks.wait(lockKey(from.instance), 'copy', work.signal);
    using _target = await locks.hold(lockKey(existing), 'refresh');
    const origin = await originOf(from.instance.project, request.source.source);
    const target = await store.get(existing.project, existing.name);
    if (instances.runOf(target)) throw badRequest('Cannot refresh a running instance: stop it first');
    if (target.type !== origin.instance.type)
      throw badRequest(`The ${target.type} "${target.name}" cannot be refreshed from a ${origin.instance.type}`);
    const { theirs, lacking } = await compareSnapshots(target, origin, request);
    const allowInconsistent = request.source.allow_inconsistent;
    const copy = await refreshing(
      await volumes.locate(target),
      await volumes.locate(origin.instance, origin.snapshot?.name),
      theirs,
      lacking,
      { ...work, allowInconsistent },
    );
    for (const one of lacking) {
      await snapshots.receive(target, one, () =>
        rootSnapshots.create(target, one.name, one, () => copy.addSnapshot(one.name)),
      );
      snapshots.received(target, [one]);
    }
    const still = origin.snapshot || allowInconsistent || copy.ofOneMoment;
    await (still ? copy.finish() : lifecycle.whileFrozen(origin.instance, copy.finish));
    if (target.type === 'container')
      await store.setConfig(target.id, idKeysOf((origin.snapshot ?? origin.instance).config));
    const refreshed = await store.get(target.project, target.name);
    await volumes.writeBackupFile(refreshed);
    return refreshed;
  };

  return {
    async prepare(project, request) {
      const name = request.name === '' ? randomName() : request.name;
      checkName('instance', name);
      const origin = await originOf(request.source.project || project, request.source.source);
      const source = origin.instance;
      if (request.type !== '' && request.type !== source.type)
        throw badRequest(`The type of a copy is its source's, ${source.type}, not "${request.type}"`);
      const existing = await store.find(project, name);
      if (existing && !request.source.refresh) throw conflict(`Instance "${name}" already exists`);
      const create: PreparedInstance['create'] = existing
        ? (work) => refresh(existing, request, origin, work)
        : (work) => make(project, request, name, origin, work);
      return { name, project, source, create };
    },
  };
};
