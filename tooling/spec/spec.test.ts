import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readChapter } from './statements.ts';
import { idsOf } from './titles.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'spec-'));
  mkdirSync(join(root, 'docs/spec'), { recursive: true });
  mkdirSync(join(root, '.cache/test-results'), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

test('a title names statements by number, by name and as ranges', () => {
  expect(idsOf('[05.19 05.20] a pool')).toEqual(['05.19', '05.20']);
  expect(idsOf('[03.371-373, 09.API-02] x')).toEqual(['03.371', '03.372', '03.373', '09.API-02']);
  expect(idsOf('[09.COL-09-11] x')).toEqual(['09.COL-09', '09.COL-10', '09.COL-11']);
  expect(idsOf('nothing [05.19] later')).toEqual([]);
  expect(idsOf('[fast] no id')).toEqual([]);
  expect(() => idsOf('[05.x] a pool')).toThrow('"05.x" is no statement');
  expect(() => idsOf('[05.9-7] a pool')).toThrow('counts backwards');
});

test('a chapter has numbered and named statements over several lines', () => {
  const chapter = readChapter(
    '# 09. REST API\n\n1. One\n   and more\n\nNo statement.\n- API-02 Two.\n## End\n2. Three\n',
  );
  expect(chapter).toEqual({
    number: '09',
    title: 'REST API',
    statements: [
      { id: '09.1', text: 'One and more' },
      { id: '09.API-02', text: 'Two.' },
      { id: '09.2', text: 'Three' },
    ],
  });
  expect(() => readChapter('# 01 X\n1. a\n1. b\n')).toThrow('01.1 stands twice');
});

const report = (tests: [string[], string][]) =>
  writeFileSync(
    join(root, '.cache/test-results/packages.json'),
    JSON.stringify({
      testResults: [
        {
          name: 'x.test.ts',
          status: 'passed',
          assertionResults: tests.map(([titles, status]) => ({
            ancestorTitles: titles.slice(0, -1),
            title: titles.at(-1),
            status,
          })),
        },
      ],
    }),
  );

const spec = (...args: string[]) =>
  spawnSync(process.execPath, ['--conditions=lxd-ts-source', join(import.meta.dirname, '../spec.ts'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, LXD_TS_SPEC_ROOT: root },
  });

test('a statement is proven by a passing test that names it, and not when another fails', () => {
  writeFileSync(join(root, 'docs/spec/05.md'), '# 05 — Storage\n\n1. One.\n2. Two.\n3. Three.\n4. Four.\n');
  report([
    [['[05.1] a'], 'passed'],
    [['[05.2] group', 'b'], 'passed'],
    [['[05.2] c'], 'failed'],
    [['[05.3] d'], 'skipped'],
    [['[05.4] group', '[05.1] e'], 'passed'],
  ]);
  const { stdout, status } = spec('--missing');
  expect(stdout).toMatch(/05 Storage +2 of +4 {2}50 %/);
  expect(stdout).toContain('  05.2 Two.\n  05.3 Three.\n');
  expect(stdout).not.toContain('05.4 Four');
  expect(status).toBe(0);
});

test('a title that names no statement is an error', () => {
  writeFileSync(join(root, 'docs/spec/05.md'), '# 05 Storage\n\n1. One.\n');
  report([[['[05.7] a'], 'passed']]);
  const { stderr, status } = spec();
  expect(stderr).toContain('There is no statement 05.7, which the test "[05.7] a" names.');
  expect(status).toBe(1);
});
