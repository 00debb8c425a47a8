import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { gzipBlocks } from './gzip-blocks.ts';

async function* cut(data: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

test.each([0, 1, 524_288, 1_700_000])(
  'gzip(1) gives back %s bytes, and how they were cut does not matter',
  async (size) => {
    const data = Buffer.concat([randomBytes(size / 2), Buffer.alloc(size - Math.floor(size / 2))]);
    const packed = await buffer(gzipBlocks(cut(data, 65_536)));
    expect(execFileSync('gzip', ['-dc'], { input: packed, maxBuffer: 1 << 24 }).equals(data)).toBe(true);
    expect(packed.equals(await buffer(gzipBlocks(cut(data, 600_001))))).toBe(true);
  },
);
