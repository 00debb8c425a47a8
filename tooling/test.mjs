/**
 * `npm test`: makes the machine ready, then checks types, lint and every test; see docs/testing.md.
 * Arguments go on to tooling/test/main.ts.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { main, root, say, status } from './setup/run.mjs';
import { setup } from './setup.mjs';

await main(async () => {
  const args = process.argv.slice(2);
  try {
    await setup({ test: true });
  } catch (error) {
    if (!existsSync(join(root, 'node_modules/.bin/vitest'))) {
      // The run cannot even begin; whoever reads the last line shall find it all the same.
      process.once('exit', () => say('0 passed, 1 failed, 0 skipped'));
      throw error;
    }
    say(`Error: ${error instanceof Error ? error.message : String(error)}`);
    args.unshift('--setup-failed');
  }
  const program = join(root, 'tooling/test/main.ts');
  process.exitCode = await status('node', ['--conditions=lxd-ts-source', program, ...args]);
});
