import { createRequire } from 'node:module';
import { library } from '@lxd-ts/tooling/tsup';
import { defineConfig, type Options } from 'tsup';

type Plugin = NonNullable<Options['esbuildPlugins']>[number];

const require = createRequire(import.meta.url);

/** Libraries that few commands need, each in a file of its own beside the program, loaded when one does. */
const libraries: Record<string, string> = {
  // The build for browsers is the one in ES modules: half the size, and nothing of it needs one.
  yaml: './node_modules/yaml/browser/index.js',
  ...Object.fromEntries(['ws', '@peculiar/x509', 'reflect-metadata'].map((name) => [name, require.resolve(name)])),
};
const fileOf = (name: string): string => name.replace(/[@/]/g, '');

const beside: Plugin = {
  name: 'beside',
  setup: (build) => {
    build.onResolve({ filter: /^(\.\/run\.ts|yaml|ws|@peculiar\/x509|reflect-metadata)$/ }, ({ path, kind }) => {
      const file = path === './run.ts' ? 'run' : fileOf(path);
      return kind === 'entry-point' ? undefined : { path: `./${file}.cjs`, external: true };
    });
  },
};

/** What `ws` requires of Node but does not need for a Unix socket is loaded once it is used: 10 ms for each `lxc exec`. */
const lazyParts: Plugin = {
  name: 'lazy-parts',
  setup: (build) => {
    build.onResolve({ filter: /^(https|tls|zlib)$/ }, ({ path, importer }) =>
      /[\\/]ws[\\/]lib[\\/]/.test(importer) ? { path, namespace: 'lazy' } : undefined,
    );
    build.onLoad({ filter: /./, namespace: 'lazy' }, ({ path }) => ({
      contents: `module.exports = new Proxy({}, { get: (_, key) => process.getBuiltinModule('node:${path}')[key] });`,
    }));
  },
};

/*
 * The program is CommonJS, the one place where that wins: an ES module loads everything it imports before it starts, in a
 * bundle all that any command imports, and Node takes half a millisecond for each file. `lxc list` starts 20 ms sooner.
 */
export default defineConfig({
  ...library({}),
  entry: {
    main: 'src/main.ts',
    run: 'src/run.ts',
    ...Object.fromEntries(Object.entries(libraries).map(([name, path]) => [fileOf(name), path])),
  },
  format: 'cjs',
  outExtension: () => ({ js: '.cjs' }),
  splitting: false,
  sourcemap: false,
  minify: true,
  // All in but ssh2, for its optional native parts.
  noExternal: [/^(?!ssh2$)/],
  esbuildPlugins: [beside, lazyParts],
  esbuildOptions: (options) => {
    options.conditions = ['lxd-ts-source'];
    options.supported = { 'dynamic-import': false };
  },
});
