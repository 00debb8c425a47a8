import { createWriteStream } from 'node:fs';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { sendInto } from './send-into.ts';

const failing = () => Promise.reject(new Error('no room'));

it('a failure reaches the caller and whoever reads, and ends nothing where nobody does', async () => {
  const unread = new PassThrough();
  await expect(sendInto(unread, failing)).rejects.toThrow('no room');
  // An error that nobody listens to would be thrown now.
  await setImmediate();
  expect(unread.destroyed).toBe(true);
  const read = new PassThrough();
  const [sent, received] = await Promise.allSettled([sendInto(read, failing), pipeline(read, new PassThrough())]);
  expect([sent, received]).toMatchObject([
    { status: 'rejected', reason: { message: 'no room' } },
    { status: 'rejected', reason: { message: 'no room' } },
  ]);
});

it('a stream that fails by itself fails the work', async () => {
  const file = createWriteStream('/nowhere/file');
  const write = async (): Promise<void> => {
    await setImmediate();
    await pipeline([Buffer.from('x')], file);
  };
  await expect(sendInto(file, write)).rejects.toThrow(/ENOENT|ERR_STREAM|closed|destroyed/i);
});
