import { describe, expect, it } from 'vitest';
import { byteReader, rewriteDiff } from './diff-stream.ts';

const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const named = (tag: string, name: string): Buffer =>
  Buffer.concat([Buffer.from(tag), number(name.length).subarray(0, 4), Buffer.from(name)]);
const magic = Buffer.from('rbd diff v1\n');
const data = Buffer.concat([
  Buffer.from('s'),
  number(4096),
  Buffer.from('w'),
  number(512),
  number(5),
  Buffer.from('hello'),
  Buffer.from('z'),
  number(1024),
  number(512),
  Buffer.from('e'),
]);

const pieces = async function* (bytes: Buffer, size: number): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
};
const collect = async (chunks: AsyncIterable<Buffer>): Promise<Buffer> => {
  const collected: Buffer[] = [];
  for await (const chunk of chunks) collected.push(chunk);
  return Buffer.concat(collected);
};
const rewritten = async (bytes: Buffer, names: { base?: string; to?: string }, size = 7): Promise<Buffer> => {
  const reader = byteReader(pieces(bytes, size));
  return collect(rewriteDiff(reader, { base: names.base, to: names.to }));
};

describe('streams of rbd export-diff', () => {
  const whole = Buffer.concat([magic, named('t', 'snapshot_s0'), data]);
  const difference = Buffer.concat([magic, named('f', 'snapshot_s0'), named('t', 'zombie_snapshot_x'), data]);

  it.each([1, 3, 1000])('are passed on with the name of another snapshot, in pieces of %i', async (size) => {
    expect(await rewritten(whole, { to: 'snapshot_new' }, size)).toEqual(
      Buffer.concat([magic, named('t', 'snapshot_new'), data]),
    );
  });

  it('are passed on without a snapshot', async () => {
    expect(await rewritten(difference, { base: 'snapshot_s0' })).toEqual(
      Buffer.concat([magic, named('f', 'snapshot_s0'), data]),
    );
  });

  it('follow one another', async () => {
    const reader = byteReader(pieces(Buffer.concat([whole, whole]), 10));
    for (const last of [false, true]) {
      const one = await collect(rewriteDiff(reader, { base: undefined, to: undefined }));
      expect(one).toEqual(Buffer.concat([magic, data]));
      expect(await reader.ended()).toBe(last);
    }
  });

  it('are refused when they are cut off anywhere', async () => {
    for (let length = 0; length < whole.length; length++) {
      await expect(rewritten(whole.subarray(0, length), {})).rejects.toThrow('ended too early');
    }
  });

  it('are refused when they are something else, or a difference to something else', async () => {
    await expect(rewritten(Buffer.from('not a stream at all'), {})).rejects.toThrow('not a stream of RBD');
    await expect(rewritten(Buffer.concat([magic, Buffer.from('?')]), {})).rejects.toThrow('not a stream of RBD');
    await expect(rewritten(difference, {})).rejects.toThrow('difference to snapshot_s0');
    await expect(rewritten(whole, { base: 'snapshot_s0' })).rejects.toThrow('snapshot_s0 was expected');
  });
});
