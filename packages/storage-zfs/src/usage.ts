import { describeVolume, notFound, type Volume } from '@lxd-ts/driver-kit';
import type { PoolContext } from './context.ts';
import { nameOf } from './mounts.ts';
import { partsOf } from './names.ts';
import type { Usage } from './space.ts';

/** What a volume or snapshot uses; a machine's is that of its disk. Starts no program. */
export const usageOfVolume = async ({ root, mounts, space }: PoolContext, volume: Volume): Promise<Usage> => {
  const parts = partsOf(root, volume);
  const part = parts.find(({ kind }) => kind === 'disk') ?? parts[0];
  const isLive = volume.snapshot === undefined && part.kind === 'dataset';
  const usage = await space.usage(nameOf(volume, part), isLive ? await mounts.mountedAt(volume) : undefined);
  if (!usage) throw notFound(`${describeVolume(volume)} is not there`);
  return usage;
};
