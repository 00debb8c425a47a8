/** What the Tab key offers, asked as the scripts of the shells ask. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lxd } from '../support/lxd.ts';
import { output } from '../support/output.ts';
import { startInitialised } from '../support/preseed.ts';
import { ours, underTest } from '../support/programs.ts';

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startInitialised(underTest);
  const lxc = async (...args: string[]) => expect(await lxd.lxc(args), args.join(' ')).toMatchObject({ code: 0 });
  await lxc('init', 'busybox', 'web', '--config', 'user.note=x');
  await lxc('init', 'busybox', 'work');
  await lxc('snapshot', 'web', 'monday');
  await lxc('storage', 'volume', 'create', 'default', 'data', 'user.shelf=2');
  await lxc('storage', 'volume', 'snapshot', 'default', 'data', 'before');
  await lxc('storage', 'volume', 'attach', 'default', 'data', 'web', 'disk1', '/data');
  await lxc('profile', 'create', 'big');
});
afterAll(() => lxd[Symbol.asyncDispose]());

/** What is offered for the last word of a command line; descriptions are left out. */
const offered = async (line: string): Promise<string[]> => {
  const { stdout } = await lxd.lxc(['__complete', ...line.split(' ').slice(1)], { client: ours.lxc });
  const lines = stdout.trimEnd().split('\n');
  expect(lines.pop()).toMatch(/^:[04]$/);
  return lines.map((text) => text.replace(/\t.*/, ''));
};

describe('the Tab key offers', () => {
  test.each([
    ['lxc stor', ['storage']],
    ['lxc storage vol', ['volume']],
    ['lxc start w', ['web', 'work']],
    ['lxc start web wo', ['work']],
    ['lxc start local:we', ['local:web']],
    ['lxc delete web/', ['web/monday']],
    ['lxc restore web ', ['monday']],
    ['lxc launch busy', ['busybox']],
    ['lxc launch --storage def', ['default']],
    ['lxc launch -s def', ['default']],
    ['lxc launch --storage=def', ['--storage=default']],
    ['lxc launch -p b', ['big']],
    ['lxc launch -s default busy', ['busybox']],
    ['lxc list --format c', ['compact', 'csv']],
    ['lxc copy web x --mode re', ['relay']],
    ['lxc storage volume show default da', ['data']],
    ['lxc storage volume show default data/', ['data/before']],
    ['lxc storage volume restore default data ', ['before']],
    ['lxc storage volume get default data user.', ['user.shelf']],
    ['lxc storage volume copy def', ['default']],
    ['lxc storage volume copy default/', ['default/container/web', 'default/container/work', 'default/data']],
    ['lxc storage volume detach default data web ', ['disk1']],
    ['lxc config device get web ', ['disk1']],
    ['lxc config device get web disk1 p', ['path', 'pool']],
    ['lxc config get web user.', ['user.note']],
    ['lxc config set web user.no', ['user.note=']],
    ['lxc network show lxd', ['lxdbr0']],
    ['lxc network acl rule add x in', ['ingress']],
    ['lxc remote switch ub', ['ubuntu', 'ubuntu-daily']],
    ['lxc storage create new di', ['dir']],
  ])('%s', async (line, expected) => {
    const found = await offered(line);
    // Image volumes have names of chance.
    expect(found.filter((name) => !name.includes('/image/'))).toEqual(expected);
  });

  test('the keys that the server documents', async () => {
    expect(await offered('lxc config set web limits.mem')).toContain('limits.memory=');
    expect(await offered('lxc config set core.https')).toContain('core.https_address=');
  });

  test('flags, of all commands', async () => {
    expect(await offered('lxc storage volume create --t')).toEqual(['--target', '--type']);
    expect(await offered('lxc storage --pro')).toEqual(['--project']);
  });

  test('in bash, with colons and equals signs as bash parts words', async () => {
    const press = async (line: string): Promise<string> => {
      const [program = '', ...rest] = ours.lxc;
      const text = `
        lxc() { "${program}" ${rest.map((word) => `"${word}"`).join(' ')} "$@"; }
        source <(lxc completion bash)
        COMP_LINE="$1" COMP_POINT=\${#1}
        _lxc
        printf '%s\\n' "\${COMPREPLY[@]}"
      `;
      const command = lxd.namespace.inside(['bash', '-c', text, 'bash', line]);
      return (await output(command, { env: lxd.environment })).stdout;
    };
    expect(await press('lxc start local:we')).toBe('web\n');
    expect(await press('lxc launch --storage=de')).toBe('default\n');
    expect(await press('lxc storage volume show default ')).toContain('data\n');
  });
});
