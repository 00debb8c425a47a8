import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { releaseMemory } from './release-memory.ts';

/** A size in KiB from proc_pid_status(5). */
const status = (key: 'RssFile' | 'RssAnon'): number =>
  Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

test('most of the pages of the program are not needed again, and what it does goes on', async () => {
  const before = status('RssFile');
  await releaseMemory();
  expect(status('RssFile')).toBeLessThan(before * 0.8);
  expect(JSON.parse(JSON.stringify({ works: [1, 2, 3].map((n) => n * 2) }))).toEqual({ works: [2, 4, 6] });
});

// As the program is started with `--expose-gc`; a context made after the flag was set has it.
setFlagsFromString('--expose-gc');
globalThis.gc = runInNewContext('gc');

test('buffers that nobody holds any more go back to the system', async () => {
  const made = Array.from({ length: 4096 }, () => Buffer.alloc(16 << 10, 1));
  const before = status('RssAnon');
  made.length = 0;
  await releaseMemory();
  await sleep(50); // buffers end in the background after the collection
  await releaseMemory();
  expect(before - status('RssAnon')).toBeGreaterThan(32 << 10);
});
