import { storageVolumeUrl } from '@lxd-ts/api';

/** Where a custom volume is named: pool, project, name. */
export interface VolumeName {
  readonly pool: string;
  readonly project: string;
  readonly name: string;
}

/** The key of a volume's lock, and its name in messages. */
export const volumeLock = ({ pool, project, name }: VolumeName): string => `volume "${pool}/${project}_${name}"`;

export const volumeUrl = ({ pool, project, name }: VolumeName): string =>
  storageVolumeUrl(pool, 'custom', name, { project });
