/**
 * How volumes are called in a pool, as LXD calls them: `<root>/<type>/<name>`, snapshots `@snapshot-<name>`. The disk of a virtual
 * machine (or of its image) lies beside the dataset of its metadata, as `<name>.block`; an ISO volume is `<name>.iso`.
 */
import { randomUUID } from 'node:crypto';
import {
  badRequest,
  type ContentType,
  diskName,
  type FoundVolume,
  isTrue,
  parseDiskName,
  type Volume,
  type VolumeType,
  volumesDirectory,
} from '@lxd-ts/driver-kit';

/** The types that recovery knows. Buckets are volumes of another kind. */
const volumeTypes: readonly VolumeType[] = ['container', 'virtual-machine', 'image', 'custom'];

const directoryOf = (type: Volume['type']): string => volumesDirectory('', type);

const foundTypes = [...volumeTypes, 'bucket'] as const;

/** The datasets of a pool below its root. What is referenced and deleted moves to `deleted/`. */
export const poolDatasets: readonly string[] = foundTypes.map(directoryOf).flatMap((name) => [name, `deleted/${name}`]);

/** What a part of a volume is: files in a dataset, a disk, or files in a file system on a disk (`zfs.block_mode`). */
export type PartKind = 'dataset' | 'disk' | 'formatted';

/** One dataset or zvol that belongs to a volume. */
export interface Part {
  readonly dataset: string;
  readonly kind: PartKind;
}

/** The parts of a volume, that with its directory first. A virtual machine has two, all others one. */
export const partsOf = (root: string, volume: Volume): readonly [Part, ...Part[]] => {
  const dataset = `${root}/${directoryOf(volume.type)}/${diskName(volume)}`;
  if (volume.content === 'filesystem') {
    return [{ dataset, kind: isTrue(volume.config['zfs.block_mode']) ? 'formatted' : 'dataset' }];
  }
  if (volume.content === 'iso') return [{ dataset: `${dataset}.iso`, kind: 'disk' }];
  if (volume.type === 'custom') return [{ dataset, kind: 'disk' }];
  return [
    { dataset, kind: 'dataset' },
    { dataset: `${dataset}.block`, kind: 'disk' },
  ];
};

const snapshotPrefix = 'snapshot-';

/** The short name of a user's snapshot. */
export const snapshotLabel = (name: string): string => `${snapshotPrefix}${name}`;

/** The user's name of a snapshot; undefined for those that the driver makes for itself. */
export const userSnapshot = (label: string): string | undefined =>
  label.startsWith(snapshotPrefix) ? label.slice(snapshotPrefix.length) : undefined;

/** The snapshot from which instances of an image are cloned. */
export const imageSnapshot = 'readonly';

/**
 * The short name of a snapshot that the driver makes for itself: `copy` for the source of a copy, `migration` for sending a volume,
 * `deleted` for a snapshot that is gone for the user and lives on for its clones.
 */
export const hiddenLabel = (purpose: 'copy' | 'migration' | 'deleted'): string => `${purpose}-${randomUUID()}`;

/** Whether the snapshot was made by the driver for a while only. */
export const isHidden = (label: string): boolean => /^(copy|migration|deleted)-[0-9a-f-]{36}$/.test(label);

/** Splits `pool/dataset@label`. */
export const splitSnapshot = (name: string): { dataset: string; label: string } => {
  const at = name.indexOf('@');
  return at === -1 ? { dataset: name, label: '' } : { dataset: name.slice(0, at), label: name.slice(at + 1) };
};

/** Where a dataset goes that is deleted while clones of it exist. */
export const deletedName = (root: string, dataset: string): string => {
  const [directory = ''] = dataset.slice(root.length + 1).split('/');
  return `${root}/deleted/${directory}/${randomUUID()}`;
};

export const isDeleted = (root: string, dataset: string): boolean => dataset.startsWith(`${root}/deleted/`);

/**
 * Checks the name of a zpool or of a dataset in one (zpool-create(8), zfs(8)).
 *
 * @throws Error whose text goes on after the value
 */
export const checkDatasetName = (value: string): void => {
  if (
    !/^[A-Za-z][A-Za-z0-9_.:-]*(\/[A-Za-z0-9_.:-]+)*$/.test(value) ||
    /^(mirror|raidz|draid|spare|log|c[0-9])/.test(value)
  ) {
    throw badRequest('must be the name of a zpool, or of a dataset in one');
  }
};

/** The zpool that a pool's root dataset lies in. */
export const zpoolOf = (root: string): string => root.split('/')[0] ?? root;

/**
 * The volume that a dataset or zvol belongs to.
 *
 * @param type - as `zfs list` tells it
 * @param content - the property `lxd:content_type`, `-` when unset
 * @returns undefined for the disk of a virtual machine (`part` of it) and for what is no volume
 */
export const parseDataset = (
  root: string,
  dataset: string,
  type: 'filesystem' | 'volume',
  content: string,
): FoundVolume['volume'] | undefined => {
  const [directory, name, ...more] = dataset.slice(root.length + 1).split('/');
  const volumeType = foundTypes.find((one) => directoryOf(one) === directory);
  if (!volumeType || !name || more.length > 0 || !dataset.startsWith(`${root}/`)) return undefined;
  const isDisk = type === 'volume' && content !== 'filesystem';
  if (isDisk && volumeType !== 'custom') return undefined;
  const isIso = isDisk && name.endsWith('.iso') && content !== 'block';
  const contentType: ContentType = isIso ? 'iso' : isDisk ? 'block' : 'filesystem';
  return {
    type: volumeType,
    content: contentType,
    ...parseDiskName(volumeType, isIso ? name.slice(0, -'.iso'.length) : name),
    config: type === 'volume' && !isDisk ? { 'zfs.block_mode': 'true' } : {},
  };
};

/** The name of the dataset beside a virtual machine's disk; undefined when the name is none of a disk. */
export const besideDisk = (dataset: string): string | undefined =>
  dataset.endsWith('.block') ? dataset.slice(0, -'.block'.length) : undefined;
