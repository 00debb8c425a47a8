/** What a volume's configuration means as properties of datasets and zvols (zfsprops(7)). */
import {
  badRequest,
  type Config,
  defaultDiskSize,
  isTrue,
  parseSize,
  roundUp,
  type Volume,
  volumeSize,
} from '@lxd-ts/driver-kit';
import type { PartKind } from './names.ts';

const KiB = 1024;
const smallestBlock = 512;
const largestBlock = 16 * KiB ** 2;
/** The largest `volblocksize` that ZFS takes. */
const largestDiskBlock = 128 * KiB;
const defaultDiskBlock = 16 * KiB;

/**
 * Reads `zfs.blocksize`.
 *
 * @throws Error whose text goes on after the value
 */
export const parseBlocksize = (value: string): number => {
  const size = parseSize(value);
  if (size < smallestBlock || size > largestBlock || !Number.isInteger(Math.log2(size))) {
    throw badRequest('must be between 512 and 16MiB, and a power of 2');
  }
  return size;
};

/** The block size of a disk with a configuration. Block volumes use at most 128 KiB. */
export const diskBlocksize = (config: Config): number | undefined =>
  config['zfs.blocksize'] ? Math.min(parseBlocksize(config['zfs.blocksize']), largestDiskBlock) : undefined;

/** The size of a zvol for a volume, a multiple of its block size as ZFS wants it. */
export const diskSize = ({ config }: Pick<Volume, 'config'>, size: number): number =>
  Math.max(roundUp(size, diskBlocksize(config) ?? defaultDiskBlock), largestDiskBlock);

/** The size of the disk of a new volume. */
export const newDiskSize = (volume: Volume): number => diskSize(volume, volumeSize(volume) ?? defaultDiskSize);

const assignments = (properties: Readonly<Record<string, string | number>>): string[] =>
  Object.entries(properties).map(([key, value]) => `${key}=${value}`);

/** Each as `-o property=value`. */
export const asOptions = (properties: readonly string[]): string[] => properties.flatMap((one) => ['-o', one]);

/**
 * The properties that limit a dataset to a size, all four of them, so that those that no longer apply are cleared.
 *
 * @param size - in bytes; undefined: no limit
 */
export const limitProperties = (config: Config, size: number | undefined): string[] => {
  const limit = size ?? 'none';
  const reserved = isTrue(config['zfs.reserve_space']) ? limit : 'none';
  const referenced = isTrue(config['zfs.use_refquota']);
  // Reservations first: one above the new quota would be in its way.
  return assignments(
    referenced
      ? { reservation: 'none', quota: 'none', refreservation: reserved, refquota: limit }
      : { refreservation: 'none', refquota: 'none', reservation: reserved, quota: limit },
  );
};

/** The properties of every dataset that is a volume. It is mounted by the driver alone. */
export const datasetProperties: readonly string[] = ['mountpoint=legacy', 'canmount=noauto'];

/** The properties of a new zvol: its device is there only while the volume is mounted. */
export const diskProperties = (kind: PartKind, { content }: Pick<Volume, 'content'>): string[] =>
  assignments({ volmode: 'none', 'lxd:content_type': kind === 'formatted' ? 'filesystem' : content });

/** The size of the dataset with a virtual machine's metadata. */
export const stateSize = ({ config }: Pick<Volume, 'config'>): number | undefined =>
  config['size.state'] ? parseSize(config['size.state']) : undefined;

/** The limits of a dataset part, as far as there are any. */
export const datasetLimits = (volume: Volume): string[] => {
  // A machine's own size is that of its disk.
  const size = volume.content === 'filesystem' ? volumeSize(volume) : stateSize(volume);
  return size === undefined ? [] : limitProperties(volume.config, size);
};

/** The arguments of `zfs` that make a new, empty part. */
export const createArguments = (kind: PartKind, dataset: string, volume: Volume): string[] => {
  const { config } = volume;
  if (kind === 'dataset') {
    const blocksize = config['zfs.blocksize'];
    const recordsize = blocksize ? [`recordsize=${parseBlocksize(blocksize)}`] : [];
    return ['create', ...asOptions([...datasetProperties, ...recordsize, ...datasetLimits(volume)]), dataset];
  }
  const blocksize = diskBlocksize(config);
  return [
    'create',
    ...(isTrue(config['zfs.reserve_space']) ? [] : ['-s']),
    ...(blocksize === undefined ? [] : ['-b', String(blocksize)]),
    ...asOptions(diskProperties(kind, volume)),
    '-V',
    String(newDiskSize(volume)),
    dataset,
  ];
};

/** The properties of a part that is cloned or received. */
export const copyProperties = (kind: PartKind, volume: Volume): string[] =>
  kind === 'dataset' ? [...datasetProperties, ...datasetLimits(volume)] : diskProperties(kind, volume);
