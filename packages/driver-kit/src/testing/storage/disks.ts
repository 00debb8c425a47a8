import { open, stat } from 'node:fs/promises';
import { expect } from 'vitest';
import type { StoragePool, Volume } from '../../storage/contract.ts';
import { itWhere } from '../it-where.ts';
import { discard, expectKind, inSnapshot, MiB, mounted } from './helpers.ts';
import type { Suite } from './suite.ts';

const writeAt = (pool: StoragePool, volume: Volume, position: number, text: string): Promise<void> =>
  mounted(pool, volume, async (_, disk) => {
    await using file = await open(disk, 'r+');
    await file.write(text, position);
    await file.sync();
  });

const readAt = (pool: StoragePool, volume: Volume, position: number, length: number): Promise<string> =>
  mounted(pool, volume, async (_, disk) => {
    await using file = await open(disk, 'r');
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, position);
    return buffer.toString();
  });

/** The length of a disk, file or device. */
const lengthOf = (pool: StoragePool, volume: Volume): Promise<number> =>
  mounted(pool, volume, async (_, disk) => {
    await using file = await open(disk, 'r');
    const { size } = await file.stat();
    if (size > 0) return size;
    // A device: found by reading, as its stat says 0.
    let [low, high] = [0, 64 * 1024 * MiB];
    while (low < high) {
      const middle = Math.floor((low + high + 1) / 2);
      const { bytesRead } = await file.read(Buffer.alloc(1), 0, 1, middle - 1);
      if (bytesRead === 1) low = middle;
      else high = middle - 1;
    }
    return low;
  });

/**
 * The bytes that a disk takes from its pool: those of its file, since others may write to the same file system meanwhile; of a device,
 * what the pool has lost since it had so many used.
 */
const takenBy = async (pool: StoragePool, volume: Volume, before: number): Promise<number> => {
  const disk = await mounted(pool, volume, (_, path) => stat(path));
  return disk.isFile() ? disk.blocks * 512 : (await pool.resources()).space.used - before;
};

/** Block and ISO volumes. */
export const diskTests = ({ driver, form, pool, newVolume }: Suite): void => {
  const disk = (size: number): Volume => newVolume({ content: 'block', config: { size: String(size) } });
  const hasBlock = driver.features.customContent.includes('block');

  itWhere(hasBlock)(
    `[05.61 05.66] a block volume is a disk of its size that takes ${form.allocates ? 'its' : 'no'} space before it is written`,
    async () => {
      const volume = disk(64 * MiB);
      const { space: before } = await pool().resources();
      await pool().createVolume(volume, async (mount) => {
        expect(mount.disk).toBeDefined();
      });
      expect(await lengthOf(pool(), volume)).toBe(64 * MiB);
      await writeAt(pool(), volume, 63 * MiB, 'the end');
      expect(await readAt(pool(), volume, 63 * MiB, 7)).toBe('the end');
      const taken = await takenBy(pool(), volume, before.used);
      if (form.allocates) expect(taken).toBe(64 * MiB);
      else expect(taken).toBeLessThan(32 * MiB);
      const usage = await pool().usage(volume);
      if (usage) expect(usage.total).toBe(64 * MiB);
      await discard(pool(), volume);
    },
  );

  itWhere(hasBlock)('a block volume without a size gets the default one', async () => {
    const volume = newVolume({ content: 'block' });
    await pool().createVolume(volume);
    expect(await lengthOf(pool(), volume)).toBe(10 * 1024 * MiB);
    await discard(pool(), volume);
  });

  itWhere(hasBlock)('a block volume is copied, kept in snapshots and restored', async () => {
    const [volume, copy] = [disk(16 * MiB), newVolume({ content: 'block', config: { size: String(32 * MiB) } })];
    await pool().createVolume(volume);
    await writeAt(pool(), volume, 8 * MiB, 'one');
    await pool().createSnapshot(inSnapshot(volume, 's0'));
    await writeAt(pool(), volume, 8 * MiB, 'two');
    expect(await readAt(pool(), inSnapshot(volume, 's0'), 8 * MiB, 3)).toBe('one');
    await pool().copyVolume(copy, volume, ['s0']);
    expect(await lengthOf(pool(), copy)).toBe(32 * MiB);
    expect(await readAt(pool(), copy, 8 * MiB, 3)).toBe('two');
    expect(await readAt(pool(), inSnapshot(copy, 's0'), 8 * MiB, 3)).toBe('one');
    await pool().restoreVolume(volume, 's0');
    expect(await readAt(pool(), volume, 8 * MiB, 3)).toBe('one');
    expect(await readAt(pool(), copy, 8 * MiB, 3)).toBe('two');
    await discard(pool(), volume, 's0');
    await discard(pool(), copy, 's0');
  });

  itWhere(hasBlock)('a copy smaller than its source is refused and leaves nothing', async () => {
    const [volume, copy] = [disk(16 * MiB), disk(8 * MiB)];
    await pool().createVolume(volume);
    await expectKind(pool().copyVolume(copy, volume, []), 'bad-request');
    expect(await pool().hasVolume(copy)).toBe(false);
    await discard(pool(), volume);
  });

  itWhere(hasBlock)('[05.95 05.96 05.98] a block volume grows and keeps its data, and never shrinks', async () => {
    const volume = disk(16 * MiB);
    await pool().createVolume(volume);
    await writeAt(pool(), volume, 15 * MiB, 'data');
    await pool().resizeVolume(volume, 24 * MiB);
    expect(await lengthOf(pool(), volume)).toBe(24 * MiB);
    expect(await readAt(pool(), volume, 15 * MiB, 4)).toBe('data');
    await expectKind(pool().resizeVolume(volume, 16 * MiB), 'bad-request');
    expect(await lengthOf(pool(), volume)).toBe(24 * MiB);
    await discard(pool(), volume);
  });

  itWhere(driver.features.volumeTypes.includes('virtual-machine'))(
    '[05.54 05.61] a virtual machine has a disk and a directory for its metadata, copied and kept together',
    async () => {
      const volume = newVolume({ type: 'virtual-machine', content: 'block', config: { size: String(16 * MiB) } });
      const copy = newVolume({ type: 'virtual-machine', content: 'block', config: { size: String(16 * MiB) } });
      await pool().createVolume(volume, async (mount) => {
        expect((await stat(mount.path)).isDirectory()).toBe(true);
        await using file = await open(`${mount.path}/backup.yaml`, 'w');
        await file.write('instance: one');
      });
      await pool().createSnapshot(inSnapshot(volume, 's0'));
      await pool().copyVolume(copy, inSnapshot(volume, 's0'), []);
      await mounted(pool(), copy, async (path) => {
        expect((await stat(`${path}/backup.yaml`)).size).toBe(13);
      });
      await discard(pool(), volume, 's0');
      await discard(pool(), copy);
    },
  );

  itWhere(driver.features.customContent.includes('iso'))('an ISO volume holds what it was filled with', async () => {
    const volume = newVolume({ content: 'iso', config: { size: String(MiB) } });
    await pool().createVolume(volume, async (mount) => {
      await using file = await open(mount.disk ?? '', 'r+');
      await file.write('CD001', 32769);
    });
    expect(await readAt(pool(), volume, 32769, 5)).toBe('CD001');
    const found = (await pool().listVolumes()).find((one) => one.volume.name === volume.name);
    expect(found?.volume.content).toBe('iso');
    await discard(pool(), volume);
  });
};
