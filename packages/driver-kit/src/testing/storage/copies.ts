import { expect, it } from 'vitest';
import { itWhere } from '../it-where.ts';
import { discard, expectKind, fileFill, inSnapshot, listed, mounted, readIn, writeIn } from './helpers.ts';
import { describeTree, makeSampleTree } from './sample-tree.ts';
import type { Suite } from './suite.ts';

/** Copies within a pool. */
export const copyTests = ({ driver, pool, newVolume }: Suite): void => {
  it('[05.99] a copy with its snapshots is equal to the source and independent of it', async () => {
    const [source, copy] = [newVolume(), newVolume()];
    let first: string[] = [];
    await pool().createVolume(source, async ({ path }) => {
      await makeSampleTree(path);
      first = await describeTree(path);
    });
    await pool().createSnapshot(inSnapshot(source, 's0'));
    await writeIn(pool(), source, 'owned', 'changed');
    await pool().createSnapshot(inSnapshot(source, 's1'));
    await writeIn(pool(), source, 'later', 'x');
    const [second, now] = [
      await mounted(pool(), inSnapshot(source, 's1'), describeTree),
      await mounted(pool(), source, describeTree),
    ];
    await pool().copyVolume(copy, source, ['s0', 's1']);
    expect(await listed(pool())).toContain(`custom default/${copy.name} [s0 s1]`);
    await writeIn(pool(), source, 'later', 'only in the source');
    expect(await mounted(pool(), inSnapshot(copy, 's0'), describeTree)).toEqual(first);
    expect(await mounted(pool(), inSnapshot(copy, 's1'), describeTree)).toEqual(second);
    expect(await mounted(pool(), copy, describeTree)).toEqual(now);
    await discard(pool(), source, 's0', 's1');
    expect(await mounted(pool(), inSnapshot(copy, 's0'), describeTree)).toEqual(first);
    await writeIn(pool(), copy, 'later', 'writable');
    await pool().restoreVolume(copy, 's1');
    expect(await mounted(pool(), copy, describeTree)).toEqual(second);
    await discard(pool(), copy, 's0', 's1');
  });

  it('[05.100] a copy has only the snapshots that were named', async () => {
    const [source, copy] = [newVolume(), newVolume()];
    await pool().createVolume(source, fileFill('f', 'one'));
    await pool().createSnapshot(inSnapshot(source, 's0'));
    await pool().createSnapshot(inSnapshot(source, 's1'));
    await pool().copyVolume(copy, source, ['s1']);
    expect(await listed(pool())).toContain(`custom default/${copy.name} [s1]`);
    await discard(pool(), source, 's0', 's1');
    await discard(pool(), copy, 's1');
  });

  it('[05.107 05.110] a snapshot is copied to a new volume, in another project too', async () => {
    const source = newVolume();
    const copy = newVolume({ project: 'other', name: source.name });
    await pool().createVolume(source, fileFill('f', 'one'));
    await pool().createSnapshot(inSnapshot(source, 's0'));
    await writeIn(pool(), source, 'f', 'two');
    await pool().copyVolume(copy, inSnapshot(source, 's0'), []);
    expect(await readIn(pool(), copy, 'f')).toBe('one');
    await writeIn(pool(), copy, 'f', 'three');
    expect(await readIn(pool(), inSnapshot(source, 's0'), 'f')).toBe('one');
    await discard(pool(), source, 's0');
    expect(await readIn(pool(), copy, 'f')).toBe('three');
    await discard(pool(), copy);
  });

  itWhere(driver.features.volumeTypes.includes('container') && driver.features.optimizedImages)(
    '[05.56 05.159] instances are cloned from an image volume, which can then be deleted',
    async () => {
      const image = newVolume({ type: 'image', name: 'a'.repeat(64) });
      let made: string[] = [];
      await pool().createVolume(image, async ({ path }) => {
        await makeSampleTree(path);
        made = await describeTree(path);
      });
      const instances = [1, 2].map(() => newVolume({ type: 'container' }));
      await Promise.all(instances.map((instance) => pool().copyVolume(instance, image, [])));
      await pool().deleteVolume(image);
      for (const instance of instances) {
        expect(await mounted(pool(), instance, describeTree)).toEqual(made);
        await writeIn(pool(), instance, 'own', instance.name);
        await discard(pool(), instance);
      }
    },
  );

  it('a copy that fails leaves nothing of itself, and the source whole', async () => {
    const [source, copy] = [newVolume(), newVolume()];
    await pool().createVolume(source, fileFill('f', 'one'));
    await pool().createSnapshot(inSnapshot(source, 's0'));
    await expectKind(pool().copyVolume(copy, source, ['s0', 'none']), 'not-found');
    expect(await pool().hasVolume(copy)).toBe(false);
    expect(await pool().hasVolume(inSnapshot(copy, 's0'))).toBe(false);
    await expectKind(pool().copyVolume(copy, newVolume(), []), 'not-found');
    expect(await pool().hasVolume(copy)).toBe(false);
    expect(await readIn(pool(), source, 'f')).toBe('one');
    await discard(pool(), source, 's0');
  });

  it('an existing volume is not copied over', async () => {
    const [source, other] = [newVolume(), newVolume()];
    await pool().createVolume(source, fileFill('f', 'one'));
    await pool().createVolume(other, fileFill('f', 'other'));
    await expectKind(pool().copyVolume(other, source, []), 'conflict');
    expect(await readIn(pool(), other, 'f')).toBe('other');
    await discard(pool(), source);
    await discard(pool(), other);
  });
};
