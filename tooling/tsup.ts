import type { Options } from 'tsup';

/**
 * The build settings every package shares: ESM for Node, one file per entry, declarations by `tsc` beside it.
 *
 * @param entry - the package's entry points, as `{ index: 'src/index.ts' }`
 */
export const library = (entry: Record<string, string>): Options => ({
  entry,
  format: 'esm',
  target: 'node22',
  platform: 'node',
  sourcemap: true,
  clean: true,
  splitting: true,
});
