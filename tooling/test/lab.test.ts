import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { labFiles, sharedOut } from './lab.ts';
import { makeScratch } from './scratch.ts';

const root = join(import.meta.dirname, '../..');

test('the lab has the files called *.lab.test.ts, all or those that a filter names', () => {
  const all = execFileSync('git', ['ls-files', '*.lab.test.ts'], { cwd: root, encoding: 'utf8' })
    .split('\n')
    .filter(Boolean);
  expect(labFiles(root, [])).toEqual(expect.arrayContaining(all));
  expect(labFiles(root, ['storage-dir'])).toEqual(['packages/storage-dir/src/conformance.lab.test.ts']);
  expect(labFiles(root, ['nothing is called that'])).toEqual([]);
});

test('two that share commands out run each once, and tell how each ended', async () => {
  await using scratch = makeScratch();
  const file = join(scratch.folder, "it's done");
  const command = (n: number) => ['sh', '-c', 'sleep 0.05; echo "$1" >> "$2"; exit "$1"', 'sh', `${n}`, file];
  const text = sharedOut(scratch.folder, [0, 1, 2, 3, 4, 5].map(command));
  await Promise.all([0, 1].map(() => once(spawn('bash', ['-c', text], { stdio: 'inherit' }), 'close')));
  expect(readFileSync(file, 'utf8').trim().split('\n').sort()).toEqual(['0', '1', '2', '3', '4', '5']);
  for (const n of [0, 1, 5]) expect(readFileSync(join(scratch.folder, `${n}.code`), 'utf8')).toBe(`${n}\n`);
});
