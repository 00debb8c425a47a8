import { type ConfigKey, isOctalMode } from '@lxd-ts/driver-kit';

/** The largest user or group ID, and the largest number of 32 bits. */
export const largestId = 0xffff_ffff;

const suffix = (condition: string | undefined): { condition?: string } =>
  condition === undefined ? {} : { condition };

/** `uid`, `gid` and `mode` of a node or socket. @param condition - where they apply, if not everywhere */
export const ownerKeys = (what: string, mode: string, condition?: string): readonly ConfigKey[] => [
  {
    key: 'uid',
    type: 'integer',
    default: '0',
    min: 0,
    max: largestId,
    description: `Owner UID of ${what}`,
    ...suffix(condition),
  },
  {
    key: 'gid',
    type: 'integer',
    default: '0',
    min: 0,
    max: largestId,
    description: `Owner GID of ${what}`,
    ...suffix(condition),
  },
  {
    key: 'mode',
    type: 'integer',
    default: mode,
    description: `Octal permissions of ${what}`,
    check: isOctalMode,
    ...suffix(condition),
  },
];

/** Where larger boots earlier. */
export const bootPriority: ConfigKey = {
  key: 'boot.priority',
  type: 'integer',
  min: 0,
  max: largestId,
  condition: 'virtual-machine',
  description: 'Boot rank; larger boots earlier',
};
