import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { library } from '@lxd-ts/tooling/tsup';
import { defineConfig, type Options } from 'tsup';

/** Of zod's error texts in forty languages only the English ones, which it takes by itself. */
const english: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'english',
  setup: (build) => {
    build.onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
      resolveDir: dirname(fileURLToPath(import.meta.resolve('zod/v4/locales'))),
    }));
  },
};

/*
 * The workspace's packages and the libraries that are ES modules go into the program: what nothing uses of them falls out, and
 * neither their files nor their memory burden the daemon. Libraries with native parts stay outside.
 */
export default defineConfig({
  ...library({
    index: 'src/index.ts',
    main: 'src/main.ts',
    // Looked for beside the code that starts it.
    'attach-server': '../../packages/instance-lxc/src/attach-server.ts',
  }),
  noExternal: [/^@lxd-ts\//, /^(zod|drizzle-orm|re2js|hono|@hono\/node-server|croner|ipaddr\.js)(\/|$)/],
  external: ['better-sqlite3', 'koffi'],
  esbuildPlugins: [english],
  esbuildOptions: (options) => {
    options.conditions = ['lxd-ts-source'];
  },
});
