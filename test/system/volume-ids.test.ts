/** Whose the files of a volume are, for containers with ids of their own. */
import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Lxd } from '../support/lxd.ts';
import { debianLxc, debianLxcFails, startWithPools } from '../support/pools.ts';

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
  for (const name of ['one', 'two']) await lxc('launch', 'busybox', name, '--config', 'security.idmap.isolated=true');
});
afterAll(() => lxd[Symbol.asyncDispose]());

const lxc = (...args: string[]): Promise<string> => debianLxc(lxd, ...args);
const onDisk = (pool: string, volume: string): string =>
  join(`/proc/${lxd.pid()}/root`, lxd.folder, 'storage-pools', pool, 'custom', `default_${volume}`);
const owners = (folder: string): Record<string, number> =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, statSync(join(folder, name)).uid]));
const shell = (name: string, script: string): Promise<string> => lxc('exec', name, '--', 'sh', '-c', script);
const hostRoot = async (name: string): Promise<number> =>
  Number((await shell(name, "awk '$1 == 0 {print $2}' /proc/self/uid_map")).trim());

test.each(['plain', 'tree'])(
  '[05.85 05.231] a volume in %s whose ids are shifted is written by containers that share no ids, each as if it were alone',
  async (pool) => {
    const [first, second] = [await hostRoot('one'), await hostRoot('two')];
    expect(first).not.toBe(second);
    await lxc('storage', 'set', pool, 'volume.security.shifted=true');
    await lxc('storage', 'volume', 'create', pool, 'shifted');
    await lxc('storage', 'unset', pool, 'volume.security.shifted');
    expect(await lxc('storage', 'volume', 'get', pool, 'shifted', 'security.shifted')).toBe('true\n');
    for (const name of ['one', 'two']) {
      await lxc('storage', 'volume', 'attach', pool, 'shifted', name, '/data');
      await shell(name, `echo ${name} > /data/${name}; chown 1000 /data/${name}; touch /data/root-${name}`);
    }
    const seen = 'root-one 0\nroot-two 0\none 1000\ntwo 1000\n';
    for (const name of ['one', 'two'])
      expect(await shell(name, 'cd /data; stat -c "%n %u" root-one root-two one two')).toBe(seen);
    await shell('two', 'echo more >> /data/one; rm /data/root-one');
    expect(await shell('one', 'cat /data/one')).toBe('one\nmore\n');
    expect(owners(onDisk(pool, 'shifted'))).toEqual({ one: 1000, 'root-two': 0, two: 1000 });
    for (const name of ['one', 'two']) await lxc('config', 'device', 'remove', name, 'shifted');
    await lxc('storage', 'volume', 'delete', pool, 'shifted');
  },
);

test.each(['plain', 'tree'])(
  '[05.232] a volume in %s whose ids are not mapped has those of the host, and nothing is kept of maps',
  async (pool) => {
    await lxc('storage', 'volume', 'create', pool, 'raw', 'security.unmapped=true');
    expect(await debianLxcFails(lxd, 'storage', 'volume', 'set', pool, 'raw', 'security.shifted=true')).toContain(
      'together',
    );
    chmodSync(onDisk(pool, 'raw'), 0o777);
    for (const name of ['one', 'two']) {
      await lxc('storage', 'volume', 'attach', pool, 'raw', name, '/data');
      await shell(name, `echo ${name} > /data/${name}; chmod 666 /data/${name}`);
    }
    expect(owners(onDisk(pool, 'raw'))).toEqual({ one: await hostRoot('one'), two: await hostRoot('two') });
    // Nobody's, for the other one, which can use it all the same.
    expect(await shell('two', 'stat -c %u /data/one; cat /data/one')).toBe('65534\none\n');
    expect(await lxd.api('GET', `/1.0/storage-pools/${pool}/volumes/custom/raw`)).toMatchObject({
      config: { 'security.unmapped': 'true' },
    });
    expect(await lxc('storage', 'volume', 'show', pool, 'raw')).not.toContain('volatile');
    for (const name of ['one', 'two']) await lxc('config', 'device', 'remove', name, 'raw');
    await lxc('storage', 'volume', 'delete', pool, 'raw');
  },
);
