import {
  imageUrl,
  instanceSnapshotUrl,
  instanceUrl,
  networkUrl,
  profileUrl,
  storageBucketUrl,
  storageVolumeSnapshotUrl,
  storageVolumeUrl,
} from '@lxd-ts/api';
import type { Config } from '@lxd-ts/driver-kit';
import type { BucketStore } from '../buckets/store.ts';
import type { ImageStore } from '../images/store.ts';
import type { Devices } from '../instances/instance.ts';
import type { SnapshotStore } from '../instances/snapshots-store.ts';
import type { InstanceStore } from '../instances/store.ts';
import type { NetworkStore } from '../networks/store.ts';
import type { ProfileStore } from '../profiles/store.ts';
import { ownerOf } from '../projects/features.ts';
import type { ProjectStore } from '../projects/store.ts';
import type { StoredVolume, VolumeStore } from '../storage/volume-store.ts';

interface Stores {
  readonly instances: InstanceStore;
  readonly snapshots: SnapshotStore;
  readonly profiles: ProfileStore;
  readonly networks: NetworkStore;
  readonly volumes: VolumeStore;
  readonly images: ImageStore;
  readonly buckets: BucketStore;
  readonly projects: ProjectStore;
}

/** Names a custom volume. */
interface VolumeKey {
  readonly pool: string;
  readonly project: string;
  readonly name: string;
}

/** Whether a device attaches the custom volume, where it is in an instance or profile that sees the volume's project. */
export const attaches =
  ({ pool, name }: VolumeKey) =>
  (device: Config): boolean =>
    device['type'] === 'disk' && device['pool'] === pool && device['source'] === name;

const joins =
  (network: string) =>
  (device: Config): boolean =>
    device['type'] === 'nic' && (device['network'] === network || device['parent'] === network);

const isIn =
  (pool: string) =>
  (device: Config): boolean =>
    device['type'] === 'disk' && device['pool'] === pool;

/** Who uses what, as URLs for `used_by` and for refusals to delete. */
export interface UsedBy {
  network(name: string): Promise<string[]>;
  pool(name: string): Promise<string[]>;
  /** What uses volumes of any type, in a constant number of queries. */
  volumes(all: readonly StoredVolume[]): Promise<(volume: StoredVolume) => string[]>;
  /** Images that are unpacked in a pool. They are a cache, and do not keep it. */
  imagesIn(pool: string): Promise<string[]>;
  /** Instances and profiles that attach a custom volume. */
  customVolume(name: VolumeKey): Promise<string[]>;
  /** Everything in a project. */
  project(name: string): Promise<string[]>;
}

export const createUsedBy = ({
  instances,
  snapshots,
  profiles,
  networks,
  volumes,
  images,
  buckets,
  projects,
}: Stores): UsedBy => {
  /**
   * Finds instances and profiles that have a device for which something holds.
   *
   * @param volumesOf - only those that see the custom volumes of this project; undefined: all
   */
  const deviceUsers = async (): Promise<(uses: (device: Config) => boolean, volumesOf?: string) => string[]> => {
    const [allInstances, allSnapshots, allProfiles, allProjects] = await Promise.all([
      instances.list(),
      snapshots.list(),
      profiles.list(),
      projects.list(),
    ]);
    const volumesSeenFrom = new Map(allProjects.map((one) => [one.name, ownerOf(one, 'features.storage.volumes')]));
    const snapshotsOf = Map.groupBy(allSnapshots, (snapshot) => snapshot.instanceId);
    return (uses, volumesOf) => {
      const sees = ({ project }: { project: string }): boolean =>
        volumesOf === undefined || volumesSeenFrom.get(project) === volumesOf;
      const any = (devices: Devices): boolean => Object.values(devices).some(uses);
      return [
        ...allInstances.filter(sees).flatMap(({ id, name, project, expanded }) => [
          ...(any(expanded.devices) ? [instanceUrl(name, { project })] : []),
          // A snapshot has devices of its own, which it comes back with.
          ...(snapshotsOf.get(id) ?? [])
            .filter((snapshot) => any(snapshot.devices))
            .map((snapshot) => instanceSnapshotUrl(name, snapshot.name, { project })),
        ]),
        ...allProfiles
          .filter((one) => sees(one) && any(one.devices))
          .map(({ name, project }) => profileUrl(name, { project })),
      ];
    };
  };
  const devicesThat = async (uses: (device: Config) => boolean): Promise<string[]> => (await deviceUsers())(uses);

  const customUrl = ({ pool, project, name }: VolumeKey): string => storageVolumeUrl(pool, 'custom', name, { project });

  const bucketUrl = ({ pool, project, name }: VolumeKey): string => storageBucketUrl(pool, name, { project });

  return {
    network: (name) => devicesThat(joins(name)),

    pool: async (name) => {
      const [devices, custom, saved, held] = await Promise.all([
        devicesThat(isIn(name)),
        volumes.list({ pool: name, type: 'custom' }),
        volumes.snapshotsInPool(name),
        buckets.list({ pool: name }),
      ]);
      const snapshotUrls = saved.map(({ pool, project, volume, name: snapshot }) =>
        storageVolumeSnapshotUrl(pool, 'custom', volume, snapshot, { project }),
      );
      return [...devices, ...[...custom.map(customUrl), ...snapshotUrls].sort(), ...held.map(bucketUrl)];
    },

    async volumes(all) {
      const usersOf = all.some(({ type }) => type === 'custom') ? await deviceUsers() : () => [];
      return (volume) => {
        const scope = { project: volume.project };
        if (volume.type === 'custom') return usersOf(attaches(volume), volume.project);
        return [volume.type === 'image' ? imageUrl(volume.name, scope) : instanceUrl(volume.name, scope)];
      };
    },

    imagesIn: async (pool) =>
      (await volumes.list({ pool, type: 'image' })).map(({ name, project }) => imageUrl(name, { project })),

    customVolume: async (name) => (await deviceUsers())(attaches(name), name.project),

    async project(project) {
      const scope = { project };
      const lists = await Promise.all([
        instances.list(scope).then((all) => all.map(({ name }) => instanceUrl(name, scope))),
        profiles.list(project).then((all) => all.map(({ name }) => profileUrl(name, scope))),
        images.list(project).then((all) => all.map(({ fingerprint }) => imageUrl(fingerprint, scope))),
        networks.list(project).then((all) => all.map(({ name }) => networkUrl(name, scope))),
        volumes.list({ project, type: 'custom' }).then((all) => all.map(customUrl)),
        buckets.list({ project }).then((all) => all.map(bucketUrl)),
      ]);
      return lists.flat();
    },
  };
};
