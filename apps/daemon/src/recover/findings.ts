import type { Config, FoundVolume, VolumeType } from '@lxd-ts/driver-kit';
import type { BucketRecord } from '../buckets/record.ts';
import type { RecoveryRecord } from './record.ts';

/** A pool to look for lost volumes in. One that has a record already is named only. */
export interface RequestedPool {
  readonly name: string;
  /** Empty: the pool has a record. */
  readonly driver: string;
  readonly description: string;
  readonly config: Config;
}

/** A volume of anything but a bucket. */
export type FoundData = FoundVolume & { readonly volume: { readonly type: VolumeType } };

/** A custom volume without a record. */
export interface LostVolume {
  readonly kind: 'volume';
  readonly pool: string;
  readonly found: FoundData;
}

/** The volume of an instance without a record, with what it says of the instance. */
export interface LostInstance {
  readonly kind: 'instance';
  readonly pool: string;
  readonly found: FoundData;
  readonly record: RecoveryRecord;
}

/** The volume of a local bucket without a record, with what it says of the bucket. */
export interface LostBucket {
  readonly kind: 'bucket';
  readonly pool: string;
  readonly found: FoundVolume;
  /** Undefined: it says nothing. */
  readonly record: BucketRecord | undefined;
}

export type Lost = LostVolume | LostInstance | LostBucket;

/** What a user calls it: `Volume`, `Instance`, `Bucket`. */
export const wordFor = (found: FoundVolume): string =>
  ({ custom: 'Volume', bucket: 'Bucket', image: 'Image', container: 'Instance', 'virtual-machine': 'Instance' })[
    found.volume.type
  ];

/** What a scan came to. */
export interface Findings {
  /** By pool, project, custom volumes first, then buckets, name. */
  readonly lost: readonly Lost[];
  /** Pools without a record in which something was found, as they would be recorded. */
  readonly newPools: readonly RequestedPool[];
  /** What has to be made first: `Profile "web" in project "default"`. */
  readonly missing: readonly string[];
  /** Why volumes cannot be recovered, a sentence each. The others can. */
  readonly problems: readonly string[];
}

const typeOf = ({ kind, found }: Lost): string => (kind === 'volume' ? 'volume' : found.volume.type);

/** The answer of `/internal/recover/validate`; LXD's own knows no `Problems`. Lists without entries are null, as in LXD. */
export const renderFindings = ({ lost, missing, problems }: Findings) => ({
  UnknownVolumes:
    lost.length === 0
      ? null
      : lost.map((one) => ({
          name: one.found.volume.name,
          type: typeOf(one),
          snapshotCount: one.found.snapshots.length,
          project: one.found.volume.project,
          pool: one.pool,
        })),
  DependencyErrors: missing.length === 0 ? null : missing,
  Problems: problems,
});
