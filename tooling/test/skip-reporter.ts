import type { Reporter, TestCase } from 'vitest/node';

/** A vitest reporter that tells at the end which tests were skipped, by file and group, and the reason that they gave. */
export default class SkipReporter implements Reporter {
  readonly #skipped = new Map<string, string[]>();

  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    if (result.state !== 'skipped') return;
    const reason = 'note' in result && result.note ? result.note : 'no reason given, see the title';
    const group = test.fullName.split(' > ').slice(0, -1).slice(0, 2);
    const place = [test.module.relativeModuleId, ...group].join(' > ');
    const key = `${place}: ${reason}`;
    this.#skipped.set(key, [...(this.#skipped.get(key) ?? []), test.name]);
  }

  onTestRunEnd(): void {
    if (this.#skipped.size === 0) return;
    console.log('Skipped, and why:');
    for (const [place, names] of this.#skipped) {
      console.log(`  ${String(names.length).padStart(4)}  ${place}`);
      if (names.length <= 3) for (const name of names) console.log(`        - ${name}`);
    }
    console.log('');
  }
}
