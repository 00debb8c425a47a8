/** The names of LXD's RBD images: what a volume is called in the OSD pool, and back. */
import {
  type ContentType,
  configuredFilesystem,
  diskName,
  type FoundVolume,
  parseDiskName,
  type Volume,
  type VolumeType,
} from '@lxd-ts/driver-kit';

/** Prefix of what was removed while clones of it live. It goes with the last of them. */
export const ZOMBIE = 'zombie_';
/** Prefix of snapshots that stand for nothing but the clones made of them. */
export const ZOMBIE_SNAPSHOT = 'zombie_snapshot_';
/** The snapshot of an image volume of which instances are cloned. */
export const READONLY = 'readonly';

const volumeTypes: readonly VolumeType[] = ['container', 'virtual-machine', 'image', 'custom'];
const suffixes: Readonly<Record<ContentType, string>> = { filesystem: '', block: '.block', iso: '.iso' };

/** The image that marks an OSD pool as in use by LXD. */
export const placeholder = (osdPool: string): string => `lxd_${osdPool}`;

/** Whether the volume is a disk with a small file system for metadata beside it. */
export const hasMetadata = ({ type, content }: Volume): boolean => content === 'block' && type !== 'custom';

/** The name of an RBD image that holds a volume's content of a kind. */
export const imageName = (volume: Volume, content: ContentType = volume.content): string => {
  // Custom volumes carry their project, the default one too.
  const name = volume.type === 'custom' ? `${volume.project}_${volume.name}` : diskName(volume);
  const filesystem = volume.type === 'image' ? `_${configuredFilesystem(volume.config)}` : '';
  return `${volume.type}_${name}${filesystem}${suffixes[content]}`;
};

/** The names of all images of a volume, the one that a user means last: the volume is there when that is. */
export const imageNames = (volume: Volume): readonly [string, ...string[]] =>
  hasMetadata(volume) ? [imageName(volume, 'filesystem'), imageName(volume)] : [imageName(volume)];

/** The name of an RBD snapshot. */
export const snapshotName = (snapshot: string): string => `snapshot_${snapshot}`;

/** The inverse of `snapshotName`; undefined for snapshots of other purpose. */
export const parseSnapshotName = (name: string): string | undefined =>
  name.startsWith('snapshot_') ? name.slice('snapshot_'.length) : undefined;

/** The volume that an image belongs to; undefined when it is none of LXD's, a zombie or the placeholder. */
export const parseImageName = (image: string): FoundVolume['volume'] | undefined => {
  const type = volumeTypes.find((one) => image.startsWith(`${one}_`));
  if (type === undefined) return undefined;
  let rest = image.slice(type.length + 1);
  const content: ContentType = rest.endsWith('.block') ? 'block' : rest.endsWith('.iso') ? 'iso' : 'filesystem';
  rest = rest.slice(0, rest.length - suffixes[content].length);
  if (type !== 'image') return { type, content, ...parseDiskName(type, rest), config: {} };
  const [, name, filesystem] = /^(.+)_(ext4|xfs|btrfs)$/.exec(rest) ?? [];
  if (name === undefined || filesystem === undefined) return undefined;
  return { type, content, project: 'default', name, config: { 'block.filesystem': filesystem } };
};
