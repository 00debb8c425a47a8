/** The part of a test run that takes place inside the lab VM. */
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/** The lab's test files whose path holds one of the filters, relative to the root; all where there is no filter. */
export const labFiles = (root: string, filters: readonly string[]): string[] =>
  globSync('{apps,packages,test,tooling}/**/*.lab.test.ts', {
    cwd: root,
    exclude: (path) => path.split('/').includes('node_modules'),
  })
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort();

/** Whether there are processors enough to run the lab beside the host's own tests. */
export const labFitsBeside = (): boolean => availableParallelism() >= 4;

/** The command line of `pnpm lab`, out of the way of whatever runs beside it. */
export const labCommand = (root: string, ...words: string[]): string[] => [
  ...['nice', '-n', '10', 'node', '--conditions=lxd-ts-source', join(root, 'tooling/lab/main.ts')],
  ...words,
];
