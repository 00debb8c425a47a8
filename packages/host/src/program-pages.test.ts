import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { releaseProgramPages } from './program-pages.ts';

/** Resident pages of files, in KiB (proc_pid_status(5)). */
const fromFiles = () => Number(/^RssFile:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

test('most of the pages of the program are not needed again, and what it does goes on', async () => {
  const before = fromFiles();
  await releaseProgramPages();
  expect(fromFiles()).toBeLessThan(before * 0.8);
  expect(JSON.parse(JSON.stringify({ works: [1, 2, 3].map((n) => n * 2) }))).toEqual({ works: [2, 4, 6] });
});
