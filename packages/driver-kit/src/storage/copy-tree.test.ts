import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError } from '@lxd-ts/host';
import { expect, it } from 'vitest';
import { testContext } from '../testing/context.ts';
import { describeTree, makeSampleTree } from '../testing/storage/sample-tree.ts';
import { copyTree, parseRsyncProgress } from './copy-tree.ts';

it.each([
  ['by cp', {}],
  ['by rsync, limited', { bandwidthLimit: '100M' }],
  ['by rsync, with progress', { progress: () => undefined }],
])('a copy %s keeps owners, modes, times, links, holes, devices and extended attributes', async (_, options) => {
  await using context = await testContext('copy-tree');
  const [source, target] = [join(context.directory, 'source'), join(context.directory, 'target')];
  await mkdir(source, { mode: 0o750 });
  await makeSampleTree(source);
  await mkdir(target);
  await copyTree(source, target, options);
  expect(await describeTree(target)).toEqual(await describeTree(source));
  expect((await stat(target)).mode).toBe((await stat(source)).mode);
});

it('[05.101] a refresh copies what differs, within a second and at the same size too, and deletes what is gone', async () => {
  await using context = await testContext('copy-tree');
  const [source, target] = [join(context.directory, 'source'), join(context.directory, 'target')];
  await mkdir(source);
  await makeSampleTree(source);
  await writeFile(join(source, 'same-size'), 'one');
  await copyTree(source, target);
  await writeFile(join(source, 'same-size'), 'two');
  await rm(join(source, 'deep'), { recursive: true });
  await writeFile(join(source, 'new'), 'x');
  await copyTree(source, target, { refresh: true });
  expect(await describeTree(target)).toEqual(await describeTree(source));
});

it('[05.111] files that vanish meanwhile are an error, unless that is allowed', async () => {
  await using context = await testContext('copy-tree');
  const source = join(context.directory, 'source');
  await mkdir(source);
  await writeFile(join(source, 'stays'), 'x');
  let running = true;
  // Files come and go all the time while the tree is copied.
  const churn = (async () => {
    for (let round = 0; running; round++) {
      const names = Array.from({ length: 200 }, (_, at) => join(source, `f${round % 3}-${at}`));
      await Promise.all(names.map((name) => writeFile(name, 'x')));
      await Promise.all(names.map((name) => rm(name)));
    }
  })();
  try {
    let failed = 0;
    for (let round = 0; round < 40 && failed === 0; round++) {
      const target = join(context.directory, `strict${round}`);
      await copyTree(source, target).catch((error) => {
        expect(error).toBeInstanceOf(CommandError);
        failed++;
      });
    }
    expect(failed).toBe(1);
    for (let round = 0; round < 10; round++) {
      const target = join(context.directory, `tolerant${round}`);
      await copyTree(source, target, { allowInconsistent: true });
      expect(await readdir(target)).toContain('stays');
    }
  } finally {
    running = false;
    await churn;
  }
});

it('[05.111] other failures are errors even when inconsistency is allowed', async () => {
  await using context = await testContext('copy-tree');
  const missing = join(context.directory, 'missing');
  await expect(copyTree(missing, join(context.directory, 'x'), { allowInconsistent: true })).rejects.toThrow('ENOENT');
});

it("reads rsync's progress", () => {
  expect(parseRsyncProgress('      1,238,099  99%  146.22MB/s    0:00:08 (xfr#5, to-chk=169/396)')).toEqual({
    bytes: 1_238_099,
    percent: 99,
    speed: Math.round(146.22 * 1024 ** 2),
  });
  expect(parseRsyncProgress('sending incremental file list')).toBeUndefined();
});
