import { stat } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { findKey } from '../../config.ts';
import { type Bucket, bucketVolume } from '../../storage/buckets.ts';
import { itWhere } from '../it-where.ts';
import { expectKind, listed, MiB, mounted, readIn, writeIn } from './helpers.ts';
import { writeData } from './limits.ts';
import type { Suite } from './suite.ts';

let count = 0;

/** Local buckets: volumes like others, in a place of their own. Those that are served elsewhere have `bucketConformance`. */
export const localBucketTests = ({ driver, pool, newVolume, quotas, reopen }: Suite): void => {
  const newBucket = (parts: Partial<Bucket> = {}): Bucket => ({
    project: 'default',
    name: `bucket-${count++}`,
    config: {},
    ...parts,
  });

  it('[05.141] the files of a bucket stay, beside volumes and buckets of the same name, until it is deleted', async () => {
    const bucket = newBucket();
    const other = newBucket({ project: 'other', name: bucket.name });
    const volume = newVolume({ name: bucket.name });
    for (const one of [bucketVolume(bucket), bucketVolume(other), volume]) {
      expect(await pool().hasVolume(one)).toBe(false);
      await pool().createVolume(one);
      await writeIn(pool(), one, 'f', `${one.type} of ${one.project}`);
    }
    await expectKind(pool().createVolume(bucketVolume(bucket)), 'conflict');
    await reopen();
    expect(await readIn(pool(), bucketVolume(bucket), 'f')).toBe('bucket of default');
    expect(await readIn(pool(), bucketVolume(other), 'f')).toBe('bucket of other');
    expect(await listed(pool()), 'volumes on disk').toEqual([
      `bucket default/${bucket.name} []`,
      `bucket other/${bucket.name} []`,
      `custom default/${volume.name} []`,
    ]);
    for (const one of [bucketVolume(bucket), bucketVolume(other), volume]) {
      await pool().deleteVolume(one);
      await pool().deleteVolume(one);
      expect(await pool().hasVolume(one)).toBe(false);
    }
  });

  it('a bucket is mounted as often as it is asked for', async () => {
    const volume = bucketVolume(newBucket());
    await pool().createVolume(volume);
    await mounted(pool(), volume, async (path) => {
      await mounted(pool(), volume, async (again) => expect((await stat(again)).ino).toBe((await stat(path)).ino));
      expect((await stat(path)).isDirectory()).toBe(true);
    });
    await pool().deleteVolume(volume);
  });

  const sized = findKey(driver.bucketConfig ?? [], 'size') !== undefined;
  itWhere(quotas && sized)('[05.146 05.149] a bucket holds what its size lets in', async () => {
    const bucket = newBucket({ config: { size: '32MiB' } });
    const volume = bucketVolume(bucket);
    await pool().createVolume(volume);
    await writeData(pool(), volume, 'fits', 8 * MiB);
    await expect(writeData(pool(), volume, 'more', 48 * MiB)).rejects.toThrow(/No space left|Disk quota exceeded/);
    await pool().resizeVolume(volume, 96 * MiB);
    await writeData(pool(), volume, 'more', 48 * MiB);
    await expectKind(pool().resizeVolume(volume, 16 * MiB), 'bad-request', 'conflict');
    await pool().deleteVolume(volume);
  });
};
