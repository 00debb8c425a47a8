/** The sizes of volumes: limits of datasets, sizes of disks with and without a file system on them. */
import {
  badRequest,
  defaultDiskSize,
  describeVolume,
  growFilesystem,
  isTrue,
  notFound,
  shrinkFilesystem,
  type Volume,
} from '@lxd-ts/driver-kit';
import { complaint, rows, unless, zfs, zpool } from './commands.ts';
import type { PoolContext } from './context.ts';
import { type Part, partsOf, zpoolOf } from './names.ts';
import { diskSize, limitProperties, stateSize } from './properties.ts';

/** The properties by which a dataset is limited, to go back to when setting them fails half way. */
const limitNames = ['reservation', 'quota', 'refreservation', 'refquota'] as const;

/** Properties of a dataset or zvol as numbers without units; undefined: it is not there. */
const readProperties = async (dataset: string, names: readonly string[]): Promise<Map<string, string> | undefined> => {
  const output = await unless('missing', () => zfs(['get', '-H', '-p', '-o', 'property,value', names.join(), dataset]));
  return output === undefined ? undefined : new Map(rows(output).map(([name = '', value = '']) => [name, value]));
};

/** Limits a dataset, by the properties that the volume's configuration wants it to be limited by. */
const limitDataset = async (pool: PoolContext, volume: Volume, dataset: string, size: number | undefined) => {
  // What was written a moment ago counts: the kernel notices with the next transaction group.
  if (size !== undefined && (await pool.mounts.mountedAt(volume))) await zpool(['sync', zpoolOf(pool.root)]);
  const before = await readProperties(dataset, limitNames);
  if (!before) throw notFound(`${describeVolume(volume)} is not there`);
  try {
    await zfs(['set', ...limitProperties(volume.config, size), dataset]);
  } catch (error) {
    await zfs(['set', ...[...before].map(([name, value]) => `${name}=${value === '0' ? 'none' : value}`), dataset]);
    if (complaint(error) !== 'too-small') throw error;
    throw badRequest(`${describeVolume(volume)} cannot be limited to ${size} bytes: it uses more`, { cause: error });
  }
};

/** Limits a dataset anew to the size that it is limited to. */
export const limitAnew = async (pool: PoolContext, volume: Volume, dataset: string): Promise<void> => {
  const now = await readProperties(dataset, limitNames);
  const limit = Number(now?.get('quota')) || Number(now?.get('refquota'));
  await limitDataset(pool, volume, dataset, limit || undefined);
};

/** The size of a zvol in bytes. */
export const sizeOfDisk = async (volume: Volume, zvol: string): Promise<number> => {
  const size = (await readProperties(zvol, ['volsize']))?.get('volsize');
  if (size === undefined) throw notFound(`${describeVolume(volume)} is not there`);
  return Number(size);
};

const setDiskSize = async (zvol: string, size: number): Promise<void> => {
  await zfs(['set', `volsize=${size}`, zvol]);
};

/** Gives a disk all its space beforehand, or none, as its configuration says. */
export const reserveDisk = async ({ config }: Volume, zvol: string): Promise<void> => {
  await zfs(['set', `refreservation=${isTrue(config['zfs.reserve_space']) ? 'auto' : 'none'}`, zvol]);
};

/** Disks grow; they never shrink, since nobody knows what is at their end. Without a size one has at least the default one. */
const resizeDisk = async (volume: Volume, zvol: string, size: number | undefined): Promise<void> => {
  const now = await sizeOfDisk(volume, zvol);
  const wanted = size === undefined ? Math.max(defaultDiskSize, now) : diskSize(volume, size);
  if (wanted < now) {
    throw badRequest(`Block volumes cannot be shrunk: it has ${now} bytes, ${size} were asked for`);
  }
  if (wanted > now) await setDiskSize(zvol, wanted);
};

/** Changes the size of a disk with the file system on it. */
const fitFormatted = async (
  pool: PoolContext,
  zvol: string,
  { from, to, mountedAt }: { readonly from: number; readonly to: number; readonly mountedAt?: string | undefined },
): Promise<void> => {
  if (from === to) return;
  await using disk = await pool.disks.device(zvol);
  if (to < from) {
    await shrinkFilesystem(disk.path, to, { mountedAt });
    await setDiskSize(zvol, to);
  } else {
    await setDiskSize(zvol, to);
    await growFilesystem(disk.path, mountedAt);
  }
};

/** Without a size a disk with a file system on it has at least the default one. */
const resizeFormatted = async (pool: PoolContext, volume: Volume, zvol: string, size: number | undefined) => {
  const from = await sizeOfDisk(volume, zvol);
  const to = size === undefined ? Math.max(defaultDiskSize, from) : diskSize(volume, size);
  await fitFormatted(pool, zvol, { from, to, mountedAt: await pool.mounts.mountedAt(volume) });
};

/**
 * Checks that what a file system was at a snapshot fits on its disk as large as that is now: on a clone of it.
 *
 * @param size - that of the disk now
 * @throws LxdError bad-request
 */
export const checkFits = async (pool: PoolContext, volume: Volume, snapshot: string, size: number): Promise<void> => {
  if ((await sizeOfDisk(volume, snapshot)) <= size) return;
  await using disk = await pool.disks.clone(snapshot);
  await shrinkFilesystem(disk.path, size);
};

/** Gives a disk that went back to an earlier state the size that it had since, with the file system on it. Others do not shrink. */
export const refitDisk = async (
  pool: PoolContext,
  volume: Volume,
  { dataset, kind }: Part,
  size: number,
): Promise<void> => {
  const now = await sizeOfDisk(volume, dataset);
  if (kind === 'formatted') await fitFormatted(pool, dataset, { from: now, to: size });
  else if (now < size) await setDiskSize(dataset, size);
};

const resizePart = async (pool: PoolContext, volume: Volume, { dataset, kind }: Part, size: number | undefined) => {
  if (kind === 'dataset') {
    await limitDataset(pool, volume, dataset, volume.content === 'filesystem' ? size : stateSize(volume));
  } else if (kind === 'disk') await resizeDisk(volume, dataset, size);
  else await resizeFormatted(pool, volume, dataset, size);
};

/** Sets the size of a volume; see the contract. */
export const resizeVolume = async (pool: PoolContext, volume: Volume, size: number | undefined): Promise<void> => {
  for (const part of partsOf(pool.root, volume)) {
    await resizePart(pool, volume, part, size);
    pool.space.changed(part.dataset);
  }
};
