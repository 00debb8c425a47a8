/** The devices and file systems of block volumes in use: opened and mounted by the first user, left by the last. */
import { rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isErrno, isMountPoint, mountsBelow, unmount } from '@lxd-ts/host';
import { conflict } from '../errors.ts';
import { mountFilesystem, newFilesystemUuid } from './block-filesystem.ts';
import { type BlockDisk, type BlockStore, blockParts, type OpenDevice } from './block-store.ts';
import type { MountedVolume, Volume } from './contract.ts';
import { exists } from './directories.ts';
import { snapshotsDirectory, volumeDirectory } from './layout.ts';
import { mountCounter } from './mount-counter.ts';
import { makeDirectory, volumeMode } from './pool-directories.ts';
import { readSuperblock } from './superblock.ts';
import { describeVolume, parentOf } from './volume.ts';

export interface BlockMounts {
  /** Opens a device, shared with others who have it open. */
  open(disk: BlockDisk): Promise<OpenDevice>;
  /** Makes a volume or snapshot accessible: its file system mounted at its directory, its disk open. */
  mount(volume: Volume): Promise<MountedVolume>;
  /** Where the file system of a volume is mounted now, by whomever. */
  mountedAt(volume: Volume): Promise<string | undefined>;
  /**
   * Takes away what an earlier run of the server left mounted.
   *
   * @throws LxdError conflict when someone uses the volume
   */
  release(volume: Volume): Promise<void>;
  makeDirectory(volume: Volume): Promise<void>;
  /** Removes the directory of a volume or snapshot, with that of its snapshots when it was the last. */
  removeDirectory(volume: Volume): Promise<void>;
}

const removeEmpty = async (path: string): Promise<void> => {
  try {
    await rmdir(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY')) throw error;
  }
};

/** Disposes of the second, then of the first. */
const together = (first: AsyncDisposable, second: AsyncDisposable): AsyncDisposable => ({
  async [Symbol.asyncDispose]() {
    await second[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
  },
});

export const blockMounts = (root: string, store: BlockStore): BlockMounts => {
  const devices = mountCounter();
  const mounts = mountCounter();
  const pathOf = (volume: Volume): string => volumeDirectory(root, volume);
  const keyOf = ({ volume, part }: BlockDisk): string => `${pathOf(volume)} ${part}`;

  const open = async (disk: BlockDisk): Promise<OpenDevice> => {
    let device: OpenDevice | undefined;
    const shared = await devices.acquire(keyOf(disk), async () => {
      device = await store.open(disk);
      return device;
    });
    const path = device?.path ?? (await store.node(disk));
    if (path === undefined) throw conflict(`${describeVolume(disk.volume)} went away while it was in use`);
    return { path, [Symbol.asyncDispose]: () => shared[Symbol.asyncDispose]() };
  };

  const makeMountPoint = async (volume: Volume): Promise<void> => {
    if (volume.snapshot !== undefined) await makeDirectory(snapshotsDirectory(root, volume), 0o700);
    await makeDirectory(pathOf(volume), volumeMode(volume.type));
  };

  /** Two btrfs of one UUID are one to the kernel: a snapshot gets its own before it is mounted. */
  const separateUuid = async (disk: BlockDisk): Promise<void> => {
    const uuid = async (one: BlockDisk): Promise<string | undefined> => {
      await using device = await open(one);
      const superblock = await readSuperblock(device.path);
      return superblock?.kind === 'btrfs' ? superblock.uuid : undefined;
    };
    const own = await uuid(disk);
    if (own === undefined) return;
    const parent = await uuid({ ...disk, volume: parentOf(disk.volume) });
    if (own !== parent && !(await exists(`/sys/fs/btrfs/${own}`))) return;
    await using device = await store.open(disk, { write: true });
    await newFilesystemUuid(device.path);
  };

  const mountPart = (volume: Volume): Promise<AsyncDisposable> =>
    mounts.acquire(pathOf(volume), async () => {
      const [path, disk] = [pathOf(volume), { volume, part: 'filesystem' } as const];
      const mounted = await isMountPoint(path);
      if (!mounted && volume.snapshot !== undefined) await separateUuid(disk);
      const device = await open(disk);
      try {
        await makeMountPoint(volume);
        // One that an earlier run of the server left mounted is taken over.
        const mount = mounted
          ? { [Symbol.asyncDispose]: () => unmount(path) }
          : await mountFilesystem(device.path, path, {
              mountOptions: volume.config['block.mount_options'],
              readOnly: volume.snapshot !== undefined,
            });
        return together(device, mount);
      } catch (error) {
        await device[Symbol.asyncDispose]();
        throw error;
      }
    });

  return {
    open,
    makeDirectory: makeMountPoint,

    async mount(volume) {
      const parts = blockParts(volume);
      const path = pathOf(volume);
      if (!parts.includes('disk')) {
        const mount = await mountPart(volume);
        return { path, [Symbol.asyncDispose]: () => mount[Symbol.asyncDispose]() };
      }
      const device = await open({ volume, part: 'disk' });
      try {
        if (parts.includes('filesystem'))
          return { path, disk: device.path, ...together(device, await mountPart(volume)) };
        await makeMountPoint(volume);
        return { path, disk: device.path, [Symbol.asyncDispose]: () => device[Symbol.asyncDispose]() };
      } catch (error) {
        await device[Symbol.asyncDispose]();
        throw error;
      }
    },

    async mountedAt(volume) {
      const path = pathOf(volume);
      return (await isMountPoint(path)) ? path : undefined;
    },

    async release(volume) {
      const path = pathOf(volume);
      const busy = (cause?: unknown): Error => conflict(`${describeVolume(volume)} is in use`, { cause });
      if (mounts.inUse(path) || blockParts(volume).some((part) => devices.inUse(keyOf({ volume, part })))) throw busy();
      for (const { target } of mountsBelow(path)) {
        try {
          await unmount(target);
        } catch (error) {
          throw isErrno(error, 'EBUSY') ? busy(error) : error;
        }
      }
    },

    async removeDirectory(volume) {
      const path = pathOf(volume);
      await removeEmpty(path);
      if (volume.snapshot !== undefined) await removeEmpty(dirname(path));
    },
  };
};
