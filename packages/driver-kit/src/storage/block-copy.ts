/** Copies of block volumes: by sharing blocks where the driver can, else file by file and byte by byte. */
import { chmod } from 'node:fs/promises';
import { diskUsage } from '@lxd-ts/host';
import { badRequest, isKind, messageOf } from '../errors.ts';
import type { Work } from '../work.ts';
import { deviceSize } from './block-device.ts';
import {
  configuredFilesystem,
  growFilesystem,
  makeFilesystem,
  newFilesystemUuid,
  removeLostAndFound,
  shrinkFilesystem,
} from './block-filesystem.ts';
import type { BlockMounts } from './block-mounts.ts';
import {
  type BlockDisk,
  type BlockPart,
  type BlockStore,
  blockParts,
  configuredSize,
  defaultBlockSize,
  mainPart,
  type RestoredDevice,
} from './block-store.ts';
import type { Volume } from './contract.ts';
import { copyTree } from './copy-tree.ts';
import { volumeMode } from './pool-directories.ts';
import { copyRawDisk } from './raw-disk.ts';
import { describeVolume } from './volume.ts';

/** A device with the size that it is to get. */
interface Target {
  readonly disk: BlockDisk;
  readonly size: number;
}

export interface BlockCopy {
  readonly store: BlockStore;
  readonly mounts: BlockMounts;
}

const tooLarge = ({ disk, size }: Target, source: number, cause?: unknown): Error =>
  badRequest(
    `${describeVolume(disk.volume)} of ${size} bytes is too small for its source, which has ${source}${
      cause === undefined ? '' : ` (${messageOf(cause)})`
    }`,
    { cause },
  );

/** Makes a device that nobody uses so large, with the file system on it, if one is. A disk never shrinks. */
export const fitDevice = async (part: BlockPart, device: RestoredDevice, size: number): Promise<void> => {
  if (size > device.size) {
    await device.resize(size);
    if (part === 'filesystem') await growFilesystem(device.path);
  } else if (size < device.size && part === 'filesystem') {
    await shrinkFilesystem(device.path, size);
    await device.resize(size);
  }
};

/** Makes a device with an empty file system or, as a disk, with nothing on it. */
export const makePart = async (
  { store, mounts }: BlockCopy,
  disk: BlockDisk,
  size: number,
  work?: Work,
): Promise<void> => {
  await store.make(disk, size, work);
  if (disk.part === 'disk') return;
  await using device = await mounts.open(disk);
  await makeFilesystem(device.path, configuredFilesystem(disk.volume.config), {
    size,
    zeroed: store.thin,
    ...(work?.signal ? { signal: work.signal } : {}),
  });
};

/** Gives the directory of a volume the mode of its type. */
export const finishDirectory = async (path: string, { type }: Volume): Promise<void> => {
  await removeLostAndFound(path);
  await chmod(path, volumeMode(type));
};

/** Brings the contents of one part to those of a source: a volume or snapshot. */
const copyContents = async (
  { mounts }: BlockCopy,
  target: Target,
  source: Volume,
  refresh: boolean,
  work?: Work,
): Promise<void> => {
  const { disk } = target;
  if (disk.part === 'disk') {
    await using from = await mounts.open({ volume: source, part: 'disk' });
    await using to = await mounts.open(disk);
    await copyRawDisk(from.path, to.path, work);
    return;
  }
  await using from = await mounts.mount(source);
  await using to = await mounts.mount(disk.volume);
  if (!refresh) await removeLostAndFound(to.path);
  const { used } = await diskUsage(from.path);
  if (used > target.size) throw tooLarge(target, used);
  try {
    await copyTree(from.path, to.path, { ...work, refresh });
  } catch (error) {
    throw /No space left/.test(messageOf(error)) ? tooLarge(target, used, error) : error;
  }
  await finishDirectory(to.path, disk.volume);
};

/** Copies a volume with snapshots by their contents: the oldest first, each kept as a snapshot before the next comes over it. */
const copyByContents = async (
  copy: BlockCopy,
  targets: readonly Target[],
  sources: readonly Volume[],
  work?: Work,
): Promise<void> => {
  for (const { disk, size } of targets) await makePart(copy, disk, size, work);
  for (const [at, source] of sources.entries()) {
    for (const target of targets) {
      work?.signal?.throwIfAborted();
      await copyContents(copy, target, source, at > 0, work);
      const { snapshot } = source;
      if (at === sources.length - 1 || snapshot === undefined) continue;
      await copy.store.snapshot({ ...target.disk, volume: { ...target.disk.volume, snapshot } }, work);
    }
  }
};

/** The copied part gets what makes it a volume of its own: UUID, size, mode. */
const finishClone = async (copy: BlockCopy, { disk, size }: Target, from: Volume): Promise<void> => {
  const { store, mounts } = copy;
  {
    await using device = await mounts.open(disk);
    if (disk.part === 'filesystem') await newFilesystemUuid(device.path);
    const resize = (wanted: number): Promise<void> => store.resize(disk, wanted, { mounted: false });
    await fitDevice(disk.part, { path: device.path, size: await deviceSize(device.path), resize }, size);
  }
  if (disk.part === 'disk' || volumeMode(disk.volume.type) === volumeMode(from.type)) return;
  await using mounted = await mounts.mount(disk.volume);
  await finishDirectory(mounted.path, disk.volume);
};

/** Copies a volume with snapshots by sharing blocks. */
const copyByClone = async (
  copy: BlockCopy,
  targets: readonly Target[],
  from: Volume,
  snapshots: readonly string[],
  work?: Work,
): Promise<void> => {
  const { store } = copy;
  for (const target of targets) {
    const { disk } = target;
    for (const snapshot of snapshots) {
      work?.signal?.throwIfAborted();
      const name = { ...disk, volume: { ...disk.volume, snapshot } };
      await store.cloneSnapshot?.(name, { ...disk, volume: { ...from, snapshot } }, work);
    }
    work?.signal?.throwIfAborted();
    await store.clone?.(disk, { ...disk, volume: from }, work);
    try {
      await finishClone(copy, target, from);
    } catch (error) {
      // What cannot be shrunk (xfs) may still fit when it is copied.
      if (!isKind(error, 'bad-request') || disk.part === 'disk') throw error;
      await store.remove(disk);
      await makePart(copy, disk, target.size, work);
      await copyContents(copy, target, from, false, work);
    }
  }
};

/** How large the copy of a device is to be. */
const targetSize = (store: BlockStore, disk: BlockDisk, from: Volume, source: number): number => {
  const configured = configuredSize(disk, store.granularity);
  if (configured !== undefined) return configured;
  // An image is as small as it can be.
  return from.type === 'image' && disk.part === mainPart(disk.volume) ? Math.max(source, defaultBlockSize) : source;
};

/**
 * Makes `target`, which is not there, a copy of `from`, which is, with its snapshots. The caller undoes.
 *
 * @param sizes - the sizes of the source's parts, as `blockParts` names them
 */
export const copyBlockVolume = async (
  copy: BlockCopy,
  target: Volume,
  from: Volume,
  snapshots: readonly string[],
  sizes: readonly number[],
  work?: Work,
): Promise<void> => {
  const targets = blockParts(target).map((part, at): Target => {
    const [disk, source] = [{ volume: target, part }, sizes[at] ?? 0];
    const wanted: Target = { disk, size: targetSize(copy.store, disk, from, source) };
    if (part === 'disk' && wanted.size < source) throw tooLarge(wanted, source);
    return wanted;
  });
  const { clone, cloneSnapshot } = copy.store;
  if (clone && (cloneSnapshot || snapshots.length === 0)) {
    await copyByClone(copy, targets, from, snapshots, work);
  } else {
    const sources = [...snapshots.map((snapshot) => ({ ...from, snapshot })), from];
    await copyByContents(copy, targets, sources, work);
  }
};
