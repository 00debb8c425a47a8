import { join } from 'node:path';
import type { Volume, VolumeType } from './contract.ts';

const directories: Readonly<Record<VolumeType, string>> = {
  container: 'containers',
  'virtual-machine': 'virtual-machines',
  image: 'images',
  custom: 'custom',
};

/** The directories of a pool, as LXD lays them out. */
export const poolDirectories: readonly string[] = [
  ...Object.values(directories),
  'containers-snapshots',
  'virtual-machines-snapshots',
  'custom-snapshots',
  'buckets',
];

/**
 * The name of a volume on disk: images and instances of the default project have no prefix, all others `<project>_`.
 */
export const diskName = (volume: Pick<Volume, 'type' | 'project' | 'name'>): string =>
  volume.type === 'image' || (volume.type !== 'custom' && volume.project === 'default')
    ? volume.name
    : `${volume.project}_${volume.name}`;

/** The inverse of `diskName`. A project name holds no `_`. */
export const parseDiskName = (type: VolumeType, name: string): { project: string; name: string } => {
  const at = name.indexOf('_');
  if (type === 'image' || at === -1) return { project: 'default', name };
  return { project: name.slice(0, at), name: name.slice(at + 1) };
};

/** The directory of volumes of a type below the pool's path. */
export const volumesDirectory = (poolPath: string, type: VolumeType): string => join(poolPath, directories[type]);

/** The directory that holds a volume's snapshots. */
export const snapshotsDirectory = (poolPath: string, volume: Volume): string =>
  join(poolPath, `${directories[volume.type]}-snapshots`, diskName(volume));

/** The directory of a volume, or of a snapshot when `volume.snapshot` is set. */
export const volumeDirectory = (poolPath: string, volume: Volume): string =>
  volume.snapshot === undefined
    ? join(volumesDirectory(poolPath, volume.type), diskName(volume))
    : join(snapshotsDirectory(poolPath, volume), volume.snapshot);
