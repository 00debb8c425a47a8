/** What the storage drivers can do, read from their records, row by row as docs/spec/05-storage.md has it. */
import type { ContentType, StorageDriver, StorageFeatures } from '@lxd-ts/driver-kit';

/** A test that fails when a row is wrong: a file of the workspace, and a part of the test's title in it. */
export interface Proof {
  readonly file: string;
  readonly title: string;
}

export interface Row {
  readonly name: string;
  /** `yes`, `no`, `n/a` where the question does not arise, or a few words. */
  readonly cell: (driver: StorageDriver) => string;
  readonly proofs: readonly Proof[];
}

export interface Table {
  readonly title: string;
  readonly rows: readonly Row[];
}

const answer = (holds: boolean): string => (holds ? 'yes' : 'no');
const holdsInstances = ({ volumeTypes }: StorageFeatures): boolean => volumeTypes.includes('container');

/** A row for pools that hold instances. */
const ofInstances =
  (holds: (features: StorageFeatures) => boolean) =>
  ({ features }: StorageDriver): string =>
    holdsInstances(features) ? answer(holds(features)) : 'n/a';

/** A row for pools that hold volumes of any type. */
const ofVolumes =
  (holds: (features: StorageFeatures) => boolean) =>
  ({ features }: StorageDriver): string =>
    features.volumeTypes.length > 0 ? answer(holds(features)) : 'n/a';

const ofPools =
  (holds: (driver: StorageDriver) => boolean) =>
  (driver: StorageDriver): string =>
    answer(holds(driver));

const holdsCustom = (content: ContentType) =>
  ofPools(({ features }) => features.volumeTypes.includes('custom') && features.customContent.includes(content));

const suite = (file: string, title: string): Proof => ({ file: `packages/driver-kit/src/testing/${file}`, title });
const rbd = {
  file: 'packages/storage-ceph/src/rbd/driver.lab.test.ts',
  title: 'what clones are made of becomes a zombie',
};
const radosgw = 'packages/storage-ceph/src/object/buckets.lab.test.ts';
const sent = suite('storage/transfer.ts', 'that is sent and received is the same');
const refused: Proof = {
  file: 'test/system/plugin.test.ts',
  title: 'what its driver does not hold is refused',
};

export const tables: readonly Table[] = [
  {
    title: 'Where the data is',
    rows: [
      {
        name: 'Shared with host',
        cell: ofPools(({ features }) => !features.remote && !features.blockBased),
        proofs: [
          { file: 'packages/storage-dir/src/conformance.test.ts', title: 'in an existing directory' },
          { file: 'packages/storage-btrfs/src/driver.test.ts', title: 'a subvolume that exists and is empty is taken' },
          { file: 'packages/storage-zfs/src/block-mode.lab.test.ts', title: 'in a dataset of a zpool that is there' },
        ],
      },
      {
        name: 'Dedicated disk or partition',
        cell: ofPools(({ poolConfig }) => poolConfig.some(({ key }) => key === 'source.wipe')),
        proofs: [
          { file: 'packages/storage-btrfs/src/conformance.test.ts', title: 'on a block device' },
          { file: 'packages/storage-lvm/src/conformance.lab.test.ts', title: 'on a block device' },
          { file: 'packages/storage-zfs/src/driver.lab.test.ts', title: 'a device that carries something is refused' },
        ],
      },
      {
        name: 'Loop file',
        cell: ofPools(({ features }) => features.loopFiles),
        proofs: [suite('storage/pools.ts', 'the pool grows with volumes in it, and never shrinks')],
      },
      {
        name: 'Remote cluster',
        cell: ofPools(({ features }) => features.remote),
        proofs: [
          {
            file: 'packages/storage-ceph/src/rbd/conformance.lab.test.ts',
            title: 'in an OSD pool that is made for it',
          },
          {
            file: 'packages/storage-ceph/src/cephfs/conformance.lab.test.ts',
            title: 'in a directory of a file system',
          },
          { file: radosgw, title: 'the effective configuration names cluster, user' },
        ],
      },
    ],
  },
  {
    title: 'What a driver can do',
    rows: [
      {
        name: 'Optimised image storage',
        cell: ofInstances((features) => features.optimizedImages),
        proofs: [suite('storage/copies.ts', 'instances are cloned from an image volume')],
      },
      {
        name: 'Optimised instance creation',
        cell: ofInstances((features) => features.optimizedImages),
        proofs: [suite('storage.ts', 'an instance from an image'), rbd],
      },
      {
        name: 'Optimised snapshot creation',
        cell: ofVolumes((features) => features.optimizedSnapshots),
        proofs: [suite('storage.ts', 'a snapshot'), rbd],
      },
      { name: 'Optimised image transfer', cell: ofInstances((features) => features.optimizedTransfer), proofs: [sent] },
      {
        name: 'Optimised volume transfer',
        cell: ofInstances((features) => features.optimizedTransfer),
        proofs: [sent],
      },
      {
        name: 'Copy on write',
        cell: ofVolumes((features) => features.copyOnWrite),
        proofs: [suite('storage.ts', 'a copy'), rbd],
      },
      {
        name: 'Block based',
        cell: ofVolumes((features) => features.blockBased),
        proofs: [suite('storage/volumes.ts', 'a volume is a file system of its own on a block device')],
      },
      {
        name: 'Instant cloning',
        cell: ofVolumes((features) => features.copyOnWrite),
        proofs: [suite('storage.ts', 'a copy'), rbd],
      },
      {
        name: 'Usable inside a container',
        cell: ofInstances((features) => features.nesting),
        proofs: [
          { file: 'packages/storage-dir/src/nesting.test.ts', title: 'works in a user namespace' },
          { file: 'packages/storage-btrfs/src/nesting.test.ts', title: 'works in a user namespace' },
        ],
      },
      {
        name: 'Restore older (not latest) snapshot',
        cell: ofVolumes((features) => features.restoreAnySnapshot),
        proofs: [
          suite('storage/snapshots.ts', 'an older snapshot is restored and the newer ones stay'),
          suite('storage/snapshots.ts', 'an older snapshot is not restored while a newer one stands in the way'),
        ],
      },
      {
        name: 'Storage quotas',
        cell: ({ features: { quotas } }) => (quotas === 'depends' ? 'yes (ext4/XFS project quotas)' : quotas),
        proofs: [
          suite('storage/limits.ts', 'a limited volume takes what fits and no more'),
          suite('storage/limits.ts', 'where volumes cannot be limited'),
          { file: 'packages/storage-dir/src/conformance.lab.test.ts', title: 'in ext4 with project quotas' },
          { file: radosgw, title: 'a quota holds' },
        ],
      },
      {
        name: 'Offered by `lxd init`',
        cell: ofPools(({ features }) => features.offeredByInit),
        proofs: [{ file: 'test/system/init.test.ts', title: 'offers the drivers that are meant for it' }],
      },
      {
        name: 'Object storage',
        cell: ofPools(({ features }) => features.buckets),
        proofs: [
          suite('storage/buckets.ts', 'the files of a bucket stay'),
          suite('buckets.ts', 'a bucket is reached at its URL with a key'),
          refused,
        ],
      },
    ],
  },
  {
    title: 'What a pool holds',
    rows: [
      {
        name: 'Instances and images',
        cell: ofPools(({ features }) => holdsInstances(features)),
        proofs: [suite('storage/volumes.ts', 'volumes: a name of their own in each type and project'), refused],
      },
      {
        name: 'Custom filesystem volumes',
        cell: holdsCustom('filesystem'),
        proofs: [
          suite('storage/volumes.ts', 'a new volume is empty, is found'),
          { file: radosgw, title: 'volumes are refused' },
        ],
      },
      {
        name: 'Custom block volumes',
        cell: holdsCustom('block'),
        proofs: [suite('storage/disks.ts', 'a block volume is a disk of its size'), refused],
      },
      {
        name: 'Custom ISO volumes',
        cell: holdsCustom('iso'),
        proofs: [suite('storage/disks.ts', 'an ISO volume holds what it was filled with'), refused],
      },
      {
        name: 'Buckets',
        cell: ofPools(({ features }) => features.buckets),
        proofs: [
          suite('storage/buckets.ts', 'the files of a bucket stay'),
          suite('buckets.ts', 'a bucket is reached at its URL with a key'),
        ],
      },
    ],
  },
];
