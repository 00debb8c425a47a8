/**
 * The contract of a storage driver.
 *
 * A driver makes *pools*; an open pool makes *volumes*, and volumes have *snapshots*. A driver knows nothing of HTTP,
 * of the database or of instances: it is told what to make, makes it on the host, and throws when it cannot.
 *
 * Order of calls
 * --------------
 * `driver.create(spec)` once in a pool's life, then `driver.open(spec)` at each daemon start; everything else goes through
 * the open pool, until it is disposed (unmounted) or `pool.delete()` ends its life. `create` returns the effective
 * configuration, which the caller stores and passes in every later `spec`.
 *
 * Locking
 * -------
 * The caller never runs two changing calls about the same volume (its snapshots included) at once, and runs
 * `create`, `open`, `update`, `delete` of one pool alone. Calls about different volumes do run at once.
 * `mountVolume` may be called many times at once for one volume; the driver counts.
 *
 * Failure
 * -------
 * A call that throws leaves things as they were: what it had half made is removed. After a crash in the middle, the
 * caller repeats or undoes: therefore every `delete*` and `unmount` succeeds on what is not there, and every `create*`
 * first clears the remains of an earlier try *of the same name that the caller knows to be unfinished* (it calls
 * `delete*` before).
 *
 * Units
 * -----
 * Sizes are bytes, times milliseconds, paths absolute.
 */
import type { Readable, Writable } from 'node:stream';
import type { Config, ConfigKey } from '../config.ts';
import type { Work } from '../work.ts';
import type { BucketPool } from './buckets.ts';

export type VolumeType = 'container' | 'virtual-machine' | 'image' | 'custom';
/** `filesystem`: a directory tree. `block`: a raw disk. `iso`: a raw read-only disc image. */
export type ContentType = 'filesystem' | 'block' | 'iso';

/**
 * Names one volume, or one snapshot of it. Plain data: the caller keeps it, the driver derives paths and on-disk names.
 */
export interface Volume {
  /** `bucket`: the files of a local S3 bucket (see `buckets.ts`); in pools with `features.buckets`. */
  readonly type: VolumeType | 'bucket';
  readonly content: ContentType;
  /** `default` unless in another project. Image volumes belong to `default`. */
  readonly project: string;
  /** The volume's name: the instance's, the image's fingerprint, or the custom volume's. */
  readonly name: string;
  /** Set: this names a snapshot of the volume. */
  readonly snapshot?: string;
  /**
   * The volume's own configuration with the pool's `volume.*` defaults already applied. For virtual machines `size.state` may be
   * among it, as the root device has it: the size of the volume that holds their metadata, where that is one of its own.
   */
  readonly config: Config;
}

export interface SnapshotId {
  readonly snapshot: string;
  /** Compared, nothing else. */
  readonly id: string;
  /** `receive` takes what builds on it for this volume. */
  readonly isBase: boolean;
}

/** What a driver can do. The service consults this record and does the generic thing where a feature is missing. */
export interface StorageFeatures {
  /** An image is unpacked once per pool into an `image` volume, and instances are cloned from it. */
  readonly optimizedImages: boolean;
  /** `createSnapshot` costs no copy. */
  readonly optimizedSnapshots: boolean;
  /** `send`/`receive` exist: optimised transfer, refresh and backup between pools of this driver. */
  readonly optimizedTransfer: boolean;
  /** A copy shares its blocks with the source until written. */
  readonly copyOnWrite: boolean;
  /** A volume is a block device with a file system on it; a file system volume may be mounted by one instance at a time. */
  readonly blockBased: boolean;
  /** The pool is one and the same on every cluster member. */
  readonly remote: boolean;
  /** Any snapshot can be restored, not the newest alone. */
  readonly restoreAnySnapshot: boolean;
  /** Volumes can be limited in size. `depends`: on the file system that holds the pool. */
  readonly quotas: 'yes' | 'no' | 'depends';
  /** Works in a container, so that LXD can be nested. */
  readonly nesting: boolean;
  /** The volume types it holds. */
  readonly volumeTypes: readonly VolumeType[];
  /** The content types of its custom volumes. */
  readonly customContent: readonly ContentType[];
  /** Holds S3 buckets: local ones as volumes, or remote ones through `StoragePool.buckets` (see `buckets.ts`). */
  readonly buckets: boolean;
  /** A pool can live in a loop file the driver makes itself when `source` is unset. */
  readonly loopFiles: boolean;
  /** `lxd init` offers it. */
  readonly offeredByInit: boolean;
}

/** What a driver is told about a pool. */
export interface PoolSpec {
  readonly name: string;
  readonly config: Config;
  /** The directory at which the pool is (or gets) mounted: `<LXD_DIR>/storage-pools/<name>`. The driver makes it. */
  readonly path: string;
  /** The directory for loop files: `<LXD_DIR>/disks`. The driver makes it when it needs it. */
  readonly disks: string;
  /** It is opened to be looked at only (recovery): nothing is made, cleared or changed in it. Never for `create`. */
  readonly inspect?: boolean;
}

export interface PoolResources {
  readonly space: { readonly used: number; readonly total: number };
  readonly inodes: { readonly used: number; readonly total: number };
}

/** A volume made accessible. Dispose it when done; the driver unmounts when the last one is gone. */
export interface MountedVolume extends AsyncDisposable {
  /** The directory with the volume's files. A `block` volume of an instance has one too, for its metadata. */
  readonly path: string;
  /** `block` and `iso` content: the disk, a block device or a regular file. */
  readonly disk?: string;
}

/** Writes the first contents of a new volume. It is called with the volume mounted, once. */
export type Fill = (volume: MountedVolume, work: Work) => Promise<void>;

/** A volume found on disk, for recovery. */
export interface FoundVolume {
  readonly volume: Volume;
  /** Oldest first. */
  readonly snapshots: readonly string[];
}

export interface StorageDriver {
  readonly kind: 'storage';
  /** The word users type: `dir`, `btrfs`. */
  readonly name: string;
  readonly features: StorageFeatures;
  /** Pool keys, without the `volume.*` family, which follows from `volumeConfig`. */
  readonly poolConfig: readonly ConfigKey[];
  readonly volumeConfig: readonly ConfigKey[];
  readonly bucketConfig?: readonly ConfigKey[];

  /**
   * Whether the driver works on this host, tried rather than guessed.
   *
   * @returns the version to report (`btrfs-progs 6.2`'s `6.2`)
   * @throws LxdError not-implemented that says what is missing and which package brings it
   */
  probe(): Promise<{ readonly version: string }>;

  /**
   * Makes the pool on the host: loop file, file system, directories. Ends unmounted or mounted, as is cheaper.
   * `source` in the configuration decides: unset, a device, or an existing place (see spec 05.25).
   *
   * @returns the effective configuration to store: `source`, `size`, `volatile.initial_source` filled in
   * @throws LxdError bad-request when the configuration cannot be, conflict when the source is in use or not empty
   */
  create(spec: PoolSpec, work?: Work): Promise<Config>;

  /**
   * Opens (mounts) an existing pool. Harmless on one that is mounted already, by an earlier daemon run for instance.
   *
   * @throws LxdError unavailable when the source is not there (now)
   */
  open(spec: PoolSpec, work?: Work): Promise<StoragePool>;
}

/** An open pool. Disposing it unmounts it, unless volumes in it are in use by others, and leaves all data. */
export interface StoragePool extends AsyncDisposable {
  readonly name: string;
  /** Where the pool is mounted. */
  readonly path: string;
  /** Present if S3 buckets of this pool are served elsewhere (see `buckets.ts`). */
  readonly buckets?: BucketPool;

  /** Used and total space and inodes of the pool. Starts no process where the kernel tells it. */
  resources(): Promise<PoolResources>;

  /**
   * Applies a changed configuration (`size` of a loop file, mount options, a renamed volume group).
   *
   * @param changed - the keys that differ
   * @throws LxdError bad-request for keys that cannot change any more, or a smaller `size`
   */
  update(config: Config, changed: readonly string[], work?: Work): Promise<void>;

  /** Deletes the pool with all that the driver made for it. The caller has deleted the volumes. Also unmounts. */
  delete(work?: Work): Promise<void>;

  /** Whether anything of this volume (or snapshot) exists on disk. */
  hasVolume(volume: Volume): Promise<boolean>;

  /**
   * Makes an empty volume of `config.size` (or the driver's default) and lets `fill` write its first contents.
   * A failing `fill` removes the volume.
   */
  createVolume(volume: Volume, fill?: Fill, work?: Work): Promise<void>;

  /**
   * Makes `target` a copy of `source`, which may be a snapshot or an image volume, within this pool, the quick way if
   * there is one. The snapshots named are copied too, under the same names; `target.config` rules the copy's size.
   *
   * @param snapshots - names of `source`'s snapshots to copy, oldest first
   */
  copyVolume(target: Volume, source: Volume, snapshots: readonly string[], work?: Work): Promise<void>;

  /** Deletes the volume. Its snapshots are gone already. Nothing there is no error. */
  deleteVolume(volume: Volume, work?: Work): Promise<void>;

  /** Renames a volume with its snapshots. It is not mounted by an instance. */
  renameVolume(volume: Volume, name: string, work?: Work): Promise<void>;

  /**
   * Sets the size of the volume; `undefined` lifts the limit. What is a block device always has a size: `undefined` gives it the
   * default one (10 GiB), unless it is larger already. `config['size.state']` is applied too, to the metadata of a virtual machine.
   *
   * @throws LxdError bad-request when it would shrink below use (or at all, for `block`),
   *   not-implemented when this pool cannot limit it, conflict when the volume must be unmounted for it
   */
  resizeVolume(volume: Volume, size: number | undefined, work?: Work): Promise<void>;

  /**
   * Makes what is on disk follow a changed configuration, given as that of the volume. A changed `size` is the affair of `resizeVolume`,
   * which is called next. Repeating it is harmless. Absent: each key acts when the volume is made or mounted the next time.
   *
   * @param changed - the keys that differ
   * @throws LxdError bad-request for keys that cannot change any more
   */
  updateVolume?(volume: Volume, changed: readonly string[], work?: Work): Promise<void>;

  /**
   * Used and (if limited) total bytes. Undefined: the driver cannot tell without reading the whole volume.
   * Starts no process.
   */
  usage(volume: Volume): Promise<{ readonly used: number; readonly total?: number } | undefined>;

  /** Makes a volume or (read-only) a snapshot accessible. */
  mountVolume(volume: Volume): Promise<MountedVolume>;

  /** Takes the snapshot named by `volume.snapshot`, consistent as of one moment where the driver can. */
  createSnapshot(volume: Volume, work?: Work): Promise<void>;
  /** Deletes the snapshot named by `volume.snapshot`. Nothing there is no error. */
  deleteSnapshot(volume: Volume, work?: Work): Promise<void>;
  /** Renames the snapshot named by `volume.snapshot`. */
  renameSnapshot(volume: Volume, name: string, work?: Work): Promise<void>;

  /**
   * Makes the volume what it was at the snapshot; other snapshots stay. The volume is not in use.
   * On failure the volume is as before.
   *
   * @throws LxdError not-found, conflict when newer snapshots or clones stand in the way (and says which)
   */
  restoreVolume(volume: Volume, snapshot: string, work?: Work): Promise<void>;

  /**
   * The snapshots that `restoreVolume` would delete, oldest first: newer ones, where the driver can go back to the newest alone and the
   * volume's configuration allows it. The caller deletes them beforehand, each with its record. Absent: there are never any.
   *
   * @throws LxdError as `restoreVolume` would
   */
  deletedByRestore?(volume: Volume, snapshot: string): Promise<readonly string[]>;

  /** All volumes on disk, those of local buckets too, whether known to the caller or not. For recovery. */
  listVolumes(): Promise<readonly FoundVolume[]>;

  /**
   * Optimised transfer, present if `features.optimizedTransfer`: writes the volume (or snapshot) in the driver's own format,
   * as a difference to the snapshot `base` if given. Ends the stream; on failure destroys it with the error that it throws.
   */
  send?(volume: Volume, base: string | undefined, to: Writable, work?: Work): Promise<void>;
  /**
   * Reads what `send` wrote and makes the volume (or snapshot, when `volume.snapshot` is set) of it. A volume that is there already
   * becomes what was sent, where that builds on a snapshot it has, the `base`; what it held since is lost. It is not in use.
   *
   * @throws LxdError bad-request for a stream that is broken or none, conflict, not-found; a volume that was there is then as before or
   *   as its base
   */
  receive?(volume: Volume, base: string | undefined, from: Readable, work?: Work): Promise<void>;
  /**
   * Of each snapshot of the volume, in the order in which they were made, an id that goes with `send` and `receive`: where two volumes
   * have a snapshot of one id, what builds on it can be sent from the one to the other. Absent: `receive` asks nothing of the base but
   * its contents, which no id tells.
   */
  snapshotIds?(volume: Volume): Promise<readonly SnapshotId[]>;
}

/** The calls about volumes and snapshots: what a pool offers besides its own upkeep, optimised transfer and buckets. */
export type VolumeCalls = Pick<
  StoragePool,
  | 'hasVolume'
  | 'createVolume'
  | 'copyVolume'
  | 'deleteVolume'
  | 'renameVolume'
  | 'resizeVolume'
  | 'usage'
  | 'mountVolume'
  | 'createSnapshot'
  | 'deleteSnapshot'
  | 'renameSnapshot'
  | 'restoreVolume'
  | 'listVolumes'
>;

/** Declares a storage driver; only checks the types. */
export const defineStorageDriver = (driver: Omit<StorageDriver, 'kind'>): StorageDriver => ({
  kind: 'storage',
  ...driver,
});
