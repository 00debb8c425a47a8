import { join } from 'node:path';
import { makeScratch, type Scratch } from '@lxd-ts/tooling/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeNamespace, type Namespace } from '../support/namespace.ts';
import { type Output, output } from '../support/output.ts';

const root = join(import.meta.dirname, '../..');
const node = join(root, 'node_modules/node/bin/node');
let scratch: Scratch;
let namespace: Namespace;
beforeAll(async () => {
  scratch = makeScratch();
  namespace = await makeNamespace(scratch);
});
afterAll(async () => {
  await run('lxd', 'shutdown');
  await namespace[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

/** The environment of somebody who just logged in, in a folder of no matter. */
const environment = () => ({
  PATH: '/usr/bin:/bin',
  HOME: scratch.folder,
  LXD_DIR: join(scratch.folder, 'lxd'),
  LXD_CONF: join(scratch.folder, 'client'),
});

const inside = (...command: string[]): Promise<Output> =>
  output(namespace.inside(command, scratch.folder), { env: environment(), timeout: 120_000 });

const run = (program: 'lxd' | 'lxc', ...args: string[]): Promise<Output> =>
  inside(join(root, 'node_modules/.bin', program), ...args);

const start = (): Promise<Output> => inside(node, join(root, 'tooling/start.mjs'));

test('npm start leads to a running container with an address, and says what to type next', async () => {
  const { code, stdout, stderr } = await start();
  expect(code, stderr + stdout).toBe(0);
  expect(stdout).toMatch(/\| first \| RUNNING \| \d+\.\d+\.\d+\.\d+ \(eth0\) +\|/);
  expect(stdout).toContain('What to type next:');
  expect(stdout).toContain(`export LXD_DIR=${join(scratch.folder, 'lxd')}`);
});

test('what it says to type works from any folder with a bare environment', async () => {
  expect(await run('lxc', 'exec', 'first', '--', 'hostname')).toEqual({ code: 0, stdout: 'first\n', stderr: '' });
});

test('a second npm start changes nothing and is quick', async () => {
  const before = await run('lxc', 'list', '--format=csv', '--columns=np');
  const started = performance.now();
  const { code, stdout } = await start();
  expect(code).toBe(0);
  expect(stdout).toContain('| first | RUNNING |');
  expect(performance.now() - started).toBeLessThan(15_000);
  expect(await run('lxc', 'list', '--format=csv', '--columns=np')).toEqual(before);
});

test('the daemon program tells in a sentence what is wrong with what was asked for', async () => {
  expect(await run('lxd')).toEqual({ code: 1, stdout: '', stderr: 'Error: LXD is already running\n' });
  const elsewhere = { ...environment(), LXD_DIR: join(scratch.folder, 'nothing') };
  const command = namespace.inside([join(root, 'node_modules/.bin/lxd'), 'shutdown'], scratch.folder);
  const { code, stderr } = await output(command, { env: elsewhere, timeout: 20_000 });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^Error: Cannot reach the server at .*nothing\/unix\.socket: .*ENOENT.*\n$/);
});
