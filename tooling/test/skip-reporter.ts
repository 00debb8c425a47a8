import type { Reporter, TestCase } from 'vitest/node';

/** A vitest reporter that lists at the end which tests were skipped, and the reason that they gave. */
export default class SkipReporter implements Reporter {
  readonly #skipped: string[] = [];

  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    if (result.state !== 'skipped') return;
    const reason = 'note' in result && result.note ? result.note : 'no reason given';
    this.#skipped.push(`  ${test.module.relativeModuleId} > ${test.fullName}: ${reason}`);
  }

  onTestRunEnd(): void {
    if (this.#skipped.length === 0) return;
    console.log(`Skipped, and why:\n${this.#skipped.join('\n')}\n`);
  }
}
