import { PassThrough } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { joinParts, splitParts, streamType } from './stream-format.ts';

const streamOf = async function* (...chunks: string[]): AsyncIterable<Buffer> {
  for (const chunk of chunks) yield Buffer.from(chunk);
};

const collect = async (from: AsyncIterable<Buffer>): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of from) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

/** The same bytes one at a time, as the slowest network would bring them. */
const oneByOne = async function* (text: string): AsyncIterable<Buffer> {
  for (const byte of Buffer.from(text, 'latin1')) yield Buffer.of(byte);
};

const split = async (from: AsyncIterable<Buffer>, count: number): Promise<string[]> => {
  const parts: string[] = [];
  await splitParts(from, count, async (part) => {
    parts.push(await collect(part));
  });
  return parts;
};

it('one part is sent as it is', async () => {
  expect(await collect(joinParts([streamOf('ab', 'c')]))).toBe('abc');
  expect(await split(streamOf('ab', 'c'), 1)).toEqual(['abc']);
});

it('a part that comes slowly comes whole', async () => {
  const slowly = new PassThrough();
  const received = split(slowly, 1);
  for (const piece of ['ab', 'c', 'def']) {
    await setTimeout(5);
    slowly.write(piece);
  }
  slowly.end();
  expect(await received).toEqual(['abcdef']);
});

it('two parts come apart again, whatever the pieces they come in', async () => {
  const joined = await collect(joinParts([streamOf('ab', 'c'), streamOf('', 'def')]));
  expect(await split(oneByOne(joined), 2)).toEqual(['abc', 'def']);
});

it('a stream of other parts than asked for, or one that ends too early, is refused', async () => {
  const joined = await collect(joinParts([streamOf('abc'), streamOf('def')]));
  await expect(split(streamOf(joined), 1)).rejects.toThrow('one of a virtual machine');
  await expect(split(streamOf('abc'), 2)).rejects.toThrow('not one of a virtual machine');
  for (let length = 0; length < joined.length; length++) {
    await expect(split(streamOf(joined.slice(0, length)), 2), String(length)).rejects.toThrow();
  }
});

it('the first record of a stream tells what it holds, in both byte orders', () => {
  const record = (type: number, little: boolean): Buffer => {
    const bytes = Buffer.alloc(312);
    if (little) {
      bytes.writeBigUInt64LE(0x2f5bacbacn, 8);
      bytes.writeUInt32LE(type, 32);
    } else {
      bytes.writeBigUInt64BE(0x2f5bacbacn, 8);
      bytes.writeUInt32BE(type, 32);
    }
    return bytes;
  };
  for (const little of [true, false]) {
    expect(streamType(record(2, little))).toBe('filesystem');
    expect(streamType(record(3, little))).toBe('volume');
  }
  expect(streamType(Buffer.from('not a stream at all, by its first words'))).toBeUndefined();
  expect(streamType(Buffer.alloc(8))).toBeUndefined();
});
