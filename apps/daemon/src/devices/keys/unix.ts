import { type ConfigKey, must } from '@lxd-ts/driver-kit';
import { largestId, ownerKeys } from './ids.ts';

const number = (key: string, description: string): ConfigKey => ({
  key,
  type: 'integer',
  min: 0,
  max: largestId,
  description: `${description}; that of the host device when unset`,
});

/** Keys of `unix-char` and `unix-block` devices (spec 03 §28). */
export const unixKeys: readonly ConfigKey[] = [
  {
    key: 'source',
    type: 'string',
    condition: 'one of source and path',
    description: 'Path of the device on the host',
    check: must((value) => value.startsWith('/dev/'), 'must be a path below /dev'),
  },
  {
    key: 'path',
    type: 'string',
    condition: 'one of source and path',
    description: 'Path in the instance; source when unset',
  },
  number('major', 'Major number'),
  number('minor', 'Minor number'),
  ...ownerKeys('the device in the instance', '0660'),
  {
    key: 'required',
    type: 'bool',
    default: 'true',
    description: 'Needed for start; false together with source enables hotplug',
  },
];
