import { readFileSync } from 'node:fs';
import { z } from 'zod';

export interface TestResult {
  /** The titles of its groups and its own. */
  readonly titles: readonly string[];
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly file: string;
}

/** What vitest's JSON reporter writes, as far as it is read here. */
const report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      assertionResults: z.array(
        z.object({ ancestorTitles: z.array(z.string()), title: z.string(), status: z.string() }),
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
  return testResults.flatMap(({ name: file, status, assertionResults }) => {
    const results = assertionResults.map(
      (one): TestResult => ({
        titles: [...one.ancestorTitles.filter(Boolean), one.title],
        state: stateOf(one.status),
        file,
      }),
    );
    const whole: TestResult = { titles: ['the whole file'], state: 'failed', file };
    return status === 'failed' && !results.some((one) => one.state === 'failed') ? [...results, whole] : results;
  });
};

/** The closing line of a run. */
export const summary = (results: readonly TestResult[], otherFailures: number): string => {
  const count = (state: TestResult['state']) => results.filter((one) => one.state === state).length;
  return `${count('passed')} passed, ${count('failed') + otherFailures} failed, ${count('skipped')} skipped`;
};
