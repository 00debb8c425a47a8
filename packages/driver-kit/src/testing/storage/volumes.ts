import { readdir, stat } from 'node:fs/promises';
import { findMount } from '@lxd-ts/host';
import { expect, it } from 'vitest';
import type { Volume, VolumeType } from '../../storage/contract.ts';
import { itWhere } from '../it-where.ts';
import { discard, expectKind, fileFill, listed, mounted, readIn, writeIn } from './helpers.ts';
import { describeTree, makeSampleTree } from './sample-tree.ts';
import type { Suite } from './suite.ts';

/** Creating, finding, mounting, renaming and deleting volumes. */
export const volumeTests = ({ driver, pool, newVolume, reopen }: Suite): void => {
  it('[05.65] a new volume is empty, is found, and its fill is called once with the volume mounted', async () => {
    const volume = newVolume();
    expect(await pool().hasVolume(volume)).toBe(false);
    const seen: string[][] = [];
    await pool().createVolume(volume, async ({ path }, work) => {
      expect(work).toBeDefined();
      seen.push(await readdir(path));
    });
    expect(seen).toEqual([[]]);
    expect(await pool().hasVolume(volume)).toBe(true);
    expect(await listed(pool())).toContain(`custom default/${volume.name} []`);
    await discard(pool(), volume);
    expect(await pool().hasVolume(volume)).toBe(false);
    expect(await listed(pool())).not.toContain(`custom default/${volume.name} []`);
  });

  it('without a fill the volume is empty too', async () => {
    const volume = newVolume();
    await pool().createVolume(volume);
    expect(await mounted(pool(), volume, (path) => readdir(path))).toEqual([]);
    await discard(pool(), volume);
  });

  it('a fill that fails leaves nothing, and its error comes through', async () => {
    const volume = newVolume();
    const failure = new Error('no more');
    const fill = async ({ path }: { path: string }): Promise<void> => {
      await makeSampleTree(path);
      throw failure;
    };
    await expect(pool().createVolume(volume, fill)).rejects.toBe(failure);
    expect(await pool().hasVolume(volume)).toBe(false);
    await pool().createVolume(volume, fileFill('f', 'second try'));
    expect(await readIn(pool(), volume, 'f')).toBe('second try');
    await discard(pool(), volume);
  });

  it('an existing volume is not made again, and stays as it is', async () => {
    const volume = newVolume();
    await pool().createVolume(volume, fileFill('f', 'first'));
    await expectKind(pool().createVolume(volume, fileFill('f', 'second')), 'conflict');
    expect(await readIn(pool(), volume, 'f')).toBe('first');
    await discard(pool(), volume);
  });

  it('deleting what is not there is no error', async () => {
    const volume = newVolume();
    await pool().deleteVolume(volume);
    await pool().deleteSnapshot({ ...volume, snapshot: 'none' });
    await pool().createVolume(volume);
    await pool().deleteSnapshot({ ...volume, snapshot: 'none' });
    expect(await pool().hasVolume(volume)).toBe(true);
    await pool().deleteVolume(volume);
    await pool().deleteVolume(volume);
  });

  it('a volume keeps owners, modes, times, links, holes, devices and extended attributes while unmounted', async () => {
    const volume = newVolume();
    let made: string[] = [];
    await pool().createVolume(volume, async ({ path }) => {
      await makeSampleTree(path);
      made = await describeTree(path);
    });
    await reopen();
    expect(await mounted(pool(), volume, describeTree)).toEqual(made);
    await discard(pool(), volume);
  });

  it.each(driver.features.volumeTypes)(
    '[05.54 05.55 05.57 05.58] %s volumes: a name of their own in each type and project',
    async (type: VolumeType) => {
      const name = newVolume().name;
      const here: Volume = newVolume({ type, name });
      await pool().createVolume(here, fileFill('f', type));
      const others: Volume[] = driver.features.volumeTypes
        .filter((other) => other !== type)
        .map((other) => newVolume({ type: other, name }));
      if (type !== 'image') others.push(newVolume({ type, name, project: 'other' }));
      for (const other of others) {
        expect(await pool().hasVolume(other)).toBe(false);
        await pool().createVolume(other, fileFill('f', `${other.project} ${other.type}`));
      }
      expect(await readIn(pool(), here, 'f')).toBe(type);
      expect(await listed(pool())).toEqual(
        expect.arrayContaining([here, ...others].map((one) => `${one.type} ${one.project}/${name} []`)),
      );
      await discard(pool(), here);
      for (const other of others) {
        expect(await readIn(pool(), other, 'f')).toBe(`${other.project} ${other.type}`);
        await discard(pool(), other);
      }
    },
  );

  itWhere(driver.features.blockBased)('a volume is a file system of its own on a block device', async () => {
    const volume = newVolume();
    await pool().createVolume(volume);
    await mounted(pool(), volume, async (path) => {
      const { source = '', type = '' } = (await findMount(path)) ?? {};
      expect((await stat(source)).isBlockDevice(), source).toBe(true);
      expect(['ext4', 'xfs', 'btrfs']).toContain(type);
    });
    await discard(pool(), volume);
  });

  it('[05.102] a volume is renamed with its snapshots, and its old name is free', async () => {
    const volume = newVolume();
    const renamed = { ...volume, name: `${volume.name}-renamed` };
    await pool().createVolume(volume, fileFill('f', 'one'));
    await pool().createSnapshot({ ...volume, snapshot: 's0' });
    await pool().renameVolume(volume, renamed.name);
    expect(await pool().hasVolume(volume)).toBe(false);
    expect(await pool().hasVolume({ ...volume, snapshot: 's0' })).toBe(false);
    expect(await readIn(pool(), renamed, 'f')).toBe('one');
    expect(await readIn(pool(), { ...renamed, snapshot: 's0' }, 'f')).toBe('one');
    expect(await listed(pool())).toContain(`custom default/${renamed.name} [s0]`);
    await pool().createVolume(volume);
    await discard(pool(), volume);
    await discard(pool(), renamed, 's0');
  });

  it('a volume is not renamed over another', async () => {
    const [volume, other] = [newVolume(), newVolume()];
    await pool().createVolume(volume, fileFill('f', 'one'));
    await pool().createVolume(other);
    await expectKind(pool().renameVolume(volume, other.name), 'conflict');
    expect(await readIn(pool(), volume, 'f')).toBe('one');
    expect(await mounted(pool(), other, (path) => readdir(path))).toEqual([]);
    await discard(pool(), volume);
    await discard(pool(), other);
  });

  it('a volume mounted many times at once stays until the last one is done with it', async () => {
    const volume = newVolume();
    await pool().createVolume(volume, fileFill('f', 'here'));
    const mounts = await Promise.all(Array.from({ length: 8 }, () => pool().mountVolume(volume)));
    const last = mounts.pop();
    await Promise.all(mounts.map((mount) => mount[Symbol.asyncDispose]()));
    // A second disposal of the same mount takes nothing from the others.
    await mounts[0]?.[Symbol.asyncDispose]();
    expect(last?.path).toBe(mounts[0]?.path);
    expect((await stat(`${last?.path}/f`)).size).toBe(4);
    const [again] = await Promise.all([pool().mountVolume(volume), last?.[Symbol.asyncDispose]()]);
    expect((await stat(`${again.path}/f`)).size).toBe(4);
    await again[Symbol.asyncDispose]();
    await discard(pool(), volume);
  });

  it('mounting what is not there is answered with not-found', async () => {
    const volume = newVolume();
    await expectKind(pool().mountVolume(volume), 'not-found');
    await expectKind(pool().mountVolume({ ...volume, snapshot: 's0' }), 'not-found');
  });

  it('different volumes are worked on, and listed, at once', async () => {
    const volumes = Array.from({ length: 8 }, () => newVolume());
    await Promise.all(
      volumes.map(async (volume) => {
        const copy = { ...volume, name: `${volume.name}-copy` };
        await pool().createVolume(volume, fileFill('f', volume.name));
        await pool().createSnapshot({ ...volume, snapshot: 's0' });
        await writeIn(pool(), volume, 'f', 'changed');
        expect(await listed(pool())).toContain(`custom default/${volume.name} [s0]`);
        await pool().copyVolume(copy, volume, ['s0']);
        await pool().restoreVolume(volume, 's0');
        expect(await readIn(pool(), volume, 'f')).toBe(volume.name);
        expect(await readIn(pool(), copy, 'f')).toBe('changed');
        await Promise.all([discard(pool(), volume, 's0'), discard(pool(), copy, 's0')]);
      }),
    );
    expect((await listed(pool())).filter((line) => volumes.some(({ name }) => line.includes(`/${name} `)))).toEqual([]);
  });

  it('work that is cancelled is undone', async () => {
    const [volume, copy] = [newVolume(), newVolume()];
    const abort = new AbortController();
    const reason = new Error('changed my mind');
    const fill = async (): Promise<void> => {
      abort.abort(reason);
      abort.signal.throwIfAborted();
    };
    await expect(pool().createVolume(volume, fill, { signal: abort.signal })).rejects.toBe(reason);
    expect(await pool().hasVolume(volume)).toBe(false);
    await pool().createVolume(volume, fileFill('f', 'x'));
    await expect(pool().copyVolume(copy, volume, [], { signal: abort.signal })).rejects.toBe(reason);
    expect(await pool().hasVolume(copy)).toBe(false);
    await discard(pool(), volume);
  });
};
