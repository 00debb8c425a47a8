import { createHook } from 'node:async_hooks';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@lxd-ts/host';
import { expect, it } from 'vitest';
import { defaultBlockSize } from '../../storage/block-store.ts';
import type { StoragePool, Volume } from '../../storage/contract.ts';
import { itWhere } from '../it-where.ts';
import { discard, expectKind, inSnapshot, MiB, mounted, readIn, writeIn } from './helpers.ts';
import type { Suite } from './suite.ts';

/**
 * Writes a file of so many bytes that cannot be compressed away, down to the disk: without CAP_SYS_RESOURCE, as instances do, since
 * project quotas do not hold for those who have it.
 */
export const writeData = (pool: StoragePool, volume: Volume, name: string, bytes: number): Promise<void> =>
  mounted(pool, volume, async (path) => {
    const write = ['dd', 'if=/dev/urandom', `of=${join(path, name)}`, 'bs=1M', `count=${bytes / MiB}`] as const;
    await run(['setpriv', '--bounding-set', '-sys_resource', ...write, 'conv=fsync', 'status=none']);
  });

const overLimit = /No space left|Disk quota exceeded/;

/** Sizes, quotas and what the driver tells about use. */
export const limitTests = ({ driver, pool, newVolume, quotas }: Suite): void => {
  const limited = (size: number): Volume => newVolume({ config: { size: String(size) } });

  it('[05.42] the resources of the pool are told without a program', async () => {
    const { space, inodes } = await withoutPrograms(() => pool().resources());
    expect(space.total).toBeGreaterThan(0);
    expect(space.used).toBeGreaterThanOrEqual(0);
    expect(space.used).toBeLessThanOrEqual(space.total);
    expect(inodes.used).toBeLessThanOrEqual(inodes.total);
  });

  it('[05.75] the use of a volume is told without a program, or not at all', async () => {
    const volume = quotas ? limited(64 * MiB) : newVolume();
    await pool().createVolume(volume);
    await writeData(pool(), volume, 'data', 4 * MiB);
    await pool().createSnapshot(inSnapshot(volume, 's0'));
    for (const one of [volume, inSnapshot(volume, 's0')]) {
      // Programs of the changes before may still run; their figures are waited for.
      await pool().usage(one);
      const usage = await withoutPrograms(() => pool().usage(one));
      if (usage === undefined) continue;
      expect(usage.used).toBeGreaterThanOrEqual(0);
      expect(usage.used).toBeLessThan(8 * MiB);
    }
    await discard(pool(), volume, 's0');
  });

  itWhere(quotas)('[05.52 05.75 05.95] a limited volume takes what fits and no more, and tells its use', async () => {
    const volume = limited(16 * MiB);
    await pool().createVolume(volume);
    await writeData(pool(), volume, 'fits', 8 * MiB);
    await expect(writeData(pool(), volume, 'too-much', 16 * MiB)).rejects.toThrow(overLimit);
    await mounted(pool(), volume, (path) => rm(join(path, 'too-much'), { force: true }));
    const usage = await pool().usage(volume);
    expect(usage?.total).toBe(16 * MiB);
    expect(usage?.used).toBeGreaterThanOrEqual(8 * MiB);
    await discard(pool(), volume);
  });

  const unlimited = driver.features.blockBased ? 'the default one' : 'everything';
  itWhere(quotas)(`[05.96] a larger size lets more in, no size lets ${unlimited} in`, async () => {
    const volume = limited(8 * MiB);
    await pool().createVolume(volume);
    await expect(writeData(pool(), volume, 'data', 12 * MiB)).rejects.toThrow(overLimit);
    await mounted(pool(), volume, (path) => rm(join(path, 'data')));
    await pool().resizeVolume(volume, 32 * MiB);
    await writeData(pool(), volume, 'data', 12 * MiB);
    expect((await pool().usage(volume))?.total).toBe(32 * MiB);
    await pool().resizeVolume(volume, undefined);
    await writeData(pool(), volume, 'more', 32 * MiB);
    // A device has a size in any case.
    expect((await pool().usage(volume))?.total).toBe(driver.features.blockBased ? defaultBlockSize : undefined);
    await discard(pool(), volume);
  });

  // ext4 shrinks to what it guesses that it needs, which is much for a small one.
  const scale = driver.features.blockBased ? 8 : 1;
  itWhere(quotas)('[05.97] a volume shrinks, but not below its use', async () => {
    const volume = limited(64 * scale * MiB);
    await pool().createVolume(volume);
    await writeData(pool(), volume, 'data', 16 * scale * MiB);
    await expectKind(pool().resizeVolume(volume, 8 * scale * MiB), 'bad-request');
    expect((await pool().usage(volume))?.total).toBe(64 * scale * MiB);
    await pool().resizeVolume(volume, 32 * scale * MiB);
    expect((await pool().usage(volume))?.total).toBe(32 * scale * MiB);
    await expect(writeData(pool(), volume, 'too-much', 32 * scale * MiB)).rejects.toThrow(overLimit);
    await discard(pool(), volume);
  });

  itWhere(quotas)('a volume made without a size is limited later', async () => {
    const volume = newVolume();
    // A file system of the default size has a journal and tables that take more than a small one has.
    const later = (driver.features.blockBased ? 1024 : 8) * MiB;
    await pool().createVolume(volume);
    await writeData(pool(), volume, 'data', 4 * MiB);
    await pool().resizeVolume(volume, later);
    await expect(writeData(pool(), volume, 'too-much', later)).rejects.toThrow(overLimit);
    await discard(pool(), volume);
  });

  itWhere(quotas)('a copy has the size of its own configuration, and restoring keeps the size', async () => {
    const [volume, copy] = [limited(64 * MiB), limited(32 * MiB)];
    await pool().createVolume(volume);
    await writeData(pool(), volume, 'data', 4 * MiB);
    await pool().createSnapshot(inSnapshot(volume, 's0'));
    await pool().copyVolume(copy, volume, ['s0']);
    expect((await pool().usage(copy))?.total).toBe(32 * MiB);
    await pool().restoreVolume(copy, 's0');
    expect((await pool().usage(copy))?.total).toBe(32 * MiB);
    await expect(writeData(pool(), copy, 'too-much', 40 * MiB)).rejects.toThrow(overLimit);
    expect((await pool().usage(volume))?.total).toBe(64 * MiB);
    await discard(pool(), copy, 's0');
    await discard(pool(), volume, 's0');
  });

  itWhere(quotas)('a copy is not made smaller than what it holds', async () => {
    const [volume, copy] = [newVolume(), limited(8 * MiB)];
    await pool().createVolume(volume);
    await writeData(pool(), volume, 'data', 16 * MiB);
    await expectKind(pool().copyVolume(copy, volume, []), 'bad-request');
    expect(await pool().hasVolume(copy)).toBe(false);
    await discard(pool(), volume);
  });

  itWhere(!quotas && driver.features.quotas !== 'yes')(
    'where volumes cannot be limited a size is accepted for a new one, and resizing says that it cannot be done',
    async () => {
      const volume = limited(8 * MiB);
      await pool().createVolume(volume);
      await writeIn(pool(), volume, 'f', 'here');
      await expectKind(pool().resizeVolume(volume, 16 * MiB), 'not-implemented');
      expect(await readIn(pool(), volume, 'f')).toBe('here');
      await discard(pool(), volume);
    },
  );
};

/** Runs a function and fails when it started a process. */
const withoutPrograms = async <T>(work: () => Promise<T>): Promise<T> => {
  const started: string[] = [];
  const hook = createHook({
    init: (_id, type) => {
      if (type === 'PROCESSWRAP') started.push(type);
    },
  }).enable();
  try {
    return await work();
  } finally {
    hook.disable();
    expect(started).toEqual([]);
  }
};
