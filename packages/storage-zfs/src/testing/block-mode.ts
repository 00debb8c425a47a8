/** The driver with `zfs.block_mode` on for all volumes, as the pool's default would have it. */
import { defineStorageDriver, type StoragePool, type Volume } from '@lxd-ts/driver-kit';
import { zfs } from '../driver.ts';

const inBlockMode = <T extends Volume>(volume: T): T => ({
  ...volume,
  config: { 'zfs.block_mode': 'true', ...volume.config },
});

const poolInBlockMode = (pool: StoragePool): StoragePool => ({
  ...pool,
  hasVolume: (volume) => pool.hasVolume(inBlockMode(volume)),
  createVolume: (volume, fill, work) => pool.createVolume(inBlockMode(volume), fill, work),
  copyVolume: (target, source, snapshots, work) =>
    pool.copyVolume(inBlockMode(target), inBlockMode(source), snapshots, work),
  deleteVolume: (volume, work) => pool.deleteVolume(inBlockMode(volume), work),
  renameVolume: (volume, name, work) => pool.renameVolume(inBlockMode(volume), name, work),
  resizeVolume: (volume, size, work) => pool.resizeVolume(inBlockMode(volume), size, work),
  updateVolume: async (volume, changed, work) => pool.updateVolume?.(inBlockMode(volume), changed, work),
  usage: (volume) => pool.usage(inBlockMode(volume)),
  mountVolume: (volume) => pool.mountVolume(inBlockMode(volume)),
  createSnapshot: (volume, work) => pool.createSnapshot(inBlockMode(volume), work),
  deleteSnapshot: (volume, work) => pool.deleteSnapshot(inBlockMode(volume), work),
  renameSnapshot: (volume, name, work) => pool.renameSnapshot(inBlockMode(volume), name, work),
  restoreVolume: (volume, snapshot, work) => pool.restoreVolume(inBlockMode(volume), snapshot, work),
  deletedByRestore: async (volume, snapshot) => (await pool.deletedByRestore?.(inBlockMode(volume), snapshot)) ?? [],
  send: async (volume, base, to, work) => pool.send?.(inBlockMode(volume), base, to, work),
  receive: async (volume, base, from, work) => pool.receive?.(inBlockMode(volume), base, from, work),
  [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
});

export const zfsInBlockMode = defineStorageDriver({
  ...zfs,
  features: { ...zfs.features, blockBased: true },
  open: async (spec, work) => poolInBlockMode(await zfs.open(spec, work)),
});
