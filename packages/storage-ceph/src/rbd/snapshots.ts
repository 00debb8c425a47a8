/** The calls about snapshots of volumes, and about volumes in transit, which travel as snapshots do. */
import {
  conflict,
  describeVolume,
  parentOf,
  type StoragePool,
  sendInto,
  UndoStack,
  type Volume,
  volumeSize,
} from '@lxd-ts/driver-kit';
import { endedWith } from '../cluster.ts';
import { momentOf, takeSnapshots } from './moment.ts';
import { imageName, imageNames, snapshotName } from './names.ts';
import { removeImage, removeSnapshot } from './removal.ts';
import { receiveImages, sendImages } from './transfer.ts';
import { changing } from './unfinished.ts';
import { checkName, existingSnapshot, type VolumeParts } from './volumes.ts';

export type SnapshotCalls = Required<
  Pick<StoragePool, 'createSnapshot' | 'deleteSnapshot' | 'renameSnapshot' | 'restoreVolume' | 'send' | 'receive'>
>;

const rbdName = ({ snapshot = '' }: Volume): string => snapshotName(snapshot);

export const snapshotCalls = (
  root: string,
  { images, devices, mounts, measured, resize, copier }: VolumeParts,
): SnapshotCalls => {
  /** Gives what was received the size that it is configured to have. */
  const fit = async (volume: Volume): Promise<void> => {
    const [size, info] = [volumeSize(volume), await images.info(imageName(volume))];
    if (size !== undefined && info && size !== info.size) await resize(volume, size, undefined, info.size);
    measured.setSize(imageName(volume), size ?? info?.size ?? 0);
  };

  return {
    async createSnapshot(volume, work) {
      checkName(volume);
      const image = imageName(volume);
      const path = volume.content === 'filesystem' ? await mounts.mountedAt(parentOf(volume)) : undefined;
      await takeSnapshots(images, mounts, parentOf(volume), rbdName(volume), work);
      if (path !== undefined) await measured.remember(image, path);
      measured.same(`${image}@${rbdName(volume)}`, image);
      measured.changed();
    },

    async deleteSnapshot(volume) {
      await mounts.clear(volume);
      for (const image of imageNames(volume)) await removeSnapshot(images, image, rbdName(volume));
      measured.forget(`${imageName(volume)}@${rbdName(volume)}`);
      measured.changed();
    },

    async renameSnapshot(volume, name) {
      checkName({ ...volume, snapshot: name });
      await mounts.clear(volume);
      await using undo = new UndoStack();
      const main = imageName(volume);
      for (const image of imageNames(volume)) {
        try {
          await images.renameSnapshot(image, rbdName(volume), snapshotName(name));
        } catch (error) {
          // As with volumes, a try that was cut short may have got so far.
          const before =
            endedWith(error, 'ENOENT') &&
            image !== main &&
            (await images.info(image, snapshotName(name))) !== undefined;
          if (!before) throw error;
        }
        undo.add(`rename ${image}@${name}`, () => images.renameSnapshot(image, snapshotName(name), rbdName(volume)));
      }
      undo.commit();
    },

    async restoreVolume(volume, snapshot, work) {
      const was = await existingSnapshot(images, volume, snapshot);
      await mounts.clear(volume);
      const now = await images.info(imageName(volume));
      await changing(root, images, imageNames(volume), async () => {
        for (const image of imageNames(volume)) await images.rollBack(image, was.name, work);
        // A snapshot has the size of its time.
        if (now && now.size !== was.size) await resize(volume, now.size, work, was.size);
      });
      measured.same(imageName(volume), `${imageName(volume)}@${was.name}`);
      if (now) measured.setSize(imageName(volume), now.size);
      measured.measureLater(imageName(volume));
      measured.changed();
    },

    send: (volume, base, to, work) =>
      sendInto(to, async () => {
        const names = imageNames(volume);
        const from = base === undefined ? undefined : snapshotName(base);
        if (volume.snapshot !== undefined) return sendImages(images, names, rbdName(volume), from, to, work);
        // What nobody writes to can be read as it is.
        if (!names.some((image) => devices.find(image))) return sendImages(images, names, undefined, from, to, work);
        await using moment = await momentOf(images, mounts, volume, work);
        await sendImages(images, names, moment.name, from, to, work);
      }),

    async receive(volume, base, from, work) {
      checkName(volume);
      const names = imageNames(volume);
      const whole = parentOf(volume);
      const snapshot = volume.snapshot === undefined ? undefined : rbdName(volume);
      if (base === undefined) {
        if (await images.info(imageName(volume))) throw conflict(`${describeVolume(whole)} exists already`);
        await using undo = new UndoStack();
        for (const image of names) {
          undo.add(`remove ${image}`, () => removeImage(images, image));
          await images.create(image, 0, work);
        }
        await receiveImages(images, names, { snapshot, base }, from, work);
        if (snapshot === undefined) await fit(whole);
        if (volume.type === 'image') await copier.seal(whole, work);
        undo.commit();
      } else {
        const { name } = await existingSnapshot(images, whole, base);
        if (snapshot !== undefined && (await images.info(imageName(volume), snapshot))) {
          throw conflict(`${describeVolume(volume)} exists already`);
        }
        await mounts.clear(whole);
        const differing: string[] = [];
        for (const image of names) if (await images.differs(image, name)) differing.push(image);
        // A volume that has gone its own way since the base keeps what it is while it gets a snapshot.
        const keep = snapshot !== undefined && differing.length > 0;
        const apply = async (): Promise<void> => {
          for (const image of differing) await images.rollBack(image, name, work);
          await receiveImages(images, names, { snapshot, base: name }, from, work);
          if (snapshot === undefined) await fit(whole);
        };
        await changing(root, images, names, apply, keep);
      }
      measured.changed();
    },
  };
};
