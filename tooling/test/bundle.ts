/** Drivers for processes that only live to be killed: in one file, which loads several times as fast as the sources. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import { afterAll } from 'vitest';

/** Native add-ons are found from here. */
const directory = fileURLToPath(new URL('../../packages/driver-kit/node_modules/.cache/bundles', import.meta.url));

/**
 * Bundles a module of a driver with all that it imports, for the tests of one file.
 *
 * @param entry - URL of the module
 * @param name - under which it exports the driver
 * @returns `importFrom` of the conformance suite for storage drivers
 */
export const bundled = (entry: URL, name: string) => {
  const file = join(directory, `${randomUUID()}.mjs`);
  mkdirSync(directory, { recursive: true });
  afterAll(() => rmSync(file));
  buildSync({
    entryPoints: [fileURLToPath(entry)],
    outfile: file,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['lxd-ts-source'],
    external: ['koffi'],
    // What is no module yet asks for others by `require`.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'error',
  });
  return { specifier: pathToFileURL(file).href, name, directory };
};
