import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { readLeaseFile } from './lease-file.ts';

const directory = await mkdtemp(join(tmpdir(), 'lxd-ts-leases-'));
afterAll(() => rm(directory, { recursive: true, force: true }));

const elapsed = async <Result>(work: Promise<Result>): Promise<[Result, number]> => {
  const start = performance.now();
  return [await work, performance.now() - start];
};

it('[06.60] a lease file that is written anew at this moment is read as it was before or will be after', async () => {
  const path = join(directory, 'written');
  const line = (version: number) => `0 00:16:3e:00:00:01 10.1.1.5 version${version} *\n`;
  await writeFile(path, line(0).repeat(200));
  // Longer than a tick of the clock of file systems: it was written since it was made.
  await setTimeout(20);
  const versions = Array.from({ length: 11 }, (_, version) => line(version).repeat(200));
  const seen = new Set<string | undefined>();
  const writing = (async () => {
    await using file = await open(path, 'r+');
    for (const [version, text] of versions.entries()) {
      await file.truncate();
      await setTimeout(version * 20);
      // As a full buffer goes: in the middle of a line.
      await file.write(text.slice(0, 4096), 0);
      await setTimeout(version * 10);
      await file.write(text.slice(4096), 4096);
      while (!seen.has(text)) await setTimeout(5);
    }
  })();
  while (!seen.has(versions.at(-1))) seen.add(await readLeaseFile(path));
  await writing;
  expect([...seen]).toEqual(versions);
});

it('a lease file that nobody writes is read without waiting, also one without leases; one that is not there is none', async () => {
  expect(await readLeaseFile(join(directory, 'none'))).toBeUndefined();
  const empty = join(directory, 'empty');
  await writeFile(empty, '');
  const [text, ms] = await elapsed(readLeaseFile(empty));
  expect(text).toBe('');
  expect(ms).toBeLessThan(500);
});

it('what a server left that died while it wrote is read in the end', async () => {
  const cut = join(directory, 'cut');
  await writeFile(cut, '0 00:16:3e:00:00:01 10.1.1.5 c1 *\n0 00:16');
  const [text, ms] = await elapsed(readLeaseFile(cut));
  expect(text).toContain('c1');
  expect(ms).toBeGreaterThan(1000);
});
