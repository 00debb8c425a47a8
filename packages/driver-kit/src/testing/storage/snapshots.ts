import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { discard, expectKind, fileFill, inSnapshot, listed, mounted, readIn, writeIn } from './helpers.ts';
import { describeTree, makeSampleTree } from './sample-tree.ts';
import type { Suite } from './suite.ts';

/** Snapshots and going back to them. */
export const snapshotTests = ({ driver, pool, newVolume, reopen }: Suite): void => {
  it('[05.113] a snapshot is the volume as it was, down to the last attribute', async () => {
    const volume = newVolume();
    let made: string[] = [];
    await pool().createVolume(volume, async ({ path }) => {
      await makeSampleTree(path);
      made = await describeTree(path);
    });
    await pool().createSnapshot(inSnapshot(volume, 's0'));
    await mounted(pool(), volume, async (path) => {
      await rm(join(path, 'deep'), { recursive: true });
      await writeFile(join(path, 'owned'), 'changed');
      await writeFile(join(path, 'new'), 'x');
    });
    expect(await mounted(pool(), inSnapshot(volume, 's0'), describeTree)).toEqual(made);
    await reopen();
    expect(await mounted(pool(), inSnapshot(volume, 's0'), describeTree)).toEqual(made);
    expect(await pool().hasVolume(inSnapshot(volume, 's0'))).toBe(true);
    expect(await pool().hasVolume(inSnapshot(volume, 's1'))).toBe(false);
    await discard(pool(), volume, 's0');
    expect(await pool().hasVolume(inSnapshot(volume, 's0'))).toBe(false);
  });

  it('a mounted snapshot cannot be written to', async () => {
    const volume = newVolume();
    await pool().createVolume(volume, fileFill('f', 'kept'));
    await pool().createSnapshot(inSnapshot(volume, 's0'));
    const mounts = await Promise.all([1, 2].map(() => pool().mountVolume(inSnapshot(volume, 's0'))));
    for (const mount of mounts) {
      await expect(writeFile(join(mount.path, 'f'), 'changed')).rejects.toThrow(/EROFS/);
      await expect(writeFile(join(mount.path, 'new'), 'x')).rejects.toThrow(/EROFS/);
      await mount[Symbol.asyncDispose]();
    }
    expect(await readIn(pool(), inSnapshot(volume, 's0'), 'f')).toBe('kept');
    await discard(pool(), volume, 's0');
  });

  it('a snapshot is taken while the volume is mounted and being written', async () => {
    const volume = newVolume();
    await pool().createVolume(volume, fileFill('f', 'before'));
    await mounted(pool(), volume, async (path) => {
      await pool().createSnapshot(inSnapshot(volume, 's0'));
      await writeFile(join(path, 'f'), 'after');
    });
    expect(await readIn(pool(), inSnapshot(volume, 's0'), 'f')).toBe('before');
    expect(await readIn(pool(), volume, 'f')).toBe('after');
    await discard(pool(), volume, 's0');
  });

  it('snapshots are listed oldest first, whatever their names', async () => {
    const volume = newVolume();
    await pool().createVolume(volume);
    for (const snapshot of ['zulu', 'alpha', 'mike']) {
      await pool().createSnapshot(inSnapshot(volume, snapshot));
      // File systems count the time of making in ticks of the kernel's clock.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await reopen();
    expect(await listed(pool())).toContain(`custom default/${volume.name} [zulu alpha mike]`);
    await pool().deleteSnapshot(inSnapshot(volume, 'alpha'));
    expect(await listed(pool())).toContain(`custom default/${volume.name} [zulu mike]`);
    await discard(pool(), volume, 'zulu', 'mike');
  });

  it('a snapshot that exists is not taken again, and one of a missing volume leaves nothing', async () => {
    const volume = newVolume();
    await pool().createVolume(volume, fileFill('f', 'one'));
    await pool().createSnapshot(inSnapshot(volume, 's0'));
    await writeIn(pool(), volume, 'f', 'two');
    await expectKind(pool().createSnapshot(inSnapshot(volume, 's0')), 'conflict');
    expect(await readIn(pool(), inSnapshot(volume, 's0'), 'f')).toBe('one');
    const missing = newVolume();
    await expectKind(pool().createSnapshot(inSnapshot(missing, 's0')), 'not-found');
    expect(await pool().hasVolume(inSnapshot(missing, 's0'))).toBe(false);
    await discard(pool(), volume, 's0');
  });

  it('a snapshot is renamed, but not over another', async () => {
    const volume = newVolume();
    await pool().createVolume(volume, fileFill('f', 'one'));
    await pool().createSnapshot(inSnapshot(volume, 's0'));
    await writeIn(pool(), volume, 'f', 'two');
    await pool().createSnapshot(inSnapshot(volume, 's1'));
    await expectKind(pool().renameSnapshot(inSnapshot(volume, 's0'), 's1'), 'conflict');
    await pool().renameSnapshot(inSnapshot(volume, 's0'), 's2');
    expect(await pool().hasVolume(inSnapshot(volume, 's0'))).toBe(false);
    expect(await readIn(pool(), inSnapshot(volume, 's2'), 'f')).toBe('one');
    expect(await readIn(pool(), inSnapshot(volume, 's1'), 'f')).toBe('two');
    await discard(pool(), volume, 's1', 's2');
  });

  it('[05.126] restoring brings everything back, and can be done again', async () => {
    const volume = newVolume();
    let made: string[] = [];
    await pool().createVolume(volume, async ({ path }) => {
      await makeSampleTree(path);
      made = await describeTree(path);
    });
    await pool().createSnapshot(inSnapshot(volume, 's0'));
    for (const round of ['first', 'second']) {
      await mounted(pool(), volume, async (path) => {
        await rm(join(path, 'bin'), { recursive: true });
        await writeFile(join(path, round), 'new');
      });
      await pool().restoreVolume(volume, 's0');
      expect(await mounted(pool(), volume, describeTree)).toEqual(made);
      expect(await mounted(pool(), inSnapshot(volume, 's0'), describeTree)).toEqual(made);
    }
    await writeIn(pool(), volume, 'f', 'writable');
    await discard(pool(), volume, 's0');
  });

  it('restoring a snapshot that is not there leaves the volume as it is', async () => {
    const volume = newVolume();
    await pool().createVolume(volume, fileFill('f', 'mine'));
    await expectKind(pool().restoreVolume(volume, 'none'), 'not-found');
    expect(await readIn(pool(), volume, 'f')).toBe('mine');
    await discard(pool(), volume);
  });

  const older = driver.features.restoreAnySnapshot
    ? '[05.127] an older snapshot is restored and the newer ones stay'
    : '[05.197] an older snapshot is not restored while a newer one stands in the way, which the error names';
  it(older, async () => {
    const volume = newVolume();
    await pool().createVolume(volume, fileFill('f', 'one'));
    await pool().createSnapshot(inSnapshot(volume, 's0'));
    await writeIn(pool(), volume, 'f', 'two');
    await pool().createSnapshot(inSnapshot(volume, 'newer'));
    await writeIn(pool(), volume, 'f', 'three');
    if (driver.features.restoreAnySnapshot) {
      await pool().restoreVolume(volume, 's0');
      expect(await readIn(pool(), volume, 'f')).toBe('one');
      expect(await readIn(pool(), inSnapshot(volume, 'newer'), 'f')).toBe('two');
      await pool().restoreVolume(volume, 'newer');
      expect(await readIn(pool(), volume, 'f')).toBe('two');
    } else {
      const error = await expectKind(pool().restoreVolume(volume, 's0'), 'conflict');
      expect(error.message).toContain('newer');
      expect(await readIn(pool(), volume, 'f')).toBe('three');
    }
    await discard(pool(), volume, 'newer', 's0');
  });

  it('deleting one snapshot leaves the volume and the others', async () => {
    const volume = newVolume();
    await pool().createVolume(volume, fileFill('f', 'one'));
    await pool().createSnapshot(inSnapshot(volume, 's0'));
    await pool().createSnapshot(inSnapshot(volume, 's1'));
    await pool().deleteSnapshot(inSnapshot(volume, 's0'));
    expect(await readIn(pool(), inSnapshot(volume, 's1'), 'f')).toBe('one');
    expect(await readIn(pool(), volume, 'f')).toBe('one');
    await discard(pool(), volume, 's1');
  });
};
