import { badRequest } from '../errors.ts';
import type { Work } from '../work.ts';
import { roundUp } from './block-device.ts';
import { configuredFilesystem, minimumFilesystemSize } from './block-filesystem.ts';
import type { FoundVolume, MountedVolume, Volume } from './contract.ts';
import { volumeSize } from './volume.ts';

/**
 * The devices a volume has: a `filesystem`, mounted as the volume's directory, or a raw `disk`. Virtual machines and their
 * images have both, the first for metadata.
 */
export type BlockPart = 'filesystem' | 'disk';

/** One device of a volume or snapshot. */
export interface BlockDisk {
  readonly volume: Volume;
  readonly part: BlockPart;
}

/** A device that can be opened. Disposing of it says that the caller is done with it. */
export interface OpenDevice extends AsyncDisposable {
  /** Its node. */
  readonly path: string;
}

/** A device found in the pool. */
export interface FoundDisk extends BlockDisk {
  /** When it was made, in any unit that grows. */
  readonly created: number;
}

/**
 * What a driver whose volumes are block devices does in its own way; the rest of the contract follows from it. None of it needs
 * to undo: `remove` is called after a failure. Whether a device is there was asked before.
 */
export interface BlockStore {
  /** Sizes of devices are multiples of so many bytes. */
  readonly granularity: number;
  /** New devices read as zeros and take space only for what is written. */
  readonly thin: boolean;
  /** The sizes in bytes of those devices that are there, in the order asked; undefined for what is not. */
  sizes(disks: readonly BlockDisk[]): Promise<readonly (number | undefined)[]>;
  make(disk: BlockDisk, size: number, work?: Work): Promise<void>;
  /** Makes a writable device that shares its blocks with the source, a device or snapshot. Absent: contents are copied. */
  clone?(target: BlockDisk, source: BlockDisk, work?: Work): Promise<void>;
  /** Makes `target`, a snapshot, of a snapshot of another volume, sharing blocks. Only beside `clone`. */
  cloneSnapshot?(target: BlockDisk, source: BlockDisk, work?: Work): Promise<void>;
  /** Takes the snapshot that `disk` names. What is mounted is frozen meanwhile. */
  snapshot(disk: BlockDisk, work?: Work): Promise<void>;
  /** Removes a device or snapshot. Nothing there is no error. */
  remove(disk: BlockDisk): Promise<void>;
  rename(from: BlockDisk, to: BlockDisk): Promise<void>;
  /**
   * @param options.mounted - the file system on it is mounted
   * @throws LxdError conflict when it must not be mounted for it
   */
  resize(disk: BlockDisk, size: number, options: { readonly mounted: boolean }): Promise<void>;
  /** The node of a device that is open already, by whomever; undefined: it is not. Starts no process. */
  node(disk: BlockDisk): Promise<string | undefined>;
  /** Opens a device. Snapshots are opened read-only unless `write` is set, which is for changing their UUID alone. */
  open(disk: BlockDisk, options?: { readonly write?: boolean }): Promise<OpenDevice>;
  /** The bytes that a disk takes of the pool, when the kernel knows. Starts no process. */
  used?(disk: BlockDisk): Promise<number | undefined>;
  /** Makes the devices of a volume what the snapshot's are, all of them or, after a failure or a crash, none. Nobody uses them. */
  restore(
    volume: Volume,
    parts: readonly BlockPart[],
    snapshot: string,
    tools: RestoreTools,
    work?: Work,
  ): Promise<void>;
  /** Why a new device could not be written: an error with a sentence, when the store knows better than the file system (full pools). */
  explain?(error: unknown): Promise<Error | undefined>;
  /** All devices and snapshots of volumes. */
  list(): Promise<readonly FoundDisk[]>;
}

/** A device that is to replace that of a volume, as large as the snapshot it came from. */
export interface RestoredDevice {
  readonly path: string;
  readonly size: number;
  resize(size: number): Promise<void>;
}

/** What a store may use to restore a volume. */
export interface RestoreTools {
  /** Gives a device that is about to take the place of the volume's own the size of that, with the file system on it. */
  fit(disk: BlockDisk, device: RestoredDevice): Promise<void>;
  open(disk: BlockDisk): Promise<OpenDevice>;
  mount(volume: Volume): Promise<MountedVolume>;
}

/** The size of a volume for which none is set. */
export const defaultBlockSize: number = 10 * 1024 ** 3;

/** The size of a virtual machine's file system for metadata, when `size.state` is unset. */
export const defaultStateSize: number = 100 * 1024 ** 2;

/** The devices of a volume, the one whose contents matter least first. */
export const blockParts = ({ type, content }: Pick<Volume, 'type' | 'content'>): readonly BlockPart[] => {
  if (content === 'filesystem') return ['filesystem'];
  return type === 'custom' ? ['disk'] : ['filesystem', 'disk'];
};

/** The part that a volume's `size` is about. */
export const mainPart = ({ content }: Pick<Volume, 'content'>): BlockPart =>
  content === 'filesystem' ? 'filesystem' : 'disk';

/**
 * The size that a device is configured to have, rounded up to what the store can make.
 *
 * @returns undefined when none is set
 */
export const configuredSize = ({ volume, part }: BlockDisk, granularity: number): number | undefined => {
  const size =
    part === mainPart(volume)
      ? volumeSize(volume)
      : volumeSize({ ...volume, config: { size: volume.config['size.state'] ?? '' } });
  if (size !== undefined && size <= 0) throw badRequest('Invalid value for "size": it must be larger than 0');
  return size === undefined ? undefined : roundUp(size, granularity);
};

/** The size of a new device. */
export const newSize = (disk: BlockDisk, granularity: number): number => {
  const configured = configuredSize(disk, granularity);
  if (configured !== undefined) return configured;
  if (disk.part === mainPart(disk.volume)) return roundUp(defaultBlockSize, granularity);
  return roundUp(
    Math.max(defaultStateSize, minimumFilesystemSize[configuredFilesystem(disk.volume.config)]),
    granularity,
  );
};

const keyOf = ({ type, project, name }: Volume): string => JSON.stringify([type, project, name]);

/** Puts the devices of a pool together to volumes with their snapshots, oldest first. */
export const foundVolumes = (disks: readonly FoundDisk[]): FoundVolume[] => {
  const byVolume = Map.groupBy(disks, ({ volume }) => keyOf(volume));
  return [...byVolume.values()].flatMap((own) => {
    const main = own.filter(({ volume }) => volume.snapshot === undefined);
    const disk = main.find(({ part }) => part === 'disk') ?? main[0];
    if (!disk) return [];
    const ages = new Map<string, number>();
    for (const { volume, created } of own) {
      if (volume.snapshot !== undefined) ages.set(volume.snapshot, created);
    }
    const snapshots = [...ages].sort(([a, one], [b, other]) => one - other || a.localeCompare(b)).map(([name]) => name);
    return [{ volume: disk.volume, snapshots }];
  });
};
