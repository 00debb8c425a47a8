import { storageVolumeUrl } from '@lxd-ts/api';
import { badRequest, changedKeys, validateConfig, volumeConfigKeys, withoutEmpty } from '@lxd-ts/driver-kit';
import type { Locks } from '../core/locks.ts';
import type { Events } from '../events/bus.ts';
import { checkIfMatch } from '../http/etag.ts';
import type { Pools } from './pools.ts';
import { volumeLock } from './volume-name.ts';
import type { StoredVolume, VolumeStore } from './volume-store.ts';
import { editableVolume, type VolumeContent } from './volumes.ts';

interface Parts {
  readonly pools: Pools;
  readonly store: VolumeStore;
  readonly locks: Locks;
  readonly events: Events;
}

/** Changes what is configured of an instance's root volume (spec 05.71); its size is the root disk's affair. */
export type UpdateInstanceVolume = (
  row: StoredVolume,
  change: VolumeContent,
  ifMatch: string | undefined,
) => Promise<void>;

export const createInstanceVolumeUpdate =
  ({ pools, store, locks, events }: Parts): UpdateInstanceVolume =>
  async (row, change, ifMatch) => {
    using _lock = await locks.hold(`${row.type} ${volumeLock(row)}`, 'update');
    checkIfMatch(ifMatch, editableVolume(row));
    const config = withoutEmpty(change.config);
    const { driver, storage } = await pools.open(row.pool);
    const changed = changedKeys(row.config, config);
    if (changed.includes('size'))
      throw badRequest('Volume "size" property is not valid for volume type: set the size of the root disk device');
    validateConfig(
      [
        ...volumeConfigKeys(driver, row.type),
        { key: 'volatile.*', type: 'string', description: 'State kept by the server', internal: true },
      ],
      config,
      'storage volume',
    );
    await storage.updateVolume?.({ ...row, config }, changed);
    await store.update(row.id, { description: change.description, config });
    events.lifecycle(
      'storage-volume-updated',
      storageVolumeUrl(row.pool, row.type, row.name, { project: row.project }),
      row.project,
    );
  };
