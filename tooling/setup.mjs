/**
 * Makes this machine ready to build and run the workspace: host packages, id ranges, lxcfs, npm packages, build.
 * Does nothing, quickly, where nothing is missing. Plain Node 20 without dependencies, since it runs before any.
 *
 *     node tooling/setup.mjs [--test]     --test: also what only the tests use
 */
import { installPackages, needed, neededForTests } from './setup/host-packages.mjs';
import { ensureLxcfs } from './setup/lxcfs.mjs';
import { isMain, main } from './setup/run.mjs';
import { ensureSubordinateIds } from './setup/subordinate-ids.mjs';
import { buildPackages, installDependencies } from './setup/workspace.mjs';

/** @param {{ test: boolean }} options test: also what only the tests use */
export const setup = async ({ test }) => {
  const [major = 0] = process.versions.node.split('.').map(Number);
  if (major < 20) throw new Error(`Node ${process.versions.node} is too old: this script needs 20 or newer`);
  await installPackages(test ? { ...needed, ...neededForTests } : needed);
  if (process.getuid?.() === 0) {
    ensureSubordinateIds();
    await ensureLxcfs();
  }
  await installDependencies();
  await buildPackages();
};

if (isMain(import.meta.url)) await main(() => setup({ test: process.argv.includes('--test') }));
