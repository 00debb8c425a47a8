import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig, type TestProjectConfiguration } from 'vitest/config';

const conditions = ['lxd-ts-source', 'node', 'import', 'default'];

/** Tests of what most hosts' kernels lack: they run inside the lab VM only (tooling/lab, docs/lab.md). */
const ofLab = '**/*.lab.test.ts';
const insideLab = process.env.LXD_TS_LAB === '1';

const lab: TestProjectConfiguration = {
  extends: true,
  test: {
    // Without KVM, code runs 10 to 15 times slower in there.
    name: 'lab',
    include: [ofLab],
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 600_000,
    sequence: { groupOrder: 2 },
  },
};

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: {
          // What lives beside its code. Many of these make real mounts, bridges and containers, so not all run at once.
          name: 'packages',
          include: ['packages/**/*.test.ts', 'apps/**/*.test.ts', 'tooling/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ofLab],
          maxWorkers: Math.max(2, Math.min(4, availableParallelism())),
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          // Whole systems through real clients: one file after the other, so that times and leaks can be told apart.
          name: 'system',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ofLab],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 1 },
        },
      },
      ...(insideLab ? [lab] : []),
    ],
  },
});
