import type { Config, Fill, Volume, Work } from '@lxd-ts/driver-kit';
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

export const createImageVolumes = ({ pools, volumes, locks }: Parts): ImageVolumes => {
  const removeRow = async (row: StoredVolume): Promise<void> => {
    const { storage } = await pools.open(row.pool);
    await storage.deleteVolume(volumeOf(row.name, row.config));
    await volumes.delete(row.id);
  };

  return {
    async get({ pool, storage }, fingerprint, unpack, work) {
      using _lock = await locks.wait(`image volume "${pool.name}/${fingerprint}"`, 'unpack', work?.signal);
      const row = await volumes.find(pool.name, 'default', 'image', fingerprint);
      const volume = volumeOf(fingerprint, row?.config ?? {});
      if (row?.state === 'ready') return volume;
      await storage.deleteVolume(volume);
      const pending =
        row ??
        (await volumes.insert({
          pool: pool.name,
          project: 'default',
          type: 'image',
          content: 'filesystem',
          name: fingerprint,
          description: '',
          config: {},
        }));
      await storage.createVolume(volume, unpack, work);
      await volumes.markReady(pending.id);
      return volume;
    },

    async remove(fingerprint) {
      for (const row of await volumes.list({ type: 'image', name: fingerprint })) await removeRow(row);
    },

    async clear(pool) {
      for (const row of await volumes.list({ pool, type: 'image' })) await removeRow(row);
    },

    async removeFrom(pool, fingerprint) {
      using _lock = await locks.wait(`image volume "${pool}/${fingerprint}"`, 'delete');
      await removeRow(await volumes.get(pool, 'default', 'image', fingerprint));
    },
  };
};
