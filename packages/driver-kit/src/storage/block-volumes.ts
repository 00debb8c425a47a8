import { open } from 'node:fs/promises';
import { diskUsage } from '@lxd-ts/host';
import { badRequest, conflict, notFound } from '../errors.ts';
import { UndoStack, type Work } from '../work.ts';
import { copyBlockVolume, finishDirectory, fitDevice, makePart } from './block-copy.ts';
import { deviceSize, roundUp } from './block-device.ts';
import { growFilesystem, shrinkFilesystem } from './block-filesystem.ts';
import { blockMounts } from './block-mounts.ts';
import {
  type BlockDisk,
  type BlockStore,
  blockParts,
  configuredSize,
  defaultBlockSize,
  foundVolumes,
  mainPart,
  newSize,
  type RestoredDevice,
} from './block-store.ts';
import type { Fill, MountedVolume, Volume, VolumeCalls } from './contract.ts';
import { readSuperblock } from './superblock.ts';
import { syncFilesystem } from './system-calls.ts';
import { describeVolume, parentOf } from './volume.ts';

const noSuch = (volume: Volume): Error => notFound(`${describeVolume(volume)} is not there`);
const taken = (volume: Volume): Error => conflict(`${describeVolume(volume)} exists already`);
const disksOf = (volume: Volume): BlockDisk[] => blockParts(volume).map((part) => ({ volume, part }));
const isSame = (one: Volume, other: Volume): boolean =>
  one.type === other.type && one.project === other.project && one.name === other.name;

/**
 * The calls about volumes and snapshots of a pool whose volumes are block devices, mounted below `root` in LXD's layout; what
 * `directoryVolumes` is for directories.
 */
export const blockVolumes = (root: string, store: BlockStore): VolumeCalls => {
  const mounts = blockMounts(root, store);

  /** The sizes of the devices of volumes and snapshots, asked at once; of each either all or none is there. */
  const sizesOf = async (...volumes: readonly Volume[]): Promise<(readonly number[] | undefined)[]> => {
    const disks = volumes.map(disksOf);
    const sizes = [...(await store.sizes(disks.flat()))];
    return disks.map((own) => {
      const there = sizes.splice(0, own.length).filter((size) => size !== undefined);
      return there.length === 0 ? undefined : there;
    });
  };

  /** Checks that volumes and snapshots are there, and that another is not. Returns the sizes of the first's devices. */
  const check = async (volumes: readonly [Volume, ...Volume[]], free?: Volume): Promise<readonly number[]> => {
    const sizes = await sizesOf(...volumes, ...(free ? [free] : []));
    for (const [at, volume] of volumes.entries()) {
      // A part that is missing is missing, too.
      if (sizes[at]?.length !== blockParts(volume).length) throw noSuch(volume);
    }
    if (free && sizes.at(-1) !== undefined) throw taken(free);
    return sizes[0] ?? [];
  };

  const isThere = async (volume: Volume): Promise<boolean> => (await sizesOf(volume))[0] !== undefined;

  const remove = async (volume: Volume): Promise<void> => {
    await mounts.release(volume);
    for (const disk of disksOf(volume).reverse()) await store.remove(disk);
    await mounts.removeDirectory(volume);
  };

  const rename = async (disks: readonly BlockDisk[], to: (volume: Volume) => Volume): Promise<void> => {
    await using undo = new UndoStack();
    for (const disk of disks) {
      await mounts.release(disk.volume);
      const renamed = { ...disk, volume: to(disk.volume) };
      undo.add('rename back', async () => {
        const [there] = await store.sizes([renamed]);
        if (there !== undefined) await store.rename(renamed, disk);
      });
      await store.rename(disk, renamed);
    }
    undo.commit();
    for (const { volume } of disks) {
      await mounts.removeDirectory(volume);
      await mounts.makeDirectory(to(volume));
    }
  };

  /** Does what takes space of the pool. Why it failed is asked before what it made is removed. */
  const explained = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      throw (await store.explain?.(error)) ?? error;
    }
  };

  /** Lets a new volume be filled. What a thin pool has no room for shows when it is written back, so that is waited for. */
  const filled = async (volume: Volume, mounted: MountedVolume, fill: Fill | undefined, work: Work): Promise<void> => {
    await fill?.(mounted, work);
    if (blockParts(volume).includes('filesystem')) await syncFilesystem(mounted.path);
    if (!fill || mounted.disk === undefined) return;
    await using disk = await open(mounted.disk, 'r+');
    await disk.sync();
  };

  const make = async (volume: Volume, fill: Fill | undefined, work: Work = {}): Promise<void> => {
    for (const disk of disksOf(volume)) {
      await makePart({ store, mounts }, disk, newSize(disk, store.granularity), work);
    }
    await mounts.makeDirectory(volume);
    await using mounted = await mounts.mount(volume);
    if (blockParts(volume).includes('filesystem')) await finishDirectory(mounted.path, volume);
    await filled(volume, mounted, fill, work);
  };

  /** Grows a device and what is on it; repeated after a crash it does what was left. */
  const grow = async (disk: BlockDisk, from: number, size: number): Promise<void> => {
    const mountedAt = disk.part === 'filesystem' ? await mounts.mountedAt(disk.volume) : undefined;
    await using undo = new UndoStack();
    if (size > from) {
      undo.add('shrink the device again', () => store.resize(disk, from, { mounted: mountedAt !== undefined }));
      await store.resize(disk, size, { mounted: mountedAt !== undefined });
    }
    if (disk.part === 'filesystem') {
      await using device = await mounts.open(disk);
      await explained(() => growFilesystem(device.path, mountedAt));
    }
    undo.commit();
  };

  const shrink = async (disk: BlockDisk, from: number, size: number): Promise<void> => {
    if (disk.part === 'disk') {
      throw badRequest(`Block volumes cannot be shrunk: it has ${from} bytes, ${size} were asked for`);
    }
    const mountedAt = await mounts.mountedAt(disk.volume);
    await using undo = new UndoStack();
    await using device = await mounts.open(disk);
    undo.add('grow the file system again', () => growFilesystem(device.path, mountedAt));
    await shrinkFilesystem(device.path, size, { mountedAt });
    await store.resize(disk, size, { mounted: mountedAt !== undefined });
    undo.commit();
  };

  const resize = async (disk: BlockDisk, size: number): Promise<void> => {
    const [now] = await store.sizes([disk]);
    if (now === undefined) throw noSuch(disk.volume);
    await (size >= now ? grow(disk, now, size) : shrink(disk, now, size));
  };

  return {
    hasVolume: isThere,

    async createVolume(volume, fill, work) {
      if (await isThere(volume)) throw taken(volume);
      await using undo = new UndoStack();
      undo.add('remove the volume', () => remove(volume));
      await explained(() => make(volume, fill, work));
      undo.commit();
    },

    async copyVolume(target, from, snapshots, work) {
      const sizes = await check([from, ...snapshots.map((snapshot) => ({ ...from, snapshot }))], target);
      await using undo = new UndoStack();
      undo.add('remove the copy', () => remove(target));
      for (const snapshot of snapshots) undo.add('remove its snapshot', () => remove({ ...target, snapshot }));
      await explained(() => copyBlockVolume({ store, mounts }, target, from, snapshots, sizes, work));
      await mounts.makeDirectory(target);
      for (const snapshot of snapshots) await mounts.makeDirectory({ ...target, snapshot });
      undo.commit();
    },

    deleteVolume: remove,

    async renameVolume(volume, name) {
      const renamed = { ...volume, name };
      const disks = await store.list();
      const own = disks.filter((disk) => isSame(disk.volume, volume));
      const isMain = (disk: BlockDisk): boolean => disk.volume.snapshot === undefined;
      if (!own.some(isMain)) throw noSuch(volume);
      if (disks.some((disk) => isMain(disk) && isSame(disk.volume, renamed))) throw taken(renamed);
      // The volume itself comes last: while it is there under the old name, the call can be repeated.
      const ordered = [...own.filter((disk) => !isMain(disk)), ...own.filter(isMain)];
      await rename(ordered, (one) => ({ ...one, name }));
    },

    async resizeVolume(volume, size) {
      const main: BlockDisk = { volume, part: mainPart(volume) };
      const [now] = await store.sizes([main]);
      if (now === undefined) throw noSuch(volume);
      // A device always has a size: without one of its own a volume gets the default, and keeps what it has more.
      await resize(main, roundUp(size ?? Math.max(now, defaultBlockSize), store.granularity));
      for (const disk of disksOf(volume).filter(({ part }) => part !== main.part)) {
        const state = configuredSize(disk, store.granularity);
        if (state !== undefined) await resize(disk, state);
      }
    },

    async usage(volume) {
      const disk: BlockDisk = { volume, part: mainPart(volume) };
      const node = await store.node(disk);
      if (node === undefined) return undefined;
      const total = await deviceSize(node);
      if (disk.part === 'disk') {
        const used = await store.used?.(disk);
        return used === undefined ? undefined : { used, total };
      }
      const path = await mounts.mountedAt(volume);
      const used = path === undefined ? (await readSuperblock(node))?.used : (await diskUsage(path)).used;
      return used === undefined ? undefined : { used, total };
    },

    async mountVolume(volume) {
      const nodes = await Promise.all(disksOf(volume).map((disk) => store.node(disk)));
      // What is open is there; the rest is looked for first, so that nothing is made for what is not.
      if (nodes.includes(undefined)) await check([volume]);
      return mounts.mount(volume);
    },

    async createSnapshot(volume, work) {
      await check([parentOf(volume)], volume);
      await using undo = new UndoStack();
      undo.add('remove the snapshot', () => remove(volume));
      for (const disk of disksOf(volume)) await store.snapshot(disk, work);
      await mounts.makeDirectory(volume);
      undo.commit();
    },

    deleteSnapshot: remove,

    async renameSnapshot(volume, snapshot) {
      const renamed = { ...volume, snapshot };
      await check([volume], renamed);
      await rename(disksOf(volume), (one) => ({ ...one, snapshot }));
    },

    async restoreVolume(volume, snapshot, work) {
      const sizes = await check([volume, { ...volume, snapshot }]);
      await mounts.release(volume);
      const parts = blockParts(volume);
      const fit = (disk: BlockDisk, device: RestoredDevice): Promise<void> =>
        fitDevice(disk.part, device, sizes[parts.indexOf(disk.part)] ?? device.size);
      const tools = { fit, open: mounts.open, mount: mounts.mount };
      await explained(() => store.restore(volume, parts, snapshot, tools, work));
    },

    listVolumes: async () => foundVolumes(await store.list()),
  };
};
