/**
 * Fails when an import points upward or sideways in the layers, reaches into another package's files, or uses a package
 * that its own does not declare. Part of `pnpm lint`.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { faultsOf } from './imports/rules.ts';
import { importsOf } from './imports/scan.ts';
import { sourcesOf, workspacePackages } from './imports/workspace.ts';

const root = process.argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url)));
const workspace = workspacePackages(root);
let files = 0;
let faults = 0;
for (const from of workspace.slice(1)) {
  for (const file of sourcesOf(root, from)) {
    files++;
    for (const one of importsOf(readFileSync(join(root, file), 'utf8'))) {
      for (const fault of faultsOf(file, one, from, workspace)) {
        faults++;
        console.error(`${file}:${one.line} ${fault}`);
      }
    }
  }
}
console.log(`Checked the imports of ${files} files: ${faults === 0 ? 'all point the right way' : `${faults} do not`}.`);
process.exitCode = faults === 0 ? 0 : 1;
