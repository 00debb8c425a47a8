import { library } from '@lxd-ts/tooling/tsup';
import { defineConfig } from 'tsup';

export default defineConfig(library({ index: 'src/index.ts' }));
