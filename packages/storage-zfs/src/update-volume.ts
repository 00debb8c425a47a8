/** What a changed configuration means for a volume that is there. */
import {
  badRequest,
  configuredFilesystem,
  describeVolume,
  isTrue,
  notFound,
  readSuperblock,
  type Volume,
} from '@lxd-ts/driver-kit';
import type { PoolContext } from './context.ts';
import { typeOf } from './mounts.ts';
import { type Part, partsOf } from './names.ts';
import { limitAnew, reserveDisk } from './resize.ts';

/** Refuses to turn files in a dataset into files on a disk, or one file system into another: only a copy can. */
const refuseOtherForm = async ({ root, disks }: PoolContext, volume: Volume): Promise<void> => {
  if (volume.content !== 'filesystem') return;
  const [{ dataset }] = partsOf(root, volume);
  const type = await typeOf(dataset);
  if (type === undefined) throw notFound(`${describeVolume(volume)} is not there`);
  if ((type === 'volume') !== isTrue(volume.config['zfs.block_mode']))
    throw badRequest('"zfs.block_mode" of a volume cannot be changed');
  if (type !== 'volume') return;
  await using disk = await disks.device(dataset);
  if ((await readSuperblock(disk.path))?.kind !== configuredFilesystem(volume.config))
    throw badRequest('"block.filesystem" of a volume cannot be changed');
};

const updatePart = async (pool: PoolContext, volume: Volume, { dataset, kind }: Part): Promise<void> => {
  if (kind === 'dataset') await limitAnew(pool, volume, dataset);
  else await reserveDisk(volume, dataset);
  pool.space.changed(dataset);
};

/** Makes a volume follow its changed configuration; see the contract. */
export const updateVolume = async (pool: PoolContext, volume: Volume, changed: readonly string[]): Promise<void> => {
  if (changed.some((key) => key === 'zfs.block_mode' || key === 'block.filesystem'))
    await refuseOtherForm(pool, volume);
  if (!changed.some((key) => key === 'zfs.use_refquota' || key === 'zfs.reserve_space')) return;
  for (const part of partsOf(pool.root, volume)) {
    // With a new size comes a new limit.
    if (part.kind !== 'dataset' || !changed.includes('size')) await updatePart(pool, volume, part);
  }
};
