/** Sizes of volumes: the RBD image, and with it the file system on it. */
import {
  badRequest,
  defaultDiskSize,
  describeVolume,
  growFilesystem,
  notFound,
  readSuperblock,
  shrinkFilesystem,
  type Volume,
  type Work,
} from '@lxd-ts/driver-kit';
import type { Devices } from './devices.ts';
import type { Images } from './images.ts';
import type { Mounts } from './mounts.ts';
import { imageName } from './names.ts';

export type Resize = (volume: Volume, size: number | undefined, work?: Work) => Promise<void>;

export const resizer = (images: Images, devices: Devices, mounts: Mounts): Resize => {
  const grow = async (volume: Volume, image: string, size: number, work?: Work): Promise<void> => {
    await images.resize(image, size, work);
    if (volume.content !== 'filesystem') return;
    await using mounted = await mounts.mount(volume);
    await growFilesystem(await devices.map(image, undefined, describeVolume(volume)), mounted.path);
  };

  const shrink = async (volume: Volume, image: string, size: number, work?: Work): Promise<void> => {
    if (volume.content !== 'filesystem')
      throw badRequest(`${describeVolume(volume)} cannot shrink: block volumes only grow`);
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

  return async (volume, size, work) => {
    const image = imageName(volume);
    const info = await images.info(image);
    if (info === undefined) throw notFound(`${describeVolume(volume)} is not there`);
    // An image always has a size: without a limit it has at least the usual one.
    const wanted = size ?? Math.max(info.size, defaultDiskSize);
    if (wanted < info.size) await shrink(volume, image, wanted, work);
    // Growing is repeated at the same size, should it have been cut short.
    else await grow(volume, image, wanted, work);
  };
};
