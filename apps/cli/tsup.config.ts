import { library } from '@lxd-ts/tooling/tsup';
import { defineConfig } from 'tsup';

export default defineConfig({
  ...library({ main: 'src/main.ts' }),
  // All in: one file for what every command needs, and one for each part that is loaded when it is called. Only ssh2 stays
  // outside, for its optional native parts.
  noExternal: [/^(?!ssh2$)/],
  minify: true,
  sourcemap: false,
  // What CommonJS packages require of Node.
  banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  esbuildOptions: (options) => {
    options.conditions = ['lxd-ts-source'];
    // The build for browsers is the one in ES modules: half the size, and nothing of it needs one.
    options.alias = { yaml: './node_modules/yaml/browser/index.js' };
  },
});
