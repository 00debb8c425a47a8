/** What volumes are called inside a volume group: LXD's own names, so that a pool that LXD made is read, and can be read by it. */
import { type BlockDisk, type BlockPart, badRequest, diskName, parseDiskName, type Volume } from '@lxd-ts/driver-kit';

const prefixes: Readonly<Record<Volume['type'], string>> = {
  container: 'containers',
  'virtual-machine': 'virtual-machines',
  image: 'images',
  custom: 'custom',
  bucket: 'buckets',
};

const suffixOf = ({ volume, part }: BlockDisk): string => {
  if (part === 'filesystem') return '';
  return volume.content === 'iso' ? '.iso' : '.block';
};

/** A `-` in a name is doubled, so that a single one stands before the name of a snapshot. */
const escapeName = (name: string): string => name.replaceAll('-', '--');

/** lvm(8), "VALID NAMES"; device-mapper's own limit is 127 bytes for group and volume together, each `-` counted twice. */
const longest = 127;
const reserved = /_(cdata|cmeta|corig|cvol|iorig|mimage|mlog|pmspare|rimage|rmeta|tdata|tmeta|vorigin|vdata|imeta)/;

/** What stands in the way of a name; undefined: nothing. */
const complaint = (group: string, name: string): string | undefined => {
  const strange = /[^a-zA-Z0-9+_.-]/.exec(name);
  if (strange) return `LVM does not take "${strange[0]}" in names, only letters, digits and + _ . -`;
  const word = reserved.exec(name);
  if (word) return `LVM keeps names with "${word[0]}" to itself`;
  if (deviceName(group, name).length > longest) return `its device's name in volume group "${group}" is too long`;
  return undefined;
};

/** The device-mapper name of a logical volume: that of its node in `/dev/mapper`. */
export const deviceName = (group: string, name: string): string => `${escapeName(group)}-${escapeName(name)}`;

/** The node of a logical volume, there while it is active. */
export const nodePath = (group: string, name: string): string => `/dev/mapper/${deviceName(group, name)}`;

/**
 * The name of the logical volume of a device: `containers_c1`, `containers_project_c1-snap0`, `custom_default_disk.block`,
 * `virtual-machines_v1-snap--0.block`.
 */
export const logicalVolumeName = (disk: BlockDisk): string => {
  const { volume } = disk;
  const snapshot = volume.snapshot === undefined ? '' : `-${escapeName(volume.snapshot)}`;
  return `${prefixes[volume.type]}_${escapeName(diskName(volume))}${snapshot}${suffixOf(disk)}`;
};

/**
 * @throws LxdError bad-request when LVM cannot have a logical volume of this name, or it would be taken for another's
 */
export const checkName = (group: string, disk: BlockDisk): void => {
  const { volume } = disk;
  const said =
    complaint(group, logicalVolumeName(disk)) ??
    (/\.(block|iso)$/.test(volume.snapshot ?? volume.name) ? 'it must not end in ".block" or ".iso"' : undefined);
  if (said !== undefined)
    throw badRequest(`Invalid name "${volume.snapshot ?? volume.name}" for the lvm driver: ${said}`);
};

const types = ['container', 'virtual-machine', 'image', 'custom', 'bucket'] as const;

/** The first single `-` of an escaped name: what follows names a snapshot. */
const splitSnapshot = (name: string): [string, string | undefined] => {
  const at = /(?<!-)(?:--)*-(?!-)/.exec(name);
  if (!at) return [name, undefined];
  const dash = at.index + at[0].length - 1;
  return [name.slice(0, dash), name.slice(dash + 1)];
};

const unescapeName = (name: string): string => name.replaceAll('--', '-');

/** The inverse of `logicalVolumeName`; undefined: not a name of a volume. */
export const parseLogicalVolumeName = (name: string): BlockDisk | undefined => {
  const found = /^(containers|virtual-machines|images|custom|buckets)_(.+?)(\.block|\.iso)?$/.exec(name);
  if (!found) return undefined;
  const [, prefix, rest = '', suffix] = found;
  const type = types.find((one) => prefixes[one] === prefix);
  if (!type) return undefined;
  const [own, snapshot] = splitSnapshot(rest);
  const part: BlockPart = suffix === undefined ? 'filesystem' : 'disk';
  const isBlock = suffix === '.block' || (suffix === undefined && type === 'virtual-machine');
  const volume: Volume = {
    type,
    content: suffix === '.iso' ? 'iso' : isBlock ? 'block' : 'filesystem',
    ...parseDiskName(type, unescapeName(own)),
    ...(snapshot === undefined ? {} : { snapshot: unescapeName(snapshot) }),
    config: {},
  };
  return { volume, part };
};
