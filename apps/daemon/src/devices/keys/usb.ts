import type { ConfigKey } from '@lxd-ts/driver-kit';
import { isUsbId } from '../../config/checks.ts';
import { ownerKeys } from './ids.ts';

const matching: readonly ConfigKey[] = [
  { key: 'vendorid', type: 'string', description: 'Vendor ID to match', check: isUsbId },
  { key: 'productid', type: 'string', description: 'Product ID to match', check: isUsbId },
];

const required: ConfigKey = {
  key: 'required',
  type: 'bool',
  default: 'false',
  description: 'Needed for start; false leaves it hotpluggable',
};

/** Keys of `usb` devices (spec 03 §29). */
export const usbKeys: readonly ConfigKey[] = [
  ...matching,
  ...ownerKeys('the device in the instance', '0660', 'container'),
  required,
];

/** Keys of `unix-hotplug` devices (spec 03 §33). */
export const unixHotplugKeys: readonly ConfigKey[] = [
  ...matching,
  ...ownerKeys('the device in the instance', '0660'),
  required,
];
