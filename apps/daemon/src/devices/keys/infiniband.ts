import { type ConfigKey, must } from '@lxd-ts/driver-kit';
import { mtu, name } from './nic-common.ts';

/** Keys of `infiniband` devices (spec 03 §31). */
export const infinibandKeys: readonly ConfigKey[] = [
  {
    key: 'nictype',
    type: 'string',
    values: ['physical', 'sriov'],
    condition: 'required',
    description: 'Whether the device itself or a virtual function of it is passed',
  },
  { key: 'parent', type: 'string', condition: 'required', description: 'InfiniBand device of the host' },
  {
    key: 'hwaddr',
    type: 'string',
    description: "Full address of 20 bytes, or 8 bytes that replace the last ones of the parent's",
    check: must(
      (value) => /^[0-9a-f]{2}(?::[0-9a-f]{2}){7}(?:(?::[0-9a-f]{2}){12})?$/i.test(value),
      'must be 8 or 20 bytes in hexadecimal, with colons',
    ),
  },
  mtu,
  name,
];
