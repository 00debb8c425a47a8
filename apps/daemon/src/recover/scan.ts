import { checkName } from '@lxd-ts/api';
import {
  badRequest,
  checkCredentials,
  conflict,
  type FoundVolume,
  LxdError,
  messageOf,
  type StoragePool,
} from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import type { Logger } from 'pino';
import type { BucketStore } from '../buckets/store.ts';
import type { DeviceManager } from '../devices/manager.ts';
import type { Drivers } from '../drivers/registry.ts';
import { inPool } from '../instances/backups-import.ts';
import { checkInstanceConfig } from '../instances/config.ts';
import { expand, type ProfilePart } from '../instances/instance.ts';
import type { InstanceStore } from '../instances/store.ts';
import type { NetworkStore } from '../networks/store.ts';
import type { ProfileStore } from '../profiles/store.ts';
import { ownerOf, type ProjectFeature } from '../projects/features.ts';
import type { ProjectStore } from '../projects/store.ts';
import type { Pool, PoolStore } from '../storage/pool-store.ts';
import type { Pools } from '../storage/pools.ts';
import type { VolumeStore } from '../storage/volume-store.ts';
import {
  type Findings,
  type FoundData,
  type Lost,
  type LostBucket,
  type LostInstance,
  type RequestedPool,
  wordFor,
} from './findings.ts';
import { type RecoveryRecord, readBucketRecord, readRecord } from './record.ts';

export interface ScanParts {
  readonly pools: Pools;
  readonly stores: {
    readonly pools: PoolStore;
    readonly volumes: VolumeStore;
    readonly buckets: BucketStore;
    readonly instances: InstanceStore;
    readonly projects: ProjectStore;
    readonly profiles: ProfileStore;
    readonly networks: NetworkStore;
  };
  readonly devices: DeviceManager;
  readonly drivers: Drivers;
  readonly log: Logger;
}

/** What the database knows, read once for a scan. */
interface Known {
  readonly projects: ReadonlyMap<string, { readonly config: Readonly<Record<string, string>> }>;
  /** By project and name. */
  readonly profiles: ReadonlyMap<string, ProfilePart>;
  readonly networks: ReadonlySet<string>;
  readonly instances: ReadonlySet<string>;
}

const keyOf = (project: string, name: string): string => `${project}/${name}`;

const readKnown = async ({ stores }: ScanParts): Promise<Known> => ({
  projects: new Map((await stores.projects.list()).map((one) => [one.name, one])),
  profiles: new Map((await stores.profiles.list()).map((one) => [keyOf(one.project, one.name), one])),
  networks: new Set((await stores.networks.list()).map((one) => keyOf(one.project, one.name))),
  instances: new Set((await stores.instances.list()).map((one) => keyOf(one.project, one.name))),
});

/** The project whose entities of a kind a project uses. */
const ownerIn = ({ projects }: Known, name: string, feature: ProjectFeature): string =>
  ownerOf({ name, config: projects.get(name)?.config ?? {} }, feature);

const isInstance = (found: FoundVolume): found is FoundData =>
  found.volume.type === 'container' || found.volume.type === 'virtual-machine';

const isCustom = (found: FoundVolume): found is FoundData => found.volume.type === 'custom';

/** Instances come last: they may use the others. */
const rank = (found: FoundVolume): number => (isCustom(found) ? 0 : isInstance(found) ? 2 : 1);

/** By project, custom volumes first, then buckets, then by name. */
const inOrder = (a: FoundVolume, b: FoundVolume): number =>
  a.volume.project.localeCompare(b.volume.project) || rank(a) - rank(b) || a.volume.name.localeCompare(b.volume.name);

/** What the profiles of an instance contribute: as they are here, or where one is missing as it was. */
const profileParts = (known: Known, record: RecoveryRecord): ProfilePart[] => {
  const { project, profiles } = record.container;
  const owner = ownerIn(known, project, 'features.profiles');
  return profiles.map(
    (name) =>
      known.profiles.get(keyOf(owner, name)) ??
      record.profiles.find((one) => one.name === name) ?? { config: {}, devices: {} },
  );
};

/** What an instance or volume needs that is not there. */
const missingFor = (known: Known, lost: Lost): string[] => {
  const { project } = lost.found.volume;
  if (!known.projects.has(project)) return [`Project "${project}"`];
  if (lost.kind !== 'instance') return [];
  const { container } = lost.record;
  const profilesOf = ownerIn(known, project, 'features.profiles');
  const networksOf = ownerIn(known, project, 'features.networks');
  const { devices } = expand(profileParts(known, lost.record), container);
  const networks = Object.values(devices).flatMap(({ type, network }) => (type === 'nic' && network ? [network] : []));
  return [
    ...container.profiles
      .filter((name) => !known.profiles.has(keyOf(profilesOf, name)))
      .map((name) => `Profile "${name}" in project "${profilesOf}"`),
    ...networks
      .filter((name) => !known.networks.has(keyOf(networksOf, name)))
      .map((name) => `Network "${name}" in project "${networksOf}"`),
  ];
};

/** The record against the volume it was found in. @throws LxdError as the end of a sentence about the instance */
const checkAgainstDisk = (record: RecoveryRecord, pool: string, { volume, snapshots }: FoundVolume): void => {
  const { container } = record;
  if (container.name !== volume.name)
    throw badRequest(`it has a different instance name in its backup file ("${container.name}")`);
  if (container.project !== volume.project)
    throw badRequest(`it has a different project name in its backup file ("${container.project}")`);
  if (container.type !== volume.type)
    throw badRequest(`it has a different instance type in its backup file ("${container.type}")`);
  if (record.pool.name !== pool) {
    throw badRequest(
      `it has pool name mismatch in its backup file ("${record.pool.name}" doesn't match's pool's "${pool}")`,
    );
  }
  const recorded = record.snapshots.map(({ name }) => name);
  for (const name of snapshots) checkName('instanceSnapshot', name);
  const extra = snapshots.filter((name) => !recorded.includes(name));
  const lacking = recorded.filter((name) => !snapshots.includes(name));
  if (extra.length + lacking.length > 0) {
    throw badRequest(
      `it has snapshot inconsistency: on disk only: ${extra.join(', ') || 'none'}; in its backup file only: ${lacking.join(', ') || 'none'}`,
    );
  }
};

/** Finds what is on disk and not in the database, and checks whether it can be recorded. Changes nothing. */
export const createScan = (parts: ScanParts) => {
  const { pools, stores, devices, drivers, log } = parts;

  /** Refuses a pool that cannot be recorded under that name. @returns the pool's record if it has one */
  const check = (asked: RequestedPool, all: readonly RequestedPool[], recorded: readonly Pool[]): Pool | undefined => {
    checkName('pool', asked.name);
    if (all.filter(({ name, driver }) => name === asked.name && driver !== '').length > 1)
      throw badRequest(`Storage pool "${asked.name}" is named twice`);
    const pool = recorded.find(({ name }) => name === asked.name);
    if (asked.driver === '') {
      if (!pool) throw badRequest(`Storage pool "${asked.name}" is unknown: its driver must be given`);
      return pool;
    }
    const { source } = asked.config;
    if (!pool) {
      const other = [...recorded, ...all].find(
        (one) => one.name !== asked.name && source && one.config['source'] === source,
      );
      if (other) throw conflict(`Storage pool "${other.name}" has the source "${source}" already`);
      return undefined;
    }
    if (pool.driver === asked.driver && pool.config['source'] === source) return pool;
    throw conflict(
      `A storage pool named "${asked.name}" exists already (driver ${pool.driver}, source "${pool.config['source'] ?? ''}"): rename or remove it first`,
    );
  };

  /** Checks an instance whose surroundings are all there, as for a new one. */
  const checkInstance = (known: Known, { record, pool, found }: LostInstance): void => {
    const { container } = record;
    const { project } = found.volume;
    checkName('instance', container.name);
    drivers.instance(container.type);
    const own = inPool(container.devices, profileParts(known, record), pool);
    checkInstanceConfig(container.config, container.config, container.type);
    devices.validate(own, project, container.type);
    devices.validate(expand(profileParts(known, record), { config: {}, devices: own }).devices, project, undefined);
  };

  /** The lost volume of an instance. @throws what is wrong with it */
  const readInstance = async (storage: StoragePool, pool: string, found: FoundData): Promise<LostInstance> => {
    await using mounted = await storage.mountVolume(found.volume);
    const record = await readRecord(mounted.path);
    checkAgainstDisk(record, pool, found);
    return { kind: 'instance', pool, found, record };
  };

  /** The lost volume of a bucket. @param taken - names of the buckets of the pool @throws what is wrong with it */
  const readBucket = async (
    storage: StoragePool,
    pool: string,
    found: FoundVolume,
    taken: ReadonlySet<string>,
  ): Promise<LostBucket> => {
    const { project, name } = found.volume;
    checkName('bucket', name);
    if (taken.has(name)) throw conflict('a bucket of another project has that name');
    await using mounted = await storage.mountVolume(found.volume);
    const record = await readBucketRecord(mounted.path);
    if (record && (record.name !== name || record.project !== project))
      throw badRequest(`it is bucket "${record.name}" in project "${record.project}" in its backup file`);
    for (const key of record?.keys ?? []) checkCredentials(key);
    return { kind: 'bucket', pool, found, record };
  };

  const scanPool = async (storage: StoragePool, pool: string, known: Known) => {
    const buckets = await stores.buckets.list({ pool });
    const taken = new Set(buckets.map(({ name }) => name));
    const rows = new Set([
      ...(await stores.volumes.list({ pool })).map(({ type, project, name }) => `${type} ${project} ${name}`),
      ...buckets.map(({ project, name }) => `bucket ${project} ${name}`),
    ]);
    const lost: Lost[] = [];
    const problems: string[] = [];
    const missing: string[] = [];
    for (const found of [...(await storage.listVolumes())].sort(inOrder)) {
      const { type, project, name } = found.volume;
      // Images are a cache: they are unpacked anew when they are wanted.
      if (type === 'image' || rows.has(`${type} ${project} ${name}`)) continue;
      try {
        if (isInstance(found) && known.instances.has(keyOf(project, name)))
          throw conflict('it already has instance DB record');
        if (isCustom(found)) checkName('volume', name);
        const one: Lost = isInstance(found)
          ? await readInstance(storage, pool, found)
          : isCustom(found)
            ? { kind: 'volume', pool, found }
            : await readBucket(storage, pool, found, taken);
        const lacking = missingFor(known, one);
        missing.push(...lacking);
        if (lacking.length === 0 && one.kind === 'instance') checkInstance(known, one);
        lost.push(one);
      } catch (error) {
        if (!(error instanceof LxdError) && !isErrno(error))
          log.error({ err: error, pool, volume: name }, 'Could not read the volume');
        problems.push(`${wordFor(found)} "${name}" in project "${project}" on pool "${pool}": ${messageOf(error)}`);
      }
    }
    return { lost, problems, missing };
  };

  /** How a pool is to be recorded: as an instance in it says, with what the user gave where it is now. */
  const recordOf = (asked: RequestedPool, lost: readonly Lost[]): RequestedPool => {
    const record = lost
      .flatMap((one) => (one.kind === 'instance' ? [one.record.pool] : []))
      .find(({ driver }) => driver === asked.driver);
    if (!record) return asked;
    return {
      ...asked,
      description: asked.description || record.description || '',
      config: { ...record.config, ...asked.config },
    };
  };

  return async (requested: readonly RequestedPool[]): Promise<Findings> => {
    const known = await readKnown(parts);
    const recorded = await stores.pools.list();
    const checked = requested
      .map((asked) => ({ asked, record: check(asked, requested, recorded) }))
      // A pool that is known and described besides is one.
      .filter(({ record }, at, all) => !record || all.findIndex((one) => one.record === record) === at);
    const lost: Lost[] = [];
    const problems: string[] = [];
    const missing = new Set<string>();
    const newPools: RequestedPool[] = [];
    for (const { asked, record } of checked) {
      const scanned = await (async () => {
        if (record) return scanPool((await pools.open(record.name)).storage, record.name, known);
        await using open = await pools.inspect(asked);
        // Awaited here: the pool is unmounted when this returns.
        return await scanPool(open.storage, asked.name, known);
      })();
      for (const one of scanned.lost) {
        const { project, name } = one.found.volume;
        const twin =
          one.kind === 'instance' &&
          lost.find(
            (other) =>
              other.kind === 'instance' && other.found.volume.project === project && other.found.volume.name === name,
          );
        if (twin)
          problems.push(
            `Instance "${name}" in project "${project}" on pool "${one.pool}": pool "${twin.pool}" has one of that name too`,
          );
        else lost.push(one);
      }
      problems.push(...scanned.problems);
      for (const one of scanned.missing) missing.add(one);
      if (!record && scanned.lost.length > 0) newPools.push(recordOf(asked, scanned.lost));
    }
    return { lost, newPools, missing: [...missing], problems };
  };
};
