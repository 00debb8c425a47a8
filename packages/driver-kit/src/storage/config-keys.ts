/** Configuration keys that several storage drivers share, and what follows from a driver's tables. */
import { isAbsolutePath } from '../checks.ts';
import { type Config, type ConfigKey, findKey, withoutEmpty } from '../config.ts';
import { isExpiry, isSchedule, scheduleAliases } from '../schedule.ts';
import type { StorageDriver, VolumeType } from './contract.ts';

/** Keys of every volume, whatever the driver. */
export const commonVolumeConfig: readonly ConfigKey[] = [
  {
    key: 'security.shifted',
    type: 'bool',
    default: 'false',
    condition: 'custom volume',
    description: 'Enable ID shifting overlay (allows attach by multiple isolated instances)',
  },
  {
    key: 'security.unmapped',
    type: 'bool',
    default: 'false',
    condition: 'custom volume',
    description: 'Disable ID mapping for the volume',
  },
  { key: 'size', type: 'size', condition: 'appropriate driver', description: 'Size or quota of the volume' },
  {
    key: 'snapshots.expiry',
    type: 'string',
    condition: 'custom volume',
    description: 'When snapshots are to be deleted, such as 1M 2H 3d 4w 5m 6y',
    check: isExpiry,
  },
  {
    key: 'snapshots.pattern',
    type: 'string',
    default: 'snap%d',
    condition: 'custom volume',
    description: 'Pongo2 template that names scheduled and unnamed snapshots',
  },
  {
    key: 'snapshots.schedule',
    type: 'string',
    condition: 'custom volume',
    description: 'Cron expression of five fields, or a comma-separated list of schedule aliases',
    check: isSchedule(scheduleAliases),
  },
  { key: 'user.*', type: 'string', description: 'Free-form user metadata' },
];

/** `source` of a driver whose pools live in a place of the file tree. */
export const sourcePathKey = (description: string): ConfigKey => ({
  key: 'source',
  type: 'string',
  scope: 'local',
  description,
  check: isAbsolutePath,
});

/** Keys of pools that can live in a loop file or on a block device, without `source` itself. */
export const loopPoolConfig: readonly ConfigKey[] = [
  {
    key: 'size',
    type: 'size',
    default: 'auto (20% of free disk space, >= 5 GiB and <= 30 GiB)',
    scope: 'local',
    condition: 'loop-based pool',
    description: 'Size of the loop file; can grow later, never shrink',
  },
  {
    key: 'source.wipe',
    type: 'bool',
    default: 'false',
    condition: 'source is a block device',
    description: 'Wipe the block device before the pool is created on it',
  },
];

/** Keys of pools whose volumes are moved by rsync. */
export const rsyncPoolConfig: readonly ConfigKey[] = [
  {
    key: 'rsync.bwlimit',
    type: 'string',
    default: '0',
    description: 'Upper limit of socket I/O when rsync moves data (0: none)',
    check: (value) => {
      if (!/^[0-9]+(\.[0-9]+)?([KMGTP](i?B)?|B)?$/i.test(value)) {
        throw new Error('must be a rate as rsync takes it, such as 0, 500 (KiB/s) or 10M');
      }
    },
  },
  { key: 'rsync.compression', type: 'bool', default: 'true', description: 'Compress while rsync moves data' },
];

/** Set by the service itself, on pools of every driver. */
const internalPoolConfig: readonly ConfigKey[] = [
  {
    key: 'volatile.initial_source',
    type: 'string',
    internal: true,
    description: 'The source that was given when the pool was created',
  },
];

const onCustomVolumesOnly = (key: string): boolean => key.startsWith('snapshots.') || key.startsWith('security.');

/** All keys that a pool of a driver takes: its own, and `volume.<key>` for each volume key but the free-form ones. */
export const poolConfigKeys = (driver: Pick<StorageDriver, 'poolConfig' | 'volumeConfig'>): readonly ConfigKey[] => [
  ...driver.poolConfig,
  ...internalPoolConfig,
  ...driver.volumeConfig
    .filter(({ key }) => !key.endsWith('*'))
    .map((declared): ConfigKey => ({ ...declared, key: `volume.${declared.key}`, scope: 'global' })),
];

/** The keys that a volume of a type takes: `snapshots.*` and `security.*` are for custom volumes alone. */
export const volumeConfigKeys = (driver: Pick<StorageDriver, 'volumeConfig'>, type: VolumeType): readonly ConfigKey[] =>
  driver.volumeConfig.filter(({ key }) => type === 'custom' || !onCustomVolumesOnly(key));

/**
 * A new volume's configuration: its own values over the pool's `volume.*` defaults for keys that the type takes. An empty value is none.
 *
 * @param pool - the pool's configuration
 * @param config - what was asked for the volume
 */
export const withPoolDefaults = (
  driver: Pick<StorageDriver, 'volumeConfig'>,
  type: VolumeType,
  pool: Config,
  config: Config,
): Config => {
  const keys = volumeConfigKeys(driver, type);
  const defaults = Object.entries(pool)
    .filter(([key]) => key.startsWith('volume.'))
    .map(([key, value]) => [key.slice('volume.'.length), value] as const)
    .filter(([key]) => findKey(keys, key) !== undefined);
  return withoutEmpty({ ...Object.fromEntries(defaults), ...withoutEmpty(config) });
};
