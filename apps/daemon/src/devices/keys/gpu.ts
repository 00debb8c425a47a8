import type { ConfigKey } from '@lxd-ts/driver-kit';
import { isPciAddress, isUsbId, isUuid } from '../../config/checks.ts';
import { ownerKeys } from './ids.ts';

const gputype = (type: string): ConfigKey => ({
  key: 'gputype',
  type: 'string',
  default: 'physical',
  values: [type],
  description: `The GPU type ${type}`,
});

/** What picks the GPU (spec 03.333). */
const selectors: readonly ConfigKey[] = [
  { key: 'id', type: 'string', description: 'DRM card ID of the GPU' },
  { key: 'pci', type: 'string', description: 'PCI address of the GPU', check: isPciAddress },
  { key: 'vendorid', type: 'string', description: 'Vendor ID of the GPU', check: isUsbId },
  { key: 'productid', type: 'string', description: 'Product ID of the GPU', check: isUsbId },
];

const migInstance = (key: string, description: string): ConfigKey => ({
  key,
  type: 'integer',
  min: 0,
  max: 255,
  condition: 'without mig.uuid',
  description,
});

/** Keys by `gputype` (spec 03 §30). */
export const gpuKeys = {
  physical: [gputype('physical'), ...selectors, ...ownerKeys('the device in the instance', '0660', 'container')],
  mdev: [
    gputype('mdev'),
    {
      key: 'mdev',
      type: 'string',
      condition: 'required',
      description: 'Mediated device profile, such as i915-GVTg_V5_4',
    },
    ...selectors,
  ],
  mig: [
    gputype('mig'),
    {
      key: 'mig.uuid',
      type: 'string',
      condition: 'without mig.gi and mig.ci',
      description: 'MIG device UUID, with or without the prefix MIG- (driver 470 or later)',
      check: isUuid,
    },
    migInstance('mig.gi', 'MIG GPU instance ID (older drivers)'),
    migInstance('mig.ci', 'MIG compute instance ID (older drivers)'),
    ...selectors,
  ],
  sriov: [gputype('sriov'), ...selectors],
} as const satisfies Record<string, readonly ConfigKey[]>;
