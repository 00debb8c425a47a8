import { type BlockPart, deviceSize, type RestoreTools, UndoStack, type Volume, type Work } from '@lxd-ts/driver-kit';
import { activate } from './activation.ts';
import { lvm } from './command.ts';
import { type Group, qualified } from './group.ts';
import { made } from './made.ts';
import { logicalVolumeName } from './names.ts';
import { removeLogicalVolume } from './remove.ts';
import { resizeLogicalVolume } from './resize.ts';
import { newName, swap } from './staged.ts';

/** Makes new logical volumes from the snapshot's, and puts them in the place of the volume's own. */
export const restoreThin = async (
  group: Group,
  volume: Volume,
  parts: readonly BlockPart[],
  snapshot: string,
  { fit }: RestoreTools,
  work?: Work,
): Promise<void> => {
  await using undo = new UndoStack();
  const names: string[] = [];
  for (const part of parts) {
    work?.signal?.throwIfAborted();
    const disk = { volume, part };
    const name = logicalVolumeName(disk);
    const fresh = newName(name);
    undo.add(`remove ${fresh}`, () => removeLogicalVolume(group, fresh));
    const source = qualified(group, logicalVolumeName({ part, volume: { ...volume, snapshot } }));
    await lvm(['lvcreate', '--snapshot', ...made, '--permission', 'rw', '--name', fresh, source]);
    names.push(name);
    const path = await activate(group, fresh);
    const size = await deviceSize(path);
    const resize = (bytes: number): Promise<void> => resizeLogicalVolume(group, fresh, bytes);
    await fit(disk, { path, size, resize });
  }
  // From here on there is no way back: what cannot be finished now is, when the pool is opened.
  undo.commit();
  await swap(group, names);
};
