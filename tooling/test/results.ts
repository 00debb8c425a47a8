import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';

export interface TestResult {
  /** The titles of its groups and its own. */
  readonly titles: readonly string[];
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly file: string;
  /** Why it failed, as vitest tells it; empty where it did not. */
  readonly reasons: readonly string[];
}

/** What vitest's JSON reporter writes, as far as it is read here. */
const report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().optional(),
      assertionResults: z.array(
        z.object({
          ancestorTitles: z.array(z.string()),
          title: z.string(),
          status: z.string(),
          failureMessages: z.array(z.string()).nullish(),
        }),
      ),
    }),
  ),
});

const stateOf = (status: string): TestResult['state'] =>
  status === 'passed' || status === 'failed' ? status : 'skipped';

/**
 * Reads a report of vitest's JSON reporter. A file that failed as a whole (it did not load, a hook of it failed) and
 * has no failed test of its own counts as one failed test.
 */
export const readResults = (path: string): TestResult[] => {
  const { testResults } = report.parse(JSON.parse(readFileSync(path, 'utf8')));
  return testResults.flatMap(({ name: file, status, message, assertionResults }) => {
    const results = assertionResults.map(
      (one): TestResult => ({
        titles: [...one.ancestorTitles.filter(Boolean), one.title],
        state: stateOf(one.status),
        file,
        reasons: one.failureMessages ?? [],
      }),
    );
    const whole: TestResult = { titles: ['the whole file'], state: 'failed', file, reasons: message ? [message] : [] };
    return status === 'failed' && !results.some((one) => one.state === 'failed') ? [...results, whole] : results;
  });
};

/**
 * What failed, a paragraph each: its file, its titles and the beginning of its reasons. It stands at the end of a run's
 * output, which is all that is left of it in some places.
 */
export const failedTests = (results: readonly TestResult[], root: string): string[] =>
  results
    .filter((one) => one.state === 'failed')
    .map(({ file, titles, reasons }) => {
      const lines = reasons.flatMap((reason) => stripVTControlCharacters(reason).split('\n').slice(0, 20));
      return [[relative(root, file), ...titles].join(' > '), ...lines.map((line) => `    ${line}`)].join('\n');
    });

/** The closing line of a run. */
export const summary = (results: readonly TestResult[], otherFailures: number): string => {
  const count = (state: TestResult['state']) => results.filter((one) => one.state === state).length;
  return `${count('passed')} passed, ${count('failed') + otherFailures} failed, ${count('skipped')} skipped`;
};
