import { type Config, changedKeys, type Fill, type Volume, type Work, withPoolDefaults } from '@lxd-ts/driver-kit';
import type { Locks } from '../core/locks.ts';
import type { OpenPool, Pools } from '../storage/pools.ts';
import type { StoredVolume, VolumeStore } from '../storage/volume-store.ts';

/** Images unpacked in pools whose driver clones: one volume for each image and pool. */
export interface ImageVolumes {
  /** The image's volume in a pool, unpacked on first use. */
  get(open: OpenPool, fingerprint: string, unpack: Fill, work?: Work): Promise<Volume>;
  /** Removes the image's volumes from all pools. */
  remove(fingerprint: string): Promise<void>;
  /** Removes all images' volumes from one pool. */
  clear(pool: string): Promise<void>;
  /** The volumes of images, in all pools. */
  list(): Promise<readonly StoredVolume[]>;
  /** Removes the image's volume from one pool; the next instance from it there takes longer. */
  removeFrom(pool: string, fingerprint: string): Promise<void>;
}

interface Parts {
  readonly pools: Pools;
  readonly volumes: VolumeStore;
  readonly locks: Locks;
}

const volumeOf = (fingerprint: string, config: Config): Volume => ({
  type: 'image',
  content: 'filesystem',
  project: 'default',
  name: fingerprint,
  config,
});

/** Keys that change nothing of an unpacked image: its clones have their own. */
const isPassing = (key: string): boolean => key === 'size' || key === 'block.mount_options' || key.startsWith('user.');

/**
 * What the pool's `volume.*` keys say of an image's volume: of which file system it is, for one. When that changes, the image is unpacked
 * anew for the next instance.
 */
const wantedConfig = ({ driver, pool }: OpenPool): Config =>
  Object.fromEntries(
    Object.entries(withPoolDefaults(driver, 'image', pool.config, {})).filter(([key]) => !isPassing(key)),
  );

/**
 * With the size that the volume is made with: an image on a block device takes what the pool gives volumes by default, which an
 * instance of it begins with. In a file system it has no limit.
 */
const withSize = (volume: Volume, { driver, pool }: OpenPool): Volume => {
  const size = pool.config['volume.size'];
  return driver.features.blockBased && size ? { ...volume, config: { ...volume.config, size } } : volume;
};

export const createImageVolumes = ({ pools, volumes, locks }: Parts): ImageVolumes => {
  const removeRow = async (row: StoredVolume): Promise<void> => {
    const { storage } = await pools.open(row.pool);
    await storage.deleteVolume(volumeOf(row.name, row.config));
    await volumes.delete(row.id);
  };

  return {
    async get(open, fingerprint, unpack, work) {
      const { pool, storage } = open;
      using _lock = await locks.wait(`image volume "${pool.name}/${fingerprint}"`, 'unpack', work?.signal);
      const wanted = wantedConfig(open);
      const row = await volumes.find(pool.name, 'default', 'image', fingerprint);
      if (row?.state === 'ready' && changedKeys(row.config, wanted).length === 0)
        return volumeOf(fingerprint, row.config);
      if (row) await removeRow(row);
      const volume = volumeOf(fingerprint, wanted);
      await storage.deleteVolume(volume);
      const pending = await volumes.insert({
        pool: pool.name,
        project: 'default',
        type: 'image',
        content: 'filesystem',
        name: fingerprint,
        description: '',
        config: wanted,
      });
      await storage.createVolume(withSize(volume, open), unpack, work);
      await volumes.markReady(pending.id);
      return volume;
    },

    async remove(fingerprint) {
      for (const row of await volumes.list({ type: 'image', name: fingerprint })) await removeRow(row);
    },

    async clear(pool) {
      for (const row of await volumes.list({ pool, type: 'image' })) await removeRow(row);
    },

    list: () => volumes.list({ type: 'image' }),

    async removeFrom(pool, fingerprint) {
      using _lock = await locks.wait(`image volume "${pool}/${fingerprint}"`, 'delete');
      await removeRow(await volumes.get(pool, 'default', 'image', fingerprint));
    },
  };
};
