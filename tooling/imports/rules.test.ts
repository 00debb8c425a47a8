import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { importsOf } from './scan.ts';

const program = join(dirname(dirname(fileURLToPath(import.meta.url))), 'check-imports.ts');
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const exportsOf = { '.': './src/index.ts', './testing': './src/testing/index.ts' };
const manifests: Record<string, object> = {
  'packages/host': { name: '@lxd-ts/host', exports: exportsOf },
  'packages/driver-kit': { name: '@lxd-ts/driver-kit', exports: exportsOf, dependencies: { '@lxd-ts/host': '*' } },
  'packages/storage-dir': {
    name: '@lxd-ts/storage-dir',
    exports: exportsOf,
    dependencies: { '@lxd-ts/driver-kit': '*', '@lxd-ts/storage-zfs': '*', hono: '*' },
    devDependencies: { vitest: '*' },
  },
  'packages/storage-zfs': { name: '@lxd-ts/storage-zfs', exports: exportsOf },
  'apps/daemon': {
    name: '@lxd-ts/daemon',
    exports: exportsOf,
    dependencies: { '@lxd-ts/storage-dir': '*', '@lxd-ts/host': '*' },
  },
  'apps/cli': { name: '@lxd-ts/cli', exports: exportsOf, dependencies: { '@lxd-ts/host': '*' } },
  '.': { name: 'workspace', devDependencies: { vitest: '*' } },
  tooling: { name: '@lxd-ts/tooling' },
  test: { name: '@lxd-ts/test' },
};

/** Runs the check on a small workspace with the given sources; hands back its exit code and complaints. */
const check = (sources: Record<string, string>): { code: number | null; complaints: string[] } => {
  const root = mkdtempSync(join(tmpdir(), 'check-imports-'));
  folders.push(root);
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  };
  for (const [folder, manifest] of Object.entries(manifests)) write(`${folder}/package.json`, JSON.stringify(manifest));
  for (const [file, text] of Object.entries(sources)) write(file, text);
  const result = spawnSync(process.execPath, [program, root], { encoding: 'utf8' });
  return { code: result.status, complaints: result.stderr.split('\n').filter(Boolean) };
};

test('imports that point down the layers pass', () => {
  expect(
    check({
      'packages/driver-kit/src/index.ts': "import { run } from '@lxd-ts/host';\nimport { x } from './x.ts';\n",
      'packages/storage-dir/src/index.ts':
        "import type { Pool } from '@lxd-ts/driver-kit';\nimport fs from 'node:fs';\n",
      'packages/storage-dir/src/index.test.ts':
        "import { suite } from '@lxd-ts/driver-kit/testing';\nimport { test } from 'vitest';\n",
      'packages/storage-dir/scripts/generate.ts': "import { test } from 'vitest';\n",
      'apps/daemon/src/daemon.ts': "import { dir } from '@lxd-ts/storage-dir';\n",
    }),
  ).toEqual({ code: 0, complaints: [] });
});

test.each([
  ['upward', 'packages/host/src/a.ts', "import { x } from '@lxd-ts/driver-kit';", 'host imports no other package'],
  ['sideways', 'packages/storage-dir/src/a.ts', "export * from '@lxd-ts/storage-zfs';", 'driver-kit and host only'],
  ['an app past the API', 'apps/cli/src/a.ts', "import { x } from '@lxd-ts/host';", 'api and client only'],
  ['deep', 'packages/storage-dir/src/a.ts', "import { x } from '@lxd-ts/driver-kit/src/x.ts';", 'reaches into'],
  ['out of the folder', 'packages/storage-dir/src/a.ts', "import { x } from '../../host/src/x.ts';", 'leads out of'],
  ['undeclared', 'packages/host/src/a.ts', "import koffi from 'koffi';", 'not among the dependencies'],
  ['for tests only', 'packages/storage-dir/src/a.ts', "import { test } from 'vitest';", 'not among the dependencies'],
  ['HTTP in a driver', 'packages/storage-dir/src/a.ts', "import { Hono } from 'hono';", 'neither HTTP nor a row'],
  [
    'dynamic',
    'packages/storage-dir/src/a.ts',
    `const x = await ${'import'}('@lxd-ts/storage-zfs');`,
    'driver-kit and host only',
  ],
  [
    'driver named outside',
    'apps/daemon/src/pools/service.ts',
    "import { x } from '@lxd-ts/storage-dir';",
    'daemon.ts alone',
  ],
  ['host in a route', 'apps/daemon/src/pools/routes.ts', "import { x } from '@lxd-ts/host';", 'neither the host'],
])('an import is refused: %s', (_name, file, line, complaint) => {
  const { code, complaints } = check({ [file]: `// first line\n${line}\n` });
  expect(code).toBe(1);
  expect(complaints.join('\n')).toContain(complaint);
  expect(complaints[0]).toMatch(`${file}:2 `);
});

test('imports are found over several lines, as types and for effect, and not inside comments', () => {
  const source = [
    "import {\n  a,\n  type B,\n} from 'one';",
    "import type { C } from 'two';",
    "import 'three';",
    "export { d } from 'four';",
    '/**\n * @example\n * import { e } from "five";\n */',
    "export const from = 'six';",
  ].join('\n');
  expect(importsOf(source).map((one) => one.specifier)).toEqual(['one', 'two', 'three', 'four']);
});
