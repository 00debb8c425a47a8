import { type Config, parseSize } from '@lxd-ts/driver-kit';
import { lvm } from './command.ts';
import { thinPoolUsage } from './device-mapper.ts';
import { type Group, qualified } from './group.ts';
import { stripes } from './made.ts';
import { deviceName } from './names.ts';

/** The mark of a thin pool that was there before the storage pool, and stays after it. */
export const givenTag = 'lxd_ts_given';

/** Makes a thin pool of all the space that is free. When it is full, writers are told so at once rather than held for a minute. */
export const createThinPool = async (group: Group, name: string, config: Config): Promise<void> => {
  const metadata = parseSize(config['lvm.thinpool_metadata_size'] || '0');
  await lvm([
    'lvcreate',
    '--yes',
    '--type',
    'thin-pool',
    ...(metadata === 0 ? [] : ['--poolmetadatasize', `${metadata}b`]),
    ...stripes({
      'lvm.stripes': config['volume.lvm.stripes'] ?? '',
      'lvm.stripes.size': config['volume.lvm.stripes.size'] ?? '',
    }),
    '--extents',
    '100%FREE',
    '--name',
    name,
    group.name,
  ]);
  await lvm(['lvchange', '--errorwhenfull', 'y', qualified(group, name)]);
};

/** Used and total bytes of an active thin pool, from the kernel. */
export const usageOfThinPool = async (
  group: Group,
  name: string,
): Promise<{ used: number; total: number } | undefined> => {
  const device = deviceName(group.name, name);
  // Without volumes the pool's own device is it; with some it is a layer below.
  return (await thinPoolUsage(`${device}-tpool`)) ?? (await thinPoolUsage(device));
};
