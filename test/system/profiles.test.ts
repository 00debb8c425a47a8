/** Changes of profiles reach the instances that use them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Lxd } from '../support/lxd.ts';
import { debianLxc, debianLxcFails, startWithPools } from '../support/pools.ts';

let lxd: Lxd;
const lxc = (...args: string[]): Promise<string> => debianLxc(lxd, ...args);
beforeAll(async () => {
  lxd = await startWithPools();
  await lxc('profile', 'create', 'shared');
  for (const name of ['c1', 'c2', 'c3']) await lxc('launch', 'busybox', name, '--profile=default', '--profile=shared');
});
afterAll(() => lxd[Symbol.asyncDispose]());

const mounts = (name: string): Promise<string> => lxc('exec', name, '--', 'cat', '/proc/mounts');

test('[02.58] a change of a profile reaches all instances that use it while they run', async () => {
  await lxc('profile', 'device', 'add', 'shared', 'data', 'disk', `source=${lxd.folder}`, 'path=/data');
  for (const name of ['c1', 'c2', 'c3']) expect(await mounts(name)).toContain(' /data ');
  await lxc('profile', 'device', 'remove', 'shared', 'data');
  for (const name of ['c1', 'c2', 'c3']) expect(await mounts(name)).not.toContain(' /data ');
});

test('a change that one instance cannot follow leaves the profile and the others as they were', async () => {
  await lxc('profile', 'device', 'add', 'shared', 'first', 'disk', `source=${lxd.folder}`, 'path=/first');
  await lxc('exec', 'c2', '--', 'touch', '/file');
  const before = await lxc('profile', 'show', 'shared');
  const said = await debianLxcFails(
    lxd,
    'query',
    '--request=PATCH',
    '/1.0/profiles/shared',
    `--data=${JSON.stringify({
      config: { 'limits.processes': '300' },
      devices: { data: { type: 'disk', source: lxd.folder, path: '/file' }, first: { type: 'none' } },
    })}`,
  );
  expect(said).toContain('Instance "c2": Device "data": "/file" in the instance is a file');
  expect(await lxc('profile', 'show', 'shared')).toBe(before);
  for (const name of ['c1', 'c2', 'c3']) {
    expect(await mounts(name)).not.toContain(' /file ');
    expect(await mounts(name)).toContain(' /first ');
  }
});
