import type { ConfigKey } from '@lxd-ts/driver-kit';
import { architectureNames, isCompression } from './checks.ts';
import { projectRestrictionKeys } from './project-restriction-keys.ts';

/** The configuration of a project. */
export const projectKeys: readonly ConfigKey[] = [
  {
    key: 'features.images',
    type: 'bool',
    default: 'false',
    description: 'Own set of images and image aliases',
    condition: 'project holds no instances',
  },
  {
    key: 'features.networks',
    type: 'bool',
    default: 'false',
    description: 'Own set of networks',
    condition: 'project holds no instances',
  },
  {
    key: 'features.networks.zones',
    type: 'bool',
    default: 'false',
    description: 'Own set of network zones',
    condition: 'project holds no instances',
  },
  {
    key: 'features.profiles',
    type: 'bool',
    default: 'false',
    description: 'Own set of profiles',
    condition: 'project holds no instances',
  },
  {
    key: 'features.storage.buckets',
    type: 'bool',
    default: 'false',
    description: 'Own set of storage buckets',
    condition: 'project holds no instances',
  },
  {
    key: 'features.storage.volumes',
    type: 'bool',
    default: 'false',
    description: 'Own set of custom storage volumes',
    condition: 'project holds no instances',
  },

  { key: 'limits.containers', type: 'integer', min: 0, description: 'Most containers the project may hold' },
  {
    key: 'limits.cpu',
    type: 'integer',
    min: 0,
    description: "Cap on the sum of the instances' limits.cpu",
    condition: 'every instance sets limits.cpu to a count, not a pinned set or range',
  },
  {
    key: 'limits.disk',
    type: 'size',
    description: 'Cap on total space of instance volumes, custom volumes and images',
  },
  {
    key: 'limits.instances',
    type: 'integer',
    min: 0,
    description: 'Most instances of both types the project may hold',
  },
  {
    key: 'limits.memory',
    type: 'size',
    description: "Cap on the sum of the instances' limits.memory",
    condition: 'every instance sets limits.memory to an absolute size',
  },
  { key: 'limits.networks', type: 'integer', min: 0, description: 'Most networks the project may hold' },
  {
    key: 'limits.processes',
    type: 'integer',
    min: 0,
    description: "Cap on the sum of the instances' limits.processes",
    condition: 'every instance sets limits.processes',
  },
  {
    key: 'limits.virtual-machines',
    type: 'integer',
    min: 0,
    description: 'Most virtual machines the project may hold',
  },

  {
    key: 'backups.compression_algorithm',
    type: 'string',
    description: 'Compression of backups made in the project; the server setting when unset',
    check: isCompression,
  },

  {
    key: 'images.auto_update_cached',
    type: 'bool',
    description: 'Refresh cached images automatically; the server setting when unset',
  },
  {
    key: 'images.auto_update_interval',
    type: 'integer',
    min: 0,
    description: 'Hours between checks for newer cached images; 0 turns checks off; the server setting when unset',
  },
  {
    key: 'images.compression_algorithm',
    type: 'string',
    description: 'Compression of new images made in the project; the server setting when unset',
    check: isCompression,
  },
  {
    key: 'images.default_architecture',
    type: 'string',
    values: architectureNames,
    description:
      'Architecture picked in a mixed-architecture cluster when a request names none; the server setting when unset',
  },
  {
    key: 'images.remote_cache_expiry',
    type: 'integer',
    min: 0,
    description: 'Days an unused cached remote image is kept; the server setting when unset',
  },

  { key: 'user.*', type: 'string', description: 'Free-form user metadata' },

  ...projectRestrictionKeys,
];

/** Keys that a new project gets when it is made without them. */
export const initialProjectConfig: Readonly<Record<string, string>> = {
  'features.images': 'true',
  'features.profiles': 'true',
  'features.storage.buckets': 'true',
  'features.storage.volumes': 'true',
};
