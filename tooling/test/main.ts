/**
 * Checks types, lint and all tests, and that nothing is left on the host afterwards. The last line of the output is
 * `N passed, N failed, N skipped`; the exit code is 0 only when nothing failed.
 *
 *     node --conditions=lxd-ts-source tooling/test/main.ts [--shared-host] [--setup-failed] [vitest filter…]
 *
 * --setup-failed: the set-up or build before this failed; counts as a failure, and what can run still does.
 * --shared-host: others use this machine too, so what appeared on it meanwhile is listed but is no failure.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostState, leaks } from './host-state.ts';
import { readResults, summary, type TestResult } from './results.ts';
import { currentRun } from './run-mark.ts';
import { removeLeftovers } from './scratch.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const output = join(root, '.cache/test-results');
const deadline = Date.now() + 45 * 60_000;
const filters = process.argv.slice(2).filter((one) => !one.startsWith('--'));
const sharedHost = process.argv.includes('--shared-host');
const run = currentRun();
const failures: string[] = process.argv.includes('--setup-failed') ? ['set-up or build failed'] : [];

/** Runs a command of the workspace in a process group of its own, which ends with the time budget. */
const succeeds = (command: string, args: string[]): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], detached: true });
    const stop = () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    const timer = setTimeout(() => {
      failures.push(`${command} ${args.join(' ')}: the time budget of 45 minutes is used up`);
      stop();
    }, deadline - Date.now());
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
      resolve(code === 0);
    });
  });

const check = async (name: string, command: string, args: string[]): Promise<void> => {
  console.log(`\n== ${name}`);
  if (!(await succeeds(command, args))) failures.push(`${name} failed`);
};

const testProject = async (project: string): Promise<TestResult[]> => {
  console.log(`\n== tests: ${project}`);
  const file = join(output, `${project}.json`);
  const reporters = ['default', 'json', join(root, 'tooling/test/skip-reporter.ts')];
  const good = await succeeds('vitest', [
    'run',
    `--project=${project}`,
    '--passWithNoTests',
    ...reporters.map((reporter) => `--reporter=${reporter}`),
    `--outputFile.json=${file}`,
    ...filters,
  ]);
  const results = existsSync(file) ? readResults(file) : [];
  if (!good && !results.some((one) => one.state === 'failed'))
    failures.push(`vitest ended badly in project ${project}`);
  return results;
};

rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
for (const leftover of await removeLeftovers()) console.log(`Removed, left by an aborted run: ${leftover}`);
const before = hostState(run);

await check('types', 'turbo', ['run', 'typecheck', '--output-logs=errors-only', '--no-update-notifier']);
await check('lint', 'pnpm', ['lint']);
const results = [...(await testProject('packages')), ...(await testProject('system'))];

const left = leaks(before, hostState(run));
if (left.length > 0) {
  console.log(`\nLeft behind on the host:\n${left.map((one) => `  ${one}`).join('\n')}`);
  if (!sharedHost) failures.push(`${left.length} things were left behind on the host`);
}
for (const failure of failures) console.log(`\nFailed: ${failure}`);
const line = summary(results, failures.length);
console.log(`\n${line}`);
process.exitCode = / 0 failed/.test(line) ? 0 : 1;
