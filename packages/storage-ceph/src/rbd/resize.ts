/** Sizes of volumes: the RBD image, and with it the file system on it. */
import {
  badRequest,
  type Config,
  type ContentType,
  configuredFilesystem,
  defaultBlockSize,
  describeVolume,
  growFilesystem,
  minimumFilesystemSize,
  notFound,
  parseSize,
  readSuperblock,
  roundUp,
  shrinkFilesystem,
  type Volume,
  type Work,
} from '@lxd-ts/driver-kit';
import type { Devices } from './devices.ts';
import type { Images } from './images.ts';
import type { Mounts } from './mounts.ts';
import { hasMetadata, imageName } from './names.ts';

/** What the kernel's block layer takes at a time. */
export const BLOCK = 512;

/** The metadata of a virtual machine: configuration, firmware variables and the state of one that sleeps are not on the disk. */
const METADATA_SIZE = 100 * 1024 ** 2;

/** The size of the file system for metadata beside a disk, in bytes: `size.state`, or as little as its kind needs. */
export const metadataSize = (config: Config): number =>
  config['size.state']
    ? roundUp(parseSize(config['size.state']), BLOCK)
    : Math.max(METADATA_SIZE, minimumFilesystemSize[configuredFilesystem(config)]);

/**
 * @param size - bytes; undefined: at least the default size
 * @param now - the size of its image, where the caller knows it
 * @returns the size that the volume has then, in bytes
 */
export type Resize = (volume: Volume, size: number | undefined, work?: Work, now?: number) => Promise<number>;

export const resizer = (images: Images, devices: Devices, mounts: Mounts): Resize => {
  const grow = async (volume: Volume, content: ContentType, from: number, to: number, work?: Work): Promise<void> => {
    const image = imageName(volume, content);
    // Of an equal size rbd(8) says that it is an error.
    if (to > from) await images.resize(image, to, work);
    if (content !== 'filesystem') return;
    await using mounted = await mounts.mount(volume);
    await growFilesystem(await devices.map(image, undefined, describeVolume(volume)), mounted.path);
  };

  const shrink = async (volume: Volume, content: ContentType, size: number, work?: Work): Promise<void> => {
    if (content !== 'filesystem') throw badRequest(`${describeVolume(volume)} cannot shrink: block volumes only grow`);
    const image = imageName(volume, content);
    const device = await devices.map(image, undefined, describeVolume(volume));
    try {
      if ((await readSuperblock(device))?.kind === 'btrfs') {
        await using mounted = await mounts.mount(volume);
        await shrinkFilesystem(device, size, { mountedAt: mounted.path });
      } else {
        await shrinkFilesystem(device, size, { mountedAt: await mounts.mountedAt(volume) });
      }
      await images.resize(image, size, work);
    } finally {
      if (!mounts.inUse(volume)) await devices.release(image);
    }
  };

  return async (volume, size, work, known) => {
    const before = known ?? (await images.info(imageName(volume)))?.size;
    if (before === undefined) throw notFound(`${describeVolume(volume)} is not there`);
    // An image always has a size: without a limit it has at least the usual one.
    const wanted = size ?? Math.max(before, defaultBlockSize);
    if (wanted < before) await shrink(volume, volume.content, wanted, work);
    // The file system's growing is repeated at the same size, should it have been cut short.
    else await grow(volume, volume.content, before, wanted, work);
    if (!hasMetadata(volume) || !volume.config['size.state']) return wanted;
    const metadata = metadataSize(volume.config);
    const now = (await images.info(imageName(volume, 'filesystem')))?.size ?? 0;
    if (metadata < now) await shrink(volume, 'filesystem', metadata, work);
    else if (metadata > now) await grow(volume, 'filesystem', now, metadata, work);
    return wanted;
  };
};
