/** The client's first use on a machine: what it says then, and only then. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Lxd, startLxd } from '../support/lxd.ts';
import { output } from '../support/output.ts';
import { ours, underTest } from '../support/programs.ts';
import { converse } from '../support/terminal.ts';

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startLxd(underTest);
});
afterAll(() => lxd[Symbol.asyncDispose]());

const environment = (name: string) => ({ ...lxd.environment, LXD_CONF: join(lxd.scratch.folder, name) });
const command = (...args: string[]) => lxd.namespace.inside([...ours.lxc, ...args]);
const onTerminal = async (name: string, ...args: string[]): Promise<string> =>
  (await converse(command(...args), environment(name), [])).said;

const hint = 'To start your first container, try: lxc launch ';

test('at the first use on a terminal the client says how to begin, once, and before that lxd init', async () => {
  const first = await onTerminal('one', 'remote', 'list');
  expect(first).toContain(hint);
  expect(first).toContain('you should also run: lxd init');
  expect(existsSync(join(environment('one').LXD_CONF, 'config.yml'))).toBe(true);
  expect(await onTerminal('one', 'remote', 'list')).not.toContain(hint);
});

test('lxd init is not named where it was run', async () => {
  await lxd.admin(['init', '--preseed'], { input: JSON.stringify({ storage_pools: [{ name: 'p', driver: 'dir' }] }) });
  const said = await onTerminal('two', 'list');
  expect(said).toContain(hint);
  expect(said).not.toContain('lxd init');
});

test('programs that run the client see nothing of it', async () => {
  const { code, stderr } = await output(command('list', '--format=csv'), { env: environment('three') });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('help says nothing of it, and neither does a client whose server is not there', async () => {
  expect(await onTerminal('four', 'list', '--help')).not.toContain(hint);
  const nowhere = { ...environment('four'), LXD_DIR: join(lxd.scratch.folder, 'nowhere') };
  const { said, code } = await converse(command('remote', 'list'), nowhere, []);
  expect(said).not.toContain(hint);
  expect(code).toBe(0);
});
