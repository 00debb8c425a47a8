/** The calls about volumes of an open pool: making, finding, changing and removing them. */
import { chmod, open } from 'node:fs/promises';
import {
  badRequest,
  configuredFilesystem,
  conflict,
  defaultBlockSize,
  describeVolume,
  type Fill,
  type FoundVolume,
  isKind,
  makeFilesystem,
  messageOf,
  minimumFilesystemSize,
  notFound,
  removeLostAndFound,
  roundUp,
  syncFilesystem,
  UndoStack,
  type Volume,
  type VolumeCalls,
  volumeSize,
  type Work,
} from '@lxd-ts/driver-kit';
import { diskUsage } from '@lxd-ts/host';
import { endedWith, PATIENT, QUICK, within } from '../cluster.ts';
import type { Copier } from './copies.ts';
import type { Devices } from './devices.ts';
import type { Images } from './images.ts';
import type { Mounts } from './mounts.ts';
import { hasMetadata, imageName, imageNames, parseImageName, parseSnapshotName, snapshotName } from './names.ts';
import { removeImage } from './removal.ts';
import { BLOCK, metadataSize, type Resize } from './resize.ts';
import type { Measurements } from './usage.ts';
import { rootMode } from './volume-root.ts';

/** Those about snapshots are in `snapshots.ts`. */
type ImageCalls = Omit<VolumeCalls, 'createSnapshot' | 'deleteSnapshot' | 'renameSnapshot' | 'restoreVolume'>;

/** Refuses names that mean something else to `rbd`, or are taken for another kind of volume when they are read back. */
export const checkName = (volume: Volume): void => {
  const bad = [volume.name, volume.snapshot ?? ''].find((name) => /[@/]/.test(name));
  if (bad !== undefined) throw badRequest(`Invalid name "${bad}": it must not contain "@" or "/" in a Ceph pool`);
  if (parseImageName(imageName(volume))?.content !== volume.content) {
    throw badRequest(`Invalid name "${volume.name}": it must not end with ".block" or ".iso" in a Ceph pool`);
  }
};

export interface VolumeParts {
  readonly images: Images;
  readonly devices: Devices;
  readonly mounts: Mounts;
  readonly measured: Measurements;
  readonly resize: Resize;
  readonly copier: Copier;
}

export const volumeCalls = ({ images, devices, mounts, measured, resize, copier }: VolumeParts): ImageCalls => {
  /** Makes an image; one that is there is not touched. */
  const makeImage = async (
    volume: Volume,
    image: string,
    size: number,
    undo: UndoStack,
    work?: Work,
  ): Promise<void> => {
    let ours = true;
    undo.add(`remove ${image}`, async () => {
      if (ours) await removeImage(images, image);
    });
    try {
      await images.create(image, size, work);
    } catch (error) {
      ours = !endedWith(error, 'EEXIST');
      throw ours ? error : conflict(`${describeVolume(volume)} exists already`, { cause: error });
    }
    measured.setSize(image, size);
  };

  const makeFilesystemImage = async (volume: Volume, wanted: number, undo: UndoStack, work?: Work): Promise<void> => {
    const image = imageName(volume, 'filesystem');
    const kind = configuredFilesystem(volume.config);
    const least = minimumFilesystemSize[kind];
    if (wanted < least) {
      throw badRequest(`Invalid value for "size": ${wanted} bytes are too few for ${kind}, which needs ${least}`);
    }
    await makeImage(volume, image, wanted, undo, work);
    undo.add(`unmap ${image}`, () => devices.release(image));
    const device = await devices.map(image, undefined, describeVolume(volume));
    await makeFilesystem(device, kind, {
      size: wanted,
      zeroed: true,
      ...(work?.signal ? { signal: work.signal } : {}),
    });
  };

  const fillVolume = async (volume: Volume, fill: Fill | undefined, work: Work): Promise<void> => {
    // A disk has nothing that would have to be made.
    if (fill === undefined && volume.content !== 'filesystem' && !hasMetadata(volume)) return;
    await using mounted = await mounts.mount(volume);
    if (volume.content === 'filesystem' || hasMetadata(volume)) {
      await removeLostAndFound(mounted.path);
      await chmod(mounted.path, rootMode(volume.type));
    }
    await fill?.(mounted, work);
    // What there is no room for shows when it is written back.
    const whole = `${describeVolume(volume)} was not written back`;
    if (volume.content === 'filesystem' || hasMetadata(volume)) {
      await within(PATIENT, whole, syncFilesystem(mounted.path));
    }
    if (fill === undefined || mounted.disk === undefined) return;
    await using disk = await open(mounted.disk, 'r+');
    await within(PATIENT, whole, disk.sync());
  };

  /** Does what writes to a volume. Why the kernel could not write is asked before what was made is removed. */
  const writing = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      const failed = /ENOSPC|EIO|EROFS|No space left|Input\/output error|Read-only file system/;
      const reason = failed.test(messageOf(error)) ? await images.noRoom() : undefined;
      throw reason === undefined || isKind(error) ? error : conflict(reason.message, { cause: error });
    }
  };

  return {
    hasVolume: async (volume) =>
      (await images.info(
        imageName(volume),
        volume.snapshot === undefined ? undefined : snapshotName(volume.snapshot),
      )) !== undefined,

    async createVolume(volume, fill, work = {}) {
      checkName(volume);
      const size = roundUp(volumeSize(volume) ?? defaultBlockSize, BLOCK);
      await using undo = new UndoStack();
      await writing(async () => {
        if (hasMetadata(volume)) await makeFilesystemImage(volume, metadataSize(volume.config), undo, work);
        if (volume.content === 'filesystem') await makeFilesystemImage(volume, size, undo, work);
        else await makeImage(volume, imageName(volume), size, undo, work);
        await fillVolume(volume, fill, work);
      });
      if (volume.type === 'image') await copier.seal(volume, work);
      undo.commit();
      measured.changed();
    },

    async copyVolume(target, source, snapshots, work) {
      checkName(target);
      const size = await copier.copy(target, source, snapshots, work);
      const [image, from] = [imageName(target), imageName(source)];
      measured.same(image, source.snapshot === undefined ? from : `${from}@${snapshotName(source.snapshot)}`);
      for (const name of snapshots.map(snapshotName)) measured.same(`${image}@${name}`, `${from}@${name}`);
      measured.setSize(image, size);
      measured.changed();
    },

    async deleteVolume(volume) {
      await mounts.clear(volume);
      for (const image of imageNames(volume)) {
        await removeImage(images, image);
        measured.forget(image);
      }
      measured.changed();
    },

    async renameVolume(volume, name) {
      const renamed = { ...volume, name };
      checkName(renamed);
      await mounts.clear(volume);
      await using undo = new UndoStack();
      const names = imageNames(renamed);
      for (const [at, image] of imageNames(volume).entries()) {
        const next = names[at] ?? '';
        let ours = true;
        undo.add(`rename ${next}`, async () => {
          if (ours) await images.rename(next, image);
        });
        try {
          await images.rename(image, next);
        } catch (error) {
          ours = !endedWith(error, 'EEXIST');
          if (!ours) throw conflict(`${describeVolume(renamed)} exists already`, { cause: error });
          // The metadata of a disk goes first: a try that was cut short may have got so far.
          const before = endedWith(error, 'ENOENT') && at < names.length - 1 && (await images.info(next)) !== undefined;
          if (!before) throw error;
        }
        measured.same(next, image);
        measured.setSize(next, measured.size(image) ?? defaultBlockSize);
        measured.forget(image);
      }
      undo.commit();
    },

    async resizeVolume(volume, size, work) {
      measured.setSize(
        imageName(volume),
        await resize(volume, size === undefined ? undefined : roundUp(size, BLOCK), work),
      );
      measured.changed();
    },

    async usage(volume) {
      const image = imageName(volume);
      if (volume.snapshot !== undefined) {
        const used = measured.used(image, snapshotName(volume.snapshot));
        return used === undefined ? undefined : { used };
      }
      const path = volume.content === 'filesystem' ? await mounts.mountedAt(volume) : undefined;
      const used =
        path === undefined
          ? measured.used(image)
          : (await within(QUICK, `"${path}" did not tell its use`, diskUsage(path))).used;
      const total = devices.find(image)?.size ?? measured.size(image) ?? volumeSize(volume);
      return used === undefined ? undefined : { used, ...(total === undefined ? {} : { total }) };
    },

    mountVolume: (volume) => mounts.mount(volume),

    async listVolumes() {
      const listed = await images.list();
      const names = new Set(listed.map(({ image }) => image));
      const found = new Map<string, FoundVolume & { snapshots: string[] }>();
      for (const { image, snapshot } of listed.sort((a, b) => (a.snapshot_id ?? 0) - (b.snapshot_id ?? 0))) {
        const volume = parseImageName(image);
        // The metadata beside a disk is no volume of its own.
        if (volume === undefined || (volume.type !== 'custom' && names.has(`${image}.block`))) continue;
        const one = found.get(image) ?? { volume, snapshots: [] };
        found.set(image, one);
        const name = parseSnapshotName(snapshot ?? '');
        if (name !== undefined) one.snapshots.push(name);
      }
      return [...found.values()];
    },
  };
};

/** @throws LxdError not-found */
export const existingSnapshot = async (images: Images, volume: Volume, snapshot: string) => {
  const [image = ''] = imageNames(volume).slice(-1);
  const found = (await images.snapshots(image)).find(({ name }) => name === snapshotName(snapshot));
  if (found) return found;
  throw notFound(`${describeVolume({ ...volume, snapshot })} is not there`);
};
