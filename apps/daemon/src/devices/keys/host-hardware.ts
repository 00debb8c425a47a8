import type { ConfigKey } from '@lxd-ts/driver-kit';
import { isPciAddress } from '../../config/checks.ts';

/** Keys of `pci` devices (spec 03 §33). */
export const pciKeys: readonly ConfigKey[] = [
  {
    key: 'address',
    type: 'string',
    condition: 'required',
    description: 'PCI address of the host device',
    check: isPciAddress,
  },
];

/** Keys of `tpm` devices (spec 03 §33). */
export const tpmKeys: readonly ConfigKey[] = [
  { key: 'path', type: 'string', condition: 'container', description: 'Node of the TPM, such as /dev/tpm0' },
  {
    key: 'pathrm',
    type: 'string',
    condition: 'container',
    description: 'Node of its resource manager, such as /dev/tpmrm0',
  },
];
