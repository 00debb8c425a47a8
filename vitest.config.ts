import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['lxd-ts-source', 'node', 'import', 'default'] },
  ssr: { resolve: { conditions: ['lxd-ts-source', 'node', 'import', 'default'] } },
  test: {
    include: ['packages/**/*.test.ts', 'apps/**/*.test.ts', 'tooling/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
