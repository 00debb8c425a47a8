/** What a pool of zfs does under the daemon that others do not: what only its own keys make, and what happens when it is full. */
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Lxd } from '../support/lxd.ts';
import { succeed } from '../support/output.ts';
import { debianLxc, debianLxcFails, startWithPools } from '../support/pools.ts';

let lxd: Lxd;
beforeAll(async () => {
  await succeed(['modprobe', 'zfs']);
  lxd = await startWithPools();
});
afterAll(() => lxd[Symbol.asyncDispose]());

const lxc = (...args: string[]): Promise<string> => debianLxc(lxd, ...args);
const lxcFails = (...args: string[]): Promise<string> => debianLxcFails(lxd, ...args);
const shell = (name: string, script: string): Promise<string> => lxc('exec', name, '--', 'sh', '-c', script);
const property = async (name: string, dataset: string): Promise<string> =>
  (await succeed(['zfs', 'get', '-H', '-p', '-o', 'value', name, dataset])).trim();
const named = z.array(z.looseObject({ name: z.string() }));
const namesAt = async (path: string): Promise<string[]> =>
  named.parse(await lxd.api('GET', `${path}?recursion=1`)).map((one) => one.name);
const isImported = (zpool: string): boolean => existsSync(`/proc/spl/kstat/zfs/${zpool}`);

describe('keys of volumes', () => {
  beforeAll(() => lxc('storage', 'create', 'keys', 'zfs', 'size=400MiB'));
  afterAll(async () => {
    await lxd.lxc(['delete', '--force', 'c1']);
    await lxd.lxc(['storage', 'volume', 'delete', 'keys', 'v1']);
    await lxd.lxc(['storage', 'delete', 'keys']);
  });

  test('[05.197] a restored instance loses its newer snapshots, where that is allowed', async () => {
    await lxc('init', 'busybox', 'c1', '--storage', 'keys');
    for (const name of ['s0', 's1', 's2']) await lxc('snapshot', 'c1', name);
    const path = '/1.0/instances/c1/snapshots';
    expect(await lxcFails('restore', 'c1', 's0')).toContain('subsequent snapshot(s): s1, s2');
    expect(await namesAt(path)).toEqual(['s0', 's1', 's2']);
    await lxc('storage', 'volume', 'set', 'keys', 'container/c1', 'zfs.remove_snapshots', 'true');
    await lxc('restore', 'c1', 's0');
    expect(await namesAt(path)).toEqual(['s0']);
    expect(await lxc('storage', 'volume', 'list', 'keys', '--format=csv', '--columns=tn')).not.toContain('c1/s1');
    // The names are free again.
    await lxc('snapshot', 'c1', 's1');
    expect(await namesAt(path)).toEqual(['s0', 's1']);
  });

  test('[05.197] a restored volume loses its newer snapshots, where the pool allows that', async () => {
    await lxc('storage', 'volume', 'create', 'keys', 'v1', 'size=32MiB');
    for (const name of ['s0', 's1', 's2']) await lxc('storage', 'volume', 'snapshot', 'keys', 'v1', name);
    const path = '/1.0/storage-pools/keys/volumes/custom/v1/snapshots';
    expect(await lxcFails('storage', 'volume', 'restore', 'keys', 'v1', 's0')).toContain('snapshot(s): s1, s2');
    expect(await namesAt(path)).toHaveLength(3);
    await lxc('storage', 'set', 'keys', 'volume.zfs.remove_snapshots', 'true');
    await lxc('storage', 'volume', 'restore', 'keys', 'v1', 's0');
    expect(await namesAt(path)).toEqual(['v1/s0']);
  });

  test('[05.202 05.203] the way in which a volume is limited changes at once', async () => {
    const size = String(32 * 1024 ** 2);
    const dataset = 'keys/custom/default_v1';
    expect(await property('quota', dataset)).toBe(size);
    await lxc('storage', 'volume', 'set', 'keys', 'v1', 'zfs.use_refquota', 'true');
    expect([await property('quota', dataset), await property('refquota', dataset)]).toEqual(['0', size]);
    await lxc('storage', 'volume', 'set', 'keys', 'v1', 'zfs.reserve_space', 'true');
    expect(await property('refreservation', dataset)).toBe(size);
    await lxc('storage', 'volume', 'set', 'keys', 'container/c1', 'zfs.use_refquota', 'true');
    await lxc('config', 'device', 'set', 'c1', 'root', 'size=48MiB');
    expect(await property('refquota', 'keys/containers/c1')).toBe(String(48 * 1024 ** 2));
    await lxc('storage', 'volume', 'set', 'keys', 'container/c1', 'zfs.use_refquota', 'false');
    expect(await property('quota', 'keys/containers/c1')).toBe(String(48 * 1024 ** 2));
    expect(await lxcFails('storage', 'volume', 'set', 'keys', 'v1', 'zfs.block_mode', 'true')).toContain(
      '"zfs.block_mode" of a volume cannot be changed',
    );
    expect((await lxc('storage', 'volume', 'get', 'keys', 'v1', 'zfs.block_mode')).trim()).toBe('');
  });
});

describe('copies in another zpool', () => {
  beforeAll(async () => {
    for (const pool of ['one', 'two']) await lxc('storage', 'create', pool, 'zfs', 'size=256MiB');
  });
  afterAll(async () => {
    for (const name of ['c1', 'c2']) await lxd.lxc(['delete', '--force', name]);
    for (const volume of ['one/v1', 'two/v2']) await lxd.lxc(['storage', 'volume', 'delete', ...volume.split('/')]);
    for (const pool of ['one', 'two']) await lxd.lxc(['storage', 'delete', pool]);
  });
  const guid = (snapshot: string): Promise<string> => property('guid', snapshot);

  test('[05.161 05.164 05.165 05.166 05.167] are brought up to date by differences to their newest snapshot', async () => {
    const copy = (...options: string[]) => lxc('storage', 'volume', 'copy', 'one/v1', 'two/v2', ...options);
    await lxc('storage', 'volume', 'create', 'one', 'v1');
    await lxc('launch', 'busybox', 'c1', '--storage=one');
    await lxc('config', 'device', 'add', 'c1', 'v1', 'disk', 'pool=one', 'source=v1', 'path=/mnt');
    await shell('c1', 'dd if=/dev/urandom of=/mnt/large bs=1M count=20; sync');
    await lxc('storage', 'volume', 'snapshot', 'one', 'v1', 's0');
    await copy();
    await shell('c1', 'echo second > /mnt/state; sync');
    await lxc('storage', 'volume', 'snapshot', 'one', 'v1', 's1');
    await shell('c1', 'echo third > /mnt/state; sync');
    await copy('--refresh');
    for (const name of ['s0', 's1'])
      expect(await guid(`two/custom/default_v2@snapshot-${name}`)).toBe(
        await guid(`one/custom/default_v1@snapshot-${name}`),
      );
    await lxc('storage', 'volume', 'delete', 'one', 'v1/s1');
    await copy('--refresh');
    expect(await namesAt('/1.0/storage-pools/two/volumes/custom/v2/snapshots')).toEqual(['v2/s0']);
    await lxc('config', 'device', 'add', 'c1', 'v2', 'disk', 'pool=two', 'source=v2', 'path=/other');
    expect(await shell('c1', 'cat /other/state; cmp /mnt/large /other/large; stat -c %u /other/state')).toBe(
      'third\n0\n',
    );
    for (const device of ['v1', 'v2']) await lxc('config', 'device', 'remove', 'c1', device);
  });

  test.each(['two', 'one'])('[05.164 05.166] containers too, in pool %s, which then run', async (pool) => {
    await shell('c1', 'echo before > /state');
    await lxc('snapshot', 'c1', 's0');
    await lxc('copy', 'c1', 'c2', `--storage=${pool}`);
    await shell('c1', 'echo later > /state');
    await lxc('snapshot', 'c1', 's1');
    await lxd.api('POST', '/1.0/instances', { name: 'c2', source: { type: 'copy', source: 'c1', refresh: true } });
    expect(await guid(`${pool}/containers/c2@snapshot-s1`)).toBe(await guid('one/containers/c1@snapshot-s1'));
    await lxc('start', 'c2');
    expect(await shell('c2', 'cat /state; stat -c %u /state /etc')).toBe('later\n0\n0\n');
    await lxc('delete', '--force', 'c2');
    for (const name of ['s0', 's1']) await lxc('delete', `c1/${name}`);
  });
});

describe('a full pool', () => {
  const forms = [
    { form: 'common', options: [] },
    { form: 'optimised', options: ['--optimized-storage'] },
  ];
  const exported = (form: string): string => join(lxd.scratch.folder, `${form}.tar.gz`);
  const sum = (): Promise<string> => shell('c1', 'md5sum /root/kept');
  const instances = (): Promise<string[]> => namesAt('/1.0/instances');
  let before: string;
  let was: string[];

  beforeAll(async () => {
    was = await instances();
    await lxc('storage', 'create', 'full', 'zfs', 'size=256MiB', 'zfs.clone_copy=false');
    await lxc('launch', 'busybox', 'c1', '--storage', 'full');
    await shell('c1', 'dd if=/dev/urandom of=/root/kept bs=1M count=40 && sync');
    before = await sum();
    for (const { form, options } of forms) await lxc('export', 'c1', exported(form), '--instance-only', ...options);
  });
  afterAll(async () => {
    for (const name of ['c1', 'c2', 'c3']) await lxd.lxc(['delete', '--force', name]);
    await lxd.lxc(['storage', 'volume', 'delete', 'full', 'v1']);
    await lxd.lxc(['storage', 'delete', 'full']);
  });

  test('[05.247] a volume that fills it says so to its writer, and takes nothing from others', async () => {
    await lxc('storage', 'volume', 'create', 'full', 'v1');
    await lxc('config', 'device', 'add', 'c1', 'v1', 'disk', 'pool=full', 'source=v1', 'path=/mnt');
    const error = await lxcFails('exec', 'c1', '--', 'dd', 'if=/dev/urandom', 'of=/mnt/large', 'bs=1M', 'count=200');
    expect(error).toContain('No space left on device');
    await shell('c1', 'sync');
    expect(await sum()).toBe(before);
  });

  test('[05.247] a copy for which there is no room fails with that word, and leaves nothing', async () => {
    expect(await lxcFails('copy', 'c1', 'c2')).toMatch(/no space left/i);
    expect(await lxcFails('copy', 'c1', 'c2', '--storage', 'full', '--instance-only')).toMatch(/no space left/i);
    expect(await lxcFails('storage', 'volume', 'copy', 'full/v1', 'full/v2')).toMatch(/no space left/i);
    expect(await instances()).toEqual([...was, 'c1']);
    expect(await namesAt('/1.0/storage-pools/full/volumes/custom')).toEqual(['v1']);
    expect(await sum()).toBe(before);
  });

  test.each(forms)(
    '[05.247] an import in the $form form for which there is no room fails, and leaves nothing',
    async ({ form }) => {
      expect(await lxcFails('import', exported(form), 'c3', '--storage', 'full')).toMatch(/no space left/i);
      expect(await instances()).toEqual([...was, 'c1']);
      expect(await sum()).toBe(before);
    },
  );

  test.each(forms)(
    '[05.247] an export in the $form form works, or is refused for want of room',
    async ({ form, options }) => {
      const { code, stderr } = await lxd.lxc(['export', 'c1', exported(`${form}-full`), '--instance-only', ...options]);
      expect(code === 0 || /no space left/i.test(stderr), stderr).toBe(true);
      expect(await sum()).toBe(before);
    },
  );

  test('[05.247] files for which there is no room are refused, and those that are there stay', async () => {
    const file = join(lxd.scratch.folder, 'large');
    writeFileSync(file, randomBytes(16 * 1024 ** 2));
    expect(await lxcFails('file', 'push', file, 'c1/root/large')).toMatch(/no space is left/i);
    expect(await sum()).toBe(before);
  });

  test('[05.247] once something is deleted there is room again, and all goes away', async () => {
    await shell('c1', 'rm -f /mnt/large /root/large; sync');
    // What was deleted comes free with the transaction groups that follow.
    for (let round = 0; round < 4; round++) await succeed(['zpool', 'sync', 'full']);
    await lxc('copy', 'c1', 'c2');
    await lxc('start', 'c2');
    expect(await shell('c2', 'md5sum /root/kept')).toBe(before);
    await lxc('delete', '--force', 'c1', 'c2');
    await lxc('storage', 'volume', 'delete', 'full', 'v1');
    await lxc('storage', 'delete', 'full');
    expect(isImported('full')).toBe(false);
  });
});

describe('lxd shutdown', () => {
  afterAll(async () => {
    if (lxd.pid() === 0) await lxd.start();
    await lxd.lxc(['delete', '--force', 'c1']);
    await lxd.lxc(['storage', 'volume', 'delete', 'away', 'own']);
    for (const pool of ['away', 'stays']) await lxd.lxc(['storage', 'delete', pool]);
  });

  test('[05.206] exports the zpools but those that are to stay, and all is there at the next start', async () => {
    await lxc('storage', 'create', 'away', 'zfs', 'size=256MiB');
    await lxc('storage', 'create', 'stays', 'zfs', 'size=128MiB', 'zfs.export=false');
    await lxc('storage', 'volume', 'create', 'away', 'own');
    await lxc('config', 'set', 'storage.backups_volume', 'away/own');
    await lxc('launch', 'busybox', 'c1', '--storage', 'away');
    await shell('c1', 'echo here > /root/state');
    await lxd.admin(['shutdown', '--force']);
    await lxd.stop();
    expect(isImported('away')).toBe(false);
    expect(isImported('stays')).toBe(true);
    await lxd.start();
    await expect.poll(() => shell('c1', 'cat /root/state').catch(String), { timeout: 120_000 }).toBe('here\n');
    await lxc('config', 'unset', 'storage.backups_volume');
  });
});
