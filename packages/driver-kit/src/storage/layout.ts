import { join } from 'node:path';
import type { Volume } from './contract.ts';

const directories: Readonly<Record<Volume['type'], string>> = {
  container: 'containers',
  'virtual-machine': 'virtual-machines',
  image: 'images',
  custom: 'custom',
  bucket: 'buckets',
};

/** The directories of a pool that hold snapshots; these are mounted only while they are read. */
export const snapshotDirectories: readonly string[] = [
  'containers-snapshots',
  'virtual-machines-snapshots',
  'custom-snapshots',
];

/** The directories of a pool, as LXD lays them out. */
export const poolDirectories: readonly string[] = [...Object.values(directories), ...snapshotDirectories];

/**
 * The name of a volume on disk: images, and instances of the default project, have no prefix, all others `<project>_`.
 */
export const diskName = (volume: Pick<Volume, 'type' | 'project' | 'name'>): string =>
  volume.type === 'image' ||
  ((volume.type === 'container' || volume.type === 'virtual-machine') && volume.project === 'default')
    ? volume.name
    : `${volume.project}_${volume.name}`;

/** The inverse of `diskName`. A project name holds no `_`. */
export const parseDiskName = (type: Volume['type'], name: string): { project: string; name: string } => {
  const at = name.indexOf('_');
  if (type === 'image' || at === -1) return { project: 'default', name };
  return { project: name.slice(0, at), name: name.slice(at + 1) };
};

/** The directory of volumes of a type below the pool's path. */
export const volumesDirectory = (poolPath: string, type: Volume['type']): string => join(poolPath, directories[type]);

/** The directory that holds a volume's snapshots. */
export const snapshotsDirectory = (poolPath: string, volume: Volume): string =>
  join(poolPath, `${directories[volume.type]}-snapshots`, diskName(volume));

/** The directory of a volume, or of a snapshot when `volume.snapshot` is set. */
export const volumeDirectory = (poolPath: string, volume: Volume): string =>
  volume.snapshot === undefined
    ? join(volumesDirectory(poolPath, volume.type), diskName(volume))
    : join(snapshotsDirectory(poolPath, volume), volume.snapshot);
