/** The part of a test run that takes place inside lab VMs. */
import { existsSync, globSync, mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { asShellText, machineDied } from '../lab/run.ts';
import type { Budget } from './budget.ts';
import { readResults, type TestResult } from './results.ts';

/**
 * The lab's test files whose path holds one of the filters, relative to the root; all where there is no filter.
 * Whole systems take longest and come first, so that the machines end at about the same time.
 */
export const labFiles = (root: string, filters: readonly string[]): string[] =>
  globSync('{apps,packages,test,tooling}/**/*.lab.test.ts', {
    cwd: root,
    exclude: (path) => path.split('/').includes('node_modules'),
  })
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort()
    .reverse();

/**
 * Files for which a usual run has no time: under emulation they take longer than all others together. Named on the command line, or
 * with --whole-lab, they run like the rest.
 */
const lengthy: readonly RegExp[] = [/^packages\/storage-(zfs|lvm|ceph)\//, /^test\/lab\/drivers\./];

/** Parts the lab's files into those of a usual run and those that it leaves out. */
export const usualFiles = (files: readonly string[]): { readonly run: string[]; readonly left: string[] } => {
  const isLengthy = (file: string): boolean => lengthy.some((one) => one.test(file));
  return { run: files.filter((file) => !isLengthy(file)), left: files.filter(isLengthy) };
};

/** Whether there are processors enough to run the lab beside the host's own tests. */
export const labFitsBeside = (): boolean => availableParallelism() >= 4;

/** The command line of `pnpm lab`, out of the way of whatever runs beside it. */
const labCommand = (root: string, ...words: string[]): string[] => [
  ...['nice', '-n', '10', 'node', '--conditions=lxd-ts-source', join(root, 'tooling/lab/main.ts')],
  ...words,
];

/** Makes the lab's image where it is missing. Whether it is there now. */
export const buildLab = async (budget: Budget, root: string): Promise<boolean> =>
  (await budget.run(labCommand(root, 'build'), { prefix: 'lab: ' })) === 0;

/**
 * bash's text that runs each command unless somebody else with the same text has taken it already: making a folder takes
 * it. The exit code of number n goes into `folder`/n.code.
 */
export const sharedOut = (folder: string, commands: readonly (readonly string[])[]): string =>
  [
    `cd ${asShellText(['--', folder])} || exit`,
    ...commands.map(
      (command, n) => `if mkdir ${n}.taken 2> /dev/null; then (${asShellText(command)}); echo $? > ${n}.code; fi`,
    ),
  ].join('\n');

export interface LabOutcome {
  readonly results: readonly TestResult[];
  /** What went wrong that no single test answers for. */
  readonly failures: readonly string[];
}

/**
 * Runs test files in two machines, which share them out while they run.
 *
 * @param output an empty folder below the root, for the reports
 * @param vitest the command line for one file, without that file
 * @param report where that command line writes vitest's JSON report
 */
export const testInLab = async (
  budget: Budget,
  root: string,
  files: readonly string[],
  output: string,
  vitest: (report: string) => readonly string[],
): Promise<LabOutcome> => {
  const folder = join(output, 'lab-files');
  mkdirSync(folder);
  const reportOf = (n: number) => join(output, `lab-${n}.json`);
  const commands = files.map((file, n) => ['env', `--chdir=${root}`, ...vitest(reportOf(n)), file]);
  const text = sharedOut(folder, commands);
  const machines = Math.min(2, files.length);
  const processors = labFitsBeside() ? 2 : 1;
  const codes = await Promise.all(
    Array.from({ length: machines }, (_, n) =>
      budget.run(labCommand(root, 'run', `--cpus=${processors}`, '--', text), { prefix: `lab ${n + 1}: ` }),
    ),
  );
  const failures = codes.includes(machineDied) ? ['a lab VM died; the end of its console is above'] : [];
  const results: TestResult[] = [];
  for (const [n, file] of files.entries()) {
    const code = join(folder, `${n}.code`);
    const found = existsSync(reportOf(n)) ? readResults(reportOf(n)) : [];
    results.push(...found);
    if (!existsSync(code)) failures.push(`${file} did not come to its end in the lab VM`);
    else if (readFileSync(code, 'utf8').trim() !== '0' && !found.some((one) => one.state === 'failed'))
      failures.push(`vitest ended badly in the lab VM with ${file}`);
  }
  return { results, failures };
};
