/**
 * Making volumes accessible: their images are mapped, and file systems mounted at LXD's usual places below the pool's path. The
 * directories are made for it and removed again. What an earlier run left mapped or mounted is taken over.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  conflict,
  describeVolume,
  exists,
  type MountedVolume,
  mountCounter,
  mountFilesystem,
  newFilesystemUuid,
  readSuperblock,
  UndoStack,
  type Volume,
  volumeDirectory,
} from '@lxd-ts/driver-kit';
import { findMount, isErrno, unmount } from '@lxd-ts/host';
import { QUICK, within } from '../cluster.ts';
import type { Devices } from './devices.ts';
import type { Images } from './images.ts';
import { hasMetadata, imageName, snapshotName, ZOMBIE } from './names.ts';
import { removeImage } from './removal.ts';
import type { Measurements } from './usage.ts';

/** Makes a mount point. Below `containers` and the like, which are made too. */
const makeMountPoint = (path: string): Promise<unknown> => mkdir(path, { recursive: true, mode: 0o711 });

const removeMountPoint = async (path: string): Promise<void> => {
  try {
    await rmdir(path);
    await rmdir(dirname(path));
  } catch (error) {
    // Other volumes are beside it.
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST', 'EBUSY')) throw error;
  }
};

/** Whether another device with the file system's UUID is mounted, which the kernel does not have beside it with btrfs. */
const isMountedTwin = async (device: string): Promise<boolean> => {
  const superblock = await readSuperblock(device);
  return superblock?.kind === 'btrfs' && (await exists(`/sys/fs/btrfs/${superblock.uuid}`));
};

export type Mounts = ReturnType<typeof mountsOf>;

export const mountsOf = (root: string, images: Images, devices: Devices, measured: Measurements) => {
  const counter = mountCounter();
  const pathOf = (volume: Volume): string => volumeDirectory(root, volume);
  const rbdSnapshot = ({ snapshot }: Volume): string | undefined =>
    snapshot === undefined ? undefined : snapshotName(snapshot);

  /** The image with the volume's file system; undefined: it has none. */
  const filesystemImage = (volume: Volume): string | undefined =>
    volume.content === 'filesystem' || hasMetadata(volume) ? imageName(volume, 'filesystem') : undefined;

  const mountDevice = (volume: Volume, device: string): Promise<unknown> =>
    within(
      QUICK,
      `${describeVolume(volume)} could not be mounted from ${device}`,
      mountFilesystem(device, pathOf(volume), {
        mountOptions: volume.config['block.mount_options'],
        readOnly: volume.snapshot !== undefined,
      }),
    );

  /** A snapshot that must not be mounted beside its original is mounted from a clone, which lives as long as the mount. */
  const mountClone = async (volume: Volume, image: string, snapshot: string): Promise<void> => {
    const clone = `${ZOMBIE}mount_${randomUUID()}`;
    await using undo = new UndoStack();
    await images.protect(image, snapshot);
    undo.add(`remove ${clone}`, () => removeImage(images, clone));
    await images.clone(image, snapshot, clone);
    undo.add(`unmap ${clone}`, () => devices.release(clone));
    const device = await devices.map(clone, undefined, describeVolume(volume));
    await newFilesystemUuid(device);
    await mountDevice(volume, device);
    undo.commit();
  };

  const mountImage = async (volume: Volume, image: string): Promise<void> => {
    const path = pathOf(volume);
    if (await findMount(path)) return;
    const snapshot = rbdSnapshot(volume);
    await using undo = new UndoStack();
    undo.add(`unmap ${image}`, () => devices.release(image, snapshot));
    const device = await devices.map(image, snapshot, describeVolume(volume));
    undo.add(`remove ${path}`, () => removeMountPoint(path));
    await makeMountPoint(path);
    if (await isMountedTwin(device)) {
      if (snapshot === undefined) await newFilesystemUuid(device);
      else {
        await devices.release(image, snapshot);
        await mountClone(volume, image, snapshot);
        undo.commit();
        return;
      }
    }
    await mountDevice(volume, device);
    undo.commit();
  };

  const unmountImage = async (volume: Volume, image: string): Promise<void> => {
    const path = pathOf(volume);
    const mounted = await findMount(path);
    if (mounted !== undefined) {
      if (volume.snapshot === undefined) await measured.remember(image, path);
      try {
        await within(QUICK, `"${path}" could not be unmounted`, unmount(path));
      } catch (error) {
        throw isErrno(error, 'EBUSY') ? conflict(`${describeVolume(volume)} is in use`, { cause: error }) : error;
      }
    }
    await removeMountPoint(path);
    const clone = devices
      .all()
      .find(({ device, image: name }) => device === mounted?.source && name.startsWith(ZOMBIE));
    await devices.release(clone?.image ?? image, clone ? undefined : rbdSnapshot(volume));
    if (clone) await removeImage(images, clone.image);
  };

  const mountAll = async (volume: Volume): Promise<AsyncDisposable> => {
    const filesystem = filesystemImage(volume);
    const disk = volume.content === 'filesystem' ? undefined : imageName(volume);
    const undo = new UndoStack((_what, error) => {
      throw error;
    });
    try {
      if (filesystem !== undefined) {
        await mountImage(volume, filesystem);
        undo.add(`unmount ${filesystem}`, () => unmountImage(volume, filesystem));
      } else {
        undo.add('remove the mount point', () => removeMountPoint(pathOf(volume)));
        await makeMountPoint(pathOf(volume));
      }
      if (disk !== undefined) {
        undo.add(`unmap ${disk}`, async () => {
          await devices.release(disk, rbdSnapshot(volume));
          if (volume.snapshot === undefined) measured.measureLater(disk);
        });
        await devices.map(disk, rbdSnapshot(volume), describeVolume(volume));
      }
    } catch (error) {
      await undo[Symbol.asyncDispose]();
      throw error;
    }
    return undo;
  };

  return {
    pathOf,

    /** Mounts a volume or snapshot for one more user. */
    async mount(volume: Volume): Promise<MountedVolume> {
      const path = pathOf(volume);
      const shared = await counter.acquire(`${volume.content} ${path}`, () => mountAll(volume));
      const disk =
        volume.content === 'filesystem' ? undefined : devices.find(imageName(volume), rbdSnapshot(volume))?.device;
      return {
        path,
        ...(disk === undefined ? {} : { disk }),
        [Symbol.asyncDispose]: () => shared[Symbol.asyncDispose](),
      };
    },

    /** Whether a volume is mounted by somebody in this process. */
    inUse: (volume: Volume): boolean => counter.inUse(`${volume.content} ${pathOf(volume)}`),

    /** The directory at which the volume's file system is mounted now, if it is. */
    async mountedAt(volume: Volume): Promise<string | undefined> {
      return filesystemImage(volume) !== undefined && (await findMount(pathOf(volume))) ? pathOf(volume) : undefined;
    },

    /**
     * Unmounts and unmaps what an earlier run left of a volume or snapshot.
     *
     * @throws LxdError conflict when it is in use
     */
    async clear(volume: Volume): Promise<void> {
      if (this.inUse(volume)) throw conflict(`${describeVolume(volume)} is in use`);
      const filesystem = filesystemImage(volume);
      if (filesystem !== undefined) await unmountImage(volume, filesystem);
      else await removeMountPoint(pathOf(volume));
      const snapshot = rbdSnapshot(volume);
      const names = [...(filesystem === undefined ? [] : [filesystem]), imageName(volume)];
      for (const image of new Set(names)) {
        const free =
          snapshot === undefined
            ? await devices.releaseAll(image, describeVolume(volume))
            : await devices.release(image, snapshot);
        if (free === false) throw conflict(`${describeVolume(volume)} is in use`);
      }
    },
  };
};
