/** What our client does between two servers, here two real LXDs side by side on one loopback. */
import { readFileSync } from 'node:fs';
import { busyboxImage } from '@lxd-ts/tooling/images/busybox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Lxd, startLxd } from '../support/lxd.ts';
import type { Output } from '../support/output.ts';
import { ours, real } from '../support/programs.ts';

let near: Lxd;
let far: Lxd;

/** Runs our client as on the near server's host, to which the far one is the remote `far`. */
const lxc = (...args: string[]): Promise<Output> => near.lxc(['--quiet', ...args], { client: ours.lxc });

/** The same for what must succeed; its output without the last line's end. */
const done = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await lxc(...args);
  expect(code, `${args.join(' ')}: ${stderr}`).toBe(0);
  return stdout.trimEnd();
};

const refused = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await lxc(...args);
  expect(code, args.join(' ')).toBe(1);
  return stderr;
};

const prepare = async (lxd: Lxd, port: number): Promise<void> => {
  const preseed = {
    config: { 'core.https_address': `127.0.0.1:${port}` },
    storage_pools: [{ name: 'default', driver: 'dir' }],
    profiles: [{ name: 'default', devices: { root: { type: 'disk', path: '/', pool: 'default' } } }],
  };
  // JSON is YAML.
  await lxd.admin(['init', '--preseed'], { input: JSON.stringify(preseed) });
};

beforeAll(async () => {
  near = await startLxd(real);
  await prepare(near, 8443);
  far = await startLxd(real, near);
  await prepare(far, 8444);
  await near.lxc(['image', 'import', busyboxImage().unified, '--alias', 'busybox']);
  for (const [name, lxd] of [
    ['near', near],
    ['far', far],
  ] as const) {
    const { stdout } = await lxd.lxc(['config', 'trust', 'add', '--quiet', '--name', 'client']);
    const token = stdout.trim().split('\n').at(-1) ?? '';
    expect(await lxc('remote', 'add', name, token)).toMatchObject({ code: 0 });
  }
});

afterAll(async () => {
  await far?.[Symbol.asyncDispose]();
  await near?.[Symbol.asyncDispose]();
});

describe.each(['pull', 'push', 'relay'])('[10.MOV-03] between two servers in mode %s', (mode) => {
  const how = ['--mode', mode];

  test('an instance arrives with its files, snapshots and settings, and follows later changes', async () => {
    await done('init', 'near:busybox', 'near:web', '--config', 'user.note=kept');
    await near.lxc(['file', 'push', '-', 'web/root/text'], { input: 'first' });
    await done('snapshot', 'near:web', 'one');
    await near.lxc(['file', 'push', '-', 'web/root/text'], { input: 'second' });

    await done('copy', 'near:web', 'far:copied', ...how, '--config', 'user.more=said');
    expect(await done('list', 'far:copied', '--format=csv', '--columns=nsS')).toBe('copied,STOPPED,1');
    expect(await done('file', 'pull', 'far:copied/root/text', '-')).toBe('second');
    expect(await done('config', 'get', 'far:copied', 'user.note')).toBe('kept');
    expect(await done('config', 'get', 'far:copied', 'user.more')).toBe('said');
    await done('restore', 'far:copied', 'one');
    expect(await done('file', 'pull', 'far:copied/root/text', '-')).toBe('first');

    await done('copy', 'near:web', 'far:copied', ...how, '--refresh');
    expect(await done('file', 'pull', 'far:copied/root/text', '-')).toBe('second');
    expect(await refused('copy', 'near:web', 'far:copied', ...how)).toContain('already exists');

    await done('copy', 'near:web/one', 'far:past', ...how);
    expect(await done('file', 'pull', 'far:past/root/text', '-')).toBe('first');
    await done('copy', 'near:web', 'far:alone', ...how, '--instance-only');
    expect(await done('list', 'far:alone', '--format=csv', '--columns=nS')).toBe('alone,0');

    await done('move', 'far:alone', 'near:back', ...how);
    expect(await done('list', 'far:alone', '--format=csv')).toBe('');
    expect(await done('file', 'pull', 'near:back/root/text', '-')).toBe('second');
    await done('delete', 'near:web', 'near:back', 'far:copied', 'far:past');
  });

  test('[05.109] a volume arrives with its snapshots and settings, and is gone where it moved from', async () => {
    await done('storage', 'volume', 'create', 'near:default', 'data', 'user.note=kept');
    await done('storage', 'volume', 'snapshot', 'near:default', 'data', 'one');
    const volumes = (remote: string) =>
      done('storage', 'volume', 'list', `${remote}:default`, 'type=custom', '--format=csv', '--columns=nt');

    await done('storage', 'volume', 'copy', 'near:default/data', 'far:default/copied', ...how);
    expect(await volumes('far')).toBe('copied,custom\ncopied/one,custom (snapshot)');
    expect(await done('storage', 'volume', 'get', 'far:default', 'copied', 'user.note')).toBe('kept');
    await done('storage', 'volume', 'copy', 'near:default/data', 'far:default/alone', ...how, '--volume-only');

    const snapshot = ['storage', 'volume', 'copy', 'near:default/data/one', 'far:default/past', ...how];
    expect(await refused(...snapshot)).toContain('make a volume of it first');

    await done('storage', 'volume', 'move', 'far:default/alone', 'near:default/back', ...how);
    expect(await volumes('far')).toBe('copied,custom\ncopied/one,custom (snapshot)');
    expect(await volumes('near')).toBe('back,custom\ndata,custom\ndata/one,custom (snapshot)');
    await done('storage', 'volume', 'delete', 'far:default', 'copied');
    await done('storage', 'volume', 'delete', 'near:default', 'data');
    await done('storage', 'volume', 'delete', 'near:default', 'back');
  });

  test('[04.91] an image arrives with the aliases asked for', async () => {
    await done('image', 'copy', 'near:busybox', 'far:', '--alias', 'arrived', ...how);
    const expected = await done('image', 'list', 'near:', '--format=csv', '--columns=Fd');
    expect(await done('image', 'list', 'far:', '--format=csv', '--columns=Fd')).toBe(expected);
    expect(await done('image', 'alias', 'list', 'far:', '--format=csv')).toMatch(/^arrived,/);
    await done('image', 'delete', 'far:arrived');
  });
});

test('[10.MOV-03] the server is told whether to take the running state along', async () => {
  await done('launch', 'near:busybox', 'near:run');
  try {
    const said = async (...args: string[]) => (await lxc('--debug', ...args)).stderr;
    const live = /live\\?": true/;
    expect(await said('copy', 'near:run', 'near:same')).toMatch(live);
    expect(await said('copy', 'near:run', 'near:other', '--stateless')).not.toMatch(live);
    expect(await said('copy', 'near:run', 'far:away')).toMatch(live);
    expect(await said('move', 'near:run', '--storage', 'default')).toMatch(live);
    expect(await said('move', 'near:run', 'near:moved', '--storage', 'none', '--stateless')).not.toMatch(live);
  } finally {
    for (const name of (await done('list', 'near:', '--format=csv', '--columns=n')).split('\n')) {
      await done('delete', '--force', `near:${name}`);
    }
  }
});

test('a server that does not listen is named', async () => {
  await near.lxc(['config', 'set', 'core.https_address=']);
  try {
    await done('init', '--empty', 'local:hidden');
    expect(await refused('copy', 'local:hidden', 'far:')).toContain("The source server isn't listening on the network");
    await done('copy', 'local:hidden', 'far:', '--mode', 'push');
    await done('delete', 'local:hidden', 'far:hidden');
  } finally {
    await near.lxc(['config', 'set', 'core.https_address=127.0.0.1:8443']);
  }
});

test('what the client keeps is a file like that of the reference client, which reads it', async () => {
  expect(readFileSync(`${near.environment.LXD_CONF}/config.yml`, 'utf8')).toContain('addr: https://127.0.0.1:8444');
  expect((await near.lxc(['list', 'far:', '--format=csv'], { client: real.lxc })).code).toBe(0);
});
