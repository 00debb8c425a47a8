import {
  type BlockPart,
  badRequest,
  copyRawDisk,
  copyTree,
  deviceSize,
  type RestoreTools,
  type Volume,
  type Work,
} from '@lxd-ts/driver-kit';
import { lvm } from './command.ts';
import { type Group, qualified } from './group.ts';
import { made } from './made.ts';
import { logicalVolumeName } from './names.ts';
import { removeLogicalVolume } from './remove.ts';
import { wholeSnapshotSize } from './snapshot-size.ts';
import { mergeBack, undoName } from './staged.ts';

const copyBack = async (
  volume: Volume,
  part: BlockPart,
  snapshot: string,
  tools: RestoreTools,
  work?: Work,
): Promise<void> => {
  if (part === 'filesystem') {
    await using from = await tools.mount({ ...volume, snapshot });
    await using to = await tools.mount(volume);
    await copyTree(from.path, to.path, { ...work, refresh: true });
    return;
  }
  await using from = await tools.open({ volume: { ...volume, snapshot }, part });
  await using to = await tools.open({ volume, part });
  if ((await deviceSize(from.path)) > (await deviceSize(to.path))) {
    throw badRequest(`Volume "${volume.name}" is smaller than its snapshot "${snapshot}"`);
  }
  await copyRawDisk(from.path, to.path, work);
};

/**
 * Copies the snapshot's contents over those of the volume, which other snapshots depend on. Meanwhile a snapshot of its own keeps
 * what the volume was, and is merged back should anything go wrong.
 */
export const restoreThick = async (
  group: Group,
  volume: Volume,
  parts: readonly BlockPart[],
  snapshot: string,
  tools: RestoreTools,
  work?: Work,
): Promise<void> => {
  const names = parts.map((part) => logicalVolumeName({ volume, part }));
  const kept: string[] = [];
  try {
    for (const name of names) {
      await lvm([
        'lvcreate',
        '--snapshot',
        ...made,
        '--size',
        `${await wholeSnapshotSize(group, name)}b`,
        '--name',
        undoName(name),
        qualified(group, name),
      ]);
      kept.push(name);
    }
    for (const part of parts) await copyBack(volume, part, snapshot, tools, work);
  } catch (error) {
    if (kept.length === names.length) for (const name of kept) await mergeBack(group, name);
    else for (const name of kept) await removeLogicalVolume(group, undoName(name));
    throw error;
  }
  for (const name of kept.reverse()) await removeLogicalVolume(group, undoName(name));
};
