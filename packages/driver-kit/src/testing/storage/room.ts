import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { StorageDriver, StoragePool, Volume } from '../../storage/contract.ts';
import { discard, fileFill, inSnapshot, mounted } from './helpers.ts';
import { newVolume } from './suite.ts';

/**
 * What shares its blocks fits into a pool that it could not be written to twice: makes something of a volume that takes more than half
 * of the pool, and expects success where the driver's record promises it, and else that, or a refusal that leaves nothing.
 */
export const expectSharing = async ({ features }: StorageDriver, pool: StoragePool): Promise<void> => {
  const { space } = await pool.resources();
  const content = randomBytes(Math.floor((space.total - space.used) * 0.52));
  const isWhole = async (volume: Volume): Promise<void> => {
    expect(await mounted(pool, volume, async (path) => content.equals(await readFile(join(path, 'half'))))).toBe(true);
  };
  const outcome = async (promised: boolean, volume: Volume, make: () => Promise<void>): Promise<void> => {
    try {
      await make();
    } catch (error) {
      if (promised) throw error;
      expect(String(error)).toMatch(/No space left|ENOSPC/);
      expect(await pool.hasVolume(volume)).toBe(false);
      return;
    }
    await isWhole(volume);
  };

  const instance = newVolume({ type: 'container' });
  if (features.optimizedImages) {
    const image = newVolume({ type: 'image', name: 'b'.repeat(64) });
    await pool.createVolume(image, fileFill('half', content));
    await outcome(true, instance, () => pool.copyVolume(instance, image, []));
    await discard(pool, image);
  } else {
    await pool.createVolume(instance, fileFill('half', content));
  }
  const snapshot = inSnapshot(instance, 's0');
  await outcome(features.optimizedSnapshots, snapshot, () => pool.createSnapshot(snapshot));
  await pool.deleteSnapshot(snapshot);
  const copy = newVolume({ type: 'container' });
  await outcome(features.copyOnWrite, copy, () => pool.copyVolume(copy, instance, []));
  await isWhole(instance);
  await discard(pool, copy);
  await discard(pool, instance);
};
