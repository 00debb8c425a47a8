import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { failedTests, readResults, summary } from './results.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'results-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const report = (files: object[]) => {
  const path = join(folder, 'report.json');
  writeFileSync(path, JSON.stringify({ testResults: files }));
  return readResults(path);
};
const one = (title: string, status: string) => ({ ancestorTitles: ['', 'group'], title, status });

test('results carry the titles of their groups, and what did not run counts as skipped', () => {
  const results = report([
    {
      name: 'a.test.ts',
      status: 'passed',
      assertionResults: [one('x', 'passed'), one('y', 'todo'), one('z', 'skipped')],
    },
  ]);
  expect(results.map(({ titles, state }) => [titles.join(' > '), state])).toEqual([
    ['group > x', 'passed'],
    ['group > y', 'skipped'],
    ['group > z', 'skipped'],
  ]);
  expect(summary(results, 0)).toBe('1 passed, 0 failed, 2 skipped');
});

test('a file that does not load counts as one failed test, and other failures are added', () => {
  const results = report([
    { name: 'broken.test.ts', status: 'failed', assertionResults: [] },
    { name: 'hook.test.ts', status: 'failed', assertionResults: [one('x', 'skipped')] },
    { name: 'plain.test.ts', status: 'failed', assertionResults: [one('x', 'failed')] },
  ]);
  expect(summary(results, 2)).toBe('0 passed, 5 failed, 1 skipped');
});

test('what failed is told with its file, its titles and its reasons, without colours', () => {
  const failed = { ...one('x', 'failed'), failureMessages: ['\u001b[31mno\u001b[39m such thing\n    at a.ts:1'] };
  const results = report([
    { name: '/here/packages/a.test.ts', status: 'failed', assertionResults: [failed, one('y', 'passed')] },
    { name: '/here/broken.test.ts', status: 'failed', message: 'it does not load', assertionResults: [] },
  ]);
  expect(failedTests(results, '/here')).toEqual([
    'packages/a.test.ts > group > x\n    no such thing\n        at a.ts:1',
    'broken.test.ts > the whole file\n    it does not load',
  ]);
});
