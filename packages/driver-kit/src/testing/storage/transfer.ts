import { randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { PassThrough, Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { StoragePool, Volume } from '../../storage/contract.ts';
import { itWhere } from '../it-where.ts';
import { discard, fileFill, inSnapshot, listed, MiB, mounted, readIn, writeIn } from './helpers.ts';
import { describeTree, makeSampleTree } from './sample-tree.ts';
import type { Suite } from './suite.ts';

/** Sends a volume, and returns the whole stream as one buffer. */
const sent = async (pool: StoragePool, volume: Volume, base?: string): Promise<Buffer> => {
  if (!pool.send) throw new TypeError('features.optimizedTransfer promises a send function');
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise((resolve) => stream.once('end', resolve));
  await pool.send(volume, base, stream);
  await ended;
  return Buffer.concat(chunks);
};

const receive = async (pool: StoragePool, volume: Volume, base: string | undefined, data: Buffer): Promise<void> => {
  if (!pool.receive) throw new TypeError('features.optimizedTransfer promises a receive function');
  // In small pieces, as from a network.
  const pieces = Array.from({ length: Math.ceil(data.length / 10_000) }, (_, at) =>
    data.subarray(at * 10_000, (at + 1) * 10_000),
  );
  await pool.receive(volume, base, Readable.from(pieces));
};

/** Optimised transfer between pools of this driver. */
export const transferTests = ({ driver, pool, newVolume }: Suite): void => {
  it('features.optimizedTransfer says whether volumes can be sent and received', () => {
    expect(pool().send !== undefined).toBe(driver.features.optimizedTransfer);
    expect(pool().receive !== undefined).toBe(driver.features.optimizedTransfer);
  });
  if (!driver.features.optimizedTransfer) return;

  it.each(driver.features.volumeTypes)(
    '[05.161] a volume of type %s that is sent and received is the same',
    async (type) => {
      const content = type === 'virtual-machine' ? 'block' : 'filesystem';
      const config = content === 'block' ? { size: String(4 * MiB) } : {};
      const [source, target] = [newVolume({ type, content, config }), newVolume({ type, content, config })];
      await pool().createVolume(source, ({ path }) => makeSampleTree(path));
      await receive(pool(), target, undefined, await sent(pool(), source));
      expect(await mounted(pool(), target, describeTree)).toEqual(await mounted(pool(), source, describeTree));
      await writeIn(pool(), target, 'f', 'writable');
      expect(await listed(pool())).toContain(`${type} default/${target.name} []`);
      await discard(pool(), source);
      await discard(pool(), target);
    },
  );

  it('[05.134 05.164 05.165 05.166 05.167] snapshots follow as differences, and the volume as one to the last', async () => {
    const [source, target] = [newVolume(), newVolume()];
    await pool().createVolume(source, async (mount) => {
      await makeSampleTree(mount.path);
      await fileFill('large', randomBytes(65_536).toString('base64'))(mount, {});
    });
    await pool().createSnapshot(inSnapshot(source, 's0'));
    await writeIn(pool(), source, 'f', 'one');
    await pool().createSnapshot(inSnapshot(source, 's1'));
    await writeIn(pool(), source, 'f', 'two');
    const [full, difference, main] = [
      await sent(pool(), inSnapshot(source, 's0')),
      await sent(pool(), inSnapshot(source, 's1'), 's0'),
      await sent(pool(), source, 's1'),
    ];
    expect(difference.length).toBeLessThan(full.length / 4);
    expect(main.length).toBeLessThan(full.length / 4);
    await receive(pool(), inSnapshot(target, 's0'), undefined, full);
    await receive(pool(), inSnapshot(target, 's1'), 's0', difference);
    await receive(pool(), target, 's1', main);
    for (const [from, to] of [
      [inSnapshot(source, 's0'), inSnapshot(target, 's0')],
      [inSnapshot(source, 's1'), inSnapshot(target, 's1')],
      [source, target],
    ] as const) {
      expect(await mounted(pool(), to, describeTree)).toEqual(await mounted(pool(), from, describeTree));
    }
    await writeIn(pool(), target, 'f', 'three');
    await pool().restoreVolume(target, driver.features.restoreAnySnapshot ? 's0' : 's1');
    await writeIn(pool(), target, 'own', 'gone its own way');
    // A later refresh builds on what was received.
    await pool().createSnapshot(inSnapshot(source, 's2'));
    await writeIn(pool(), source, 'f', 'four');
    await receive(pool(), inSnapshot(target, 's2'), 's1', await sent(pool(), inSnapshot(source, 's2'), 's1'));
    expect(await readIn(pool(), inSnapshot(target, 's2'), 'f')).toBe('two');
    const last = await sent(pool(), source, 's2');
    await expect(receive(pool(), target, 's2', last.subarray(0, last.length / 2))).rejects.toThrow();
    expect(await pool().hasVolume(target)).toBe(true);
    await receive(pool(), target, 's2', last);
    expect(await mounted(pool(), target, describeTree)).toEqual(await mounted(pool(), source, describeTree));
    const [theirs, own] = [await pool().snapshotIds?.(source), await pool().snapshotIds?.(target)];
    expect(own).toEqual(theirs);
    if (own) expect(own.map(({ snapshot, isBase }) => `${snapshot} ${isBase}`).slice(-1)).toEqual(['s2 true']);
    // A copy of another volume has no snapshot in common with it.
    const other = newVolume();
    await pool().createVolume(other);
    await pool().createSnapshot(inSnapshot(other, 's2'));
    expect((await pool().snapshotIds?.(other))?.[0]?.id).not.toBe(own?.[2]?.id ?? '');
    await discard(pool(), other, 's2');
    await discard(pool(), source, 's0', 's1', 's2');
    await discard(pool(), target, 's0', 's1', 's2');
  });

  itWhere(driver.features.customContent.includes('block'))(
    'a block volume that is sent and received is the same',
    async () => {
      const config = { size: String(4 * MiB) };
      const [source, target] = [newVolume({ content: 'block', config }), newVolume({ content: 'block', config })];
      await pool().createVolume(source, async ({ disk = '' }) => {
        await using file = await open(disk, 'r+');
        await file.write('boot', 512);
      });
      await receive(pool(), target, undefined, await sent(pool(), source));
      const read = (volume: Volume): Promise<string> =>
        mounted(pool(), volume, async (_, disk) => (await readFile(disk)).toString('latin1'));
      expect((await read(target)).slice(512, 516)).toBe('boot');
      expect(await read(target)).toBe(await read(source));
      await discard(pool(), source);
      await discard(pool(), target);
    },
  );

  it('what cannot be sent is told by the call, also where nobody listens to the stream', async () => {
    const stream = new PassThrough();
    await expect(pool().send?.(newVolume(), undefined, stream)).rejects.toThrow();
    // An error that nobody listens to would end the process now.
    await nextTurn();
    expect(stream.destroyed).toBe(true);
  });

  it('a stream that ends too early leaves nothing', async () => {
    const [source, target] = [newVolume(), newVolume()];
    await pool().createVolume(source, ({ path }) => makeSampleTree(path));
    const data = await sent(pool(), source);
    await expect(receive(pool(), target, undefined, data.subarray(0, data.length / 2))).rejects.toThrow();
    expect(await pool().hasVolume(target)).toBe(false);
    await expect(receive(pool(), target, undefined, Buffer.from('not a stream at all'))).rejects.toThrow();
    expect(await pool().hasVolume(target)).toBe(false);
    await discard(pool(), source);
  });
};
