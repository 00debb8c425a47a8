/**
 * Checks types, lint and all tests, those for the lab VM inside that, and that nothing is left on the host afterwards.
 * The last line of the output is `N passed, N failed, N skipped`; the exit code is 0 only when nothing failed.
 *
 *     node --conditions=lxd-ts-source tooling/test/main.ts [--shared-host] [--no-lab] [--whole-lab] [--setup-failed] [vitest filter…]
 *
 * --setup-failed: the set-up or build before this failed; counts as a failure, and what can run still does.
 * --no-lab: leaves out the tests that run in the lab VM.
 * --whole-lab: runs all of them, and takes as long as that takes; else the longest files run only when a filter names them.
 * --shared-host: others use this machine too, so what appeared on it meanwhile is listed but is no failure.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startBudget } from './budget.ts';
import { hostState, leaks } from './host-state.ts';
import { buildLab, labFiles, labFitsBeside, testInLab, usualFiles } from './lab.ts';
import { failedTests, readResults, summary, type TestResult } from './results.ts';
import { currentRun } from './run-mark.ts';
import { removeLeftovers } from './scratch.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const output = join(root, '.cache/test-results');
const wholeLab = process.argv.includes('--whole-lab');
const budget = startBudget(wholeLab ? 240 : 45, root);
const filters = process.argv.slice(2).filter((one) => !one.startsWith('--'));
const sharedHost = process.argv.includes('--shared-host');
const { run: filesOfLab, left: longFiles } =
  wholeLab || filters.length > 0 ? { run: labFiles(root, filters), left: [] } : usualFiles(labFiles(root, []));
const withLab = filesOfLab.length > 0 && !process.argv.includes('--no-lab');
const run = currentRun();
const failures: string[] = process.argv.includes('--setup-failed') ? ['set-up or build failed'] : [];

const check = async (name: string, ...command: string[]): Promise<void> => {
  console.log(`\n== ${name}`);
  if ((await budget.run(command)) !== 0) failures.push(`${name} failed`);
};

const vitest = (project: string, report: string): string[] => [
  ...['vitest', 'run', `--project=${project}`, '--passWithNoTests'],
  ...['default', 'json', join(root, 'tooling/test/skip-reporter.ts')].map((reporter) => `--reporter=${reporter}`),
  `--outputFile.json=${report}`,
];

const testOnHost = async (project: string): Promise<TestResult[]> => {
  console.log(`\n== tests: ${project}`);
  const report = join(output, `${project}.json`);
  const code = await budget.run([...vitest(project, report), ...filters]);
  const results = existsSync(report) ? readResults(report) : [];
  if (code !== 0 && !results.some((one) => one.state === 'failed'))
    failures.push(`vitest ended badly in project ${project}`);
  return results;
};

const testsInLab = async (): Promise<readonly TestResult[]> => {
  if (!withLab) return [];
  console.log(`\n== tests in the lab VM: ${filesOfLab.length} files`);
  if (!(await buildLab(budget, root))) {
    failures.push('the lab VM cannot be built here, see above; --no-lab leaves its tests out');
    return [];
  }
  const outcome = await testInLab(budget, root, filesOfLab, output, (report) => vitest('lab', report));
  failures.push(...outcome.failures);
  return outcome.results;
};

rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
for (const leftover of await removeLeftovers()) console.log(`Removed, left by an aborted run: ${leftover}`);
const before = hostState(run);

const testsOnHost = async (): Promise<TestResult[]> => {
  await check('types', 'turbo', 'run', 'typecheck', '--output-logs=errors-only', '--no-update-notifier');
  await check('lint', 'pnpm', 'lint');
  return [...(await testOnHost('packages')), ...(await testOnHost('system'))];
};
const results = (
  labFitsBeside() ? await Promise.all([testsOnHost(), testsInLab()]) : [await testsOnHost(), await testsInLab()]
).flat();
if (longFiles.length > 0) {
  console.log(`\nNot run without --whole-lab, as they take longer than all others under emulation:`);
  for (const file of longFiles) console.log(`  ${file}`);
}
if (filesOfLab.length > 0 && !withLab) console.log(`\nNot run (--no-lab): ${filesOfLab.length} files of the lab VM`);

const left = leaks(before, hostState(run));
if (left.length > 0) {
  console.log(`\nLeft behind on the host:\n${left.map((one) => `  ${one}`).join('\n')}`);
  if (!sharedHost) failures.push(`${left.length} things were left behind on the host`);
}
failures.push(...budget.overruns);
for (const failed of failedTests(results, root)) console.log(`\nFailed: ${failed}`);
for (const failure of failures) console.log(`\nFailed: ${failure}`);
const line = summary(results, failures.length);
console.log(`\n${line}`);
process.exitCode = / 0 failed/.test(line) ? 0 : 1;
