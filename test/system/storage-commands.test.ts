/** The commands about pools and custom volumes, as the storage chapter shows them, with Debian's client and with ours. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Lxd } from '../support/lxd.ts';
import { output } from '../support/output.ts';
import { startWithPools } from '../support/pools.ts';
import { ours, real } from '../support/programs.ts';

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
});
afterAll(() => lxd[Symbol.asyncDispose]());

const volumes = z.array(
  z.looseObject({ type: z.string(), name: z.string(), content_type: z.string(), created_at: z.string() }),
);
const volumesOf = async (pool: string) =>
  volumes.parse(await lxd.api('GET', `/1.0/storage-pools/${pool}/volumes?recursion=1`));
const custom = (pool: string, name: string): string => `/1.0/storage-pools/${pool}/volumes/custom/${name}`;
/** Where a container is. */
const poolOf = async (name: string): Promise<string> => {
  for (const pool of ['plain', 'plain2', 'tree', 'tree2'])
    if ((await volumesOf(pool)).some((one) => one.type === 'container' && one.name === name)) return pool;
  return 'nowhere';
};

describe.each([
  ["Debian's client", real.lxc, 'd'],
  ['our client', ours.lxc, 'o'],
] as const)('with %s', (_, client, mark) => {
  const run = (args: readonly string[], options: { input?: string } = {}) => lxd.lxc(args, { ...options, client });
  const lxc = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(args);
    if (code !== 0) throw new Error(`lxc ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  };
  const fails = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(args);
    if (code === 0) throw new Error(`lxc ${args.join(' ')} did not fail: ${stdout}`);
    return stderr + stdout;
  };
  const edit = async (input: string, ...args: string[]): Promise<void> => {
    expect(await run(args, { input }), args.join(' ')).toMatchObject({ code: 0 });
  };

  test('[05.18 05.40 05.41 05.42 05.43 05.283] pools are made, configured, shown, edited, grown and deleted', async () => {
    const pool = `pool-${mark}`;
    expect(await lxc('storage', 'create', pool, 'btrfs', 'size=200MiB')).toBe(`Storage pool ${pool} created\n`);
    await lxc('storage', 'set', pool, 'btrfs.mount_options', 'user_subvol_rm_allowed,compress=lzo');
    await lxc('storage', 'set', pool, 'user.a=1', 'user.b=2');
    await lxc('storage', 'unset', pool, 'user.a');
    expect(await lxc('storage', 'get', pool, 'user.b')).toBe('2\n');
    expect((await lxc('storage', 'get', pool, 'user.a')).trim()).toBe('');
    expect(await lxc('storage', 'show', pool)).toMatch(
      /^config:\n {2}btrfs.mount_options: user_subvol_rm_allowed,compress=lzo\n {2}size: 200MiB\n {2}source: .*\n {2}user.b: "2"\n/m,
    );
    const { config } = z
      .looseObject({ config: z.record(z.string(), z.string()) })
      .parse(await lxd.api('GET', `/1.0/storage-pools/${pool}`));
    await edit(
      JSON.stringify({ config: { source: config['source'], size: '256MiB', 'user.c': '3' }, description: 'mine' }),
      ...['storage', 'edit', pool],
    );
    expect(await lxd.api('GET', `/1.0/storage-pools/${pool}`)).toMatchObject({
      config: { source: config['source'], size: '256MiB', 'user.c': '3' },
      description: 'mine',
    });
    expect(await lxc('storage', 'info', pool)).toMatch(/total space: 256\.00MiB|total space: 268\.44MB/);
    expect(await lxc('storage', 'list', '--format', 'csv')).toContain(`${pool},btrfs,`);
    await lxc('storage', 'set', pool, 'size=300MiB');
    expect(await lxc('storage', 'info', pool)).toMatch(/total space: 300\.00MiB|total space: 314\.57MB/);
    expect(await fails('storage', 'set', pool, 'size=200MiB')).toContain('shrunk');
    expect(await lxc('storage', 'delete', pool)).toBe(`Storage pool ${pool} deleted\n`);
    expect(await fails('storage', 'show', pool)).toContain('not found');
  });

  test('[05.4] there is no pool that a volume without one goes to', async () => {
    await fails('storage', 'volume', 'create', 'lonely');
    await fails('storage', 'volume', 'create', '', 'lonely');
    expect(await fails('storage', 'volume', 'create', 'lonely', 'volume')).toContain('not found');
  });

  test('[05.5 05.6 05.7 05.48] an instance is in the pool that it names, or a profile of it, or the default profile', async () => {
    const profile = `in-tree-${mark}`;
    await lxc('profile', 'create', profile);
    await lxc('profile', 'device', 'add', profile, 'root', 'disk', 'path=/', 'pool=tree');
    const [plain, other, named] = [`plain-${mark}`, `other-${mark}`, `named-${mark}`];
    await lxc('init', 'busybox', plain);
    await lxc('init', 'busybox', other, '--profile', profile);
    await lxc('init', 'busybox', named, '--profile', profile, '--storage', 'plain2');
    expect([await poolOf(plain), await poolOf(other), await poolOf(named)]).toEqual(['plain', 'tree', 'plain2']);
    expect(await fails('init', 'busybox', 'never', '--storage', 'missing')).toContain('not found');
    await lxc('delete', plain, other, named);
    expect(await poolOf(plain)).toBe('nowhere');
    await lxc('profile', 'delete', profile);
  });

  test('[05.51 05.267] the volume of an instance moves with the instance only, and not while that runs', async () => {
    const name = `mover-${mark}`;
    await lxc('launch', 'busybox', name);
    await fails('storage', 'volume', 'move', `plain/container/${name}`, 'tree/elsewhere');
    for (const body of [{ name: 'elsewhere' }, { name, pool: 'tree' }])
      await expect(lxd.api('POST', `/1.0/storage-pools/plain/volumes/container/${name}`, body)).rejects.toMatchObject({
        code: 400,
      });
    await expect(lxd.api('DELETE', `/1.0/storage-pools/plain/volumes/container/${name}`)).rejects.toMatchObject({
      code: 400,
    });
    expect(await fails('move', name, '--storage', 'tree')).toContain('running');
    expect(await poolOf(name)).toBe('plain');
    await lxc('stop', '--force', name);
    await lxd.api('POST', `/1.0/instances/${name}`, { name, migration: true, pool: 'tree' });
    expect(await poolOf(name)).toBe('tree');
    await lxc('delete', name);
  });

  test('[05.65 05.70 05.71 05.72 05.73 05.74 05.75 05.76 05.77 05.116 05.117] volumes are made, configured, listed, shown and deleted', async () => {
    const name = `vol-${mark}`;
    const before = Date.now() - 1000;
    await lxc('storage', 'volume', 'create', 'tree', name, 'size=32MiB', 'user.a=1');
    await lxc('storage', 'volume', 'create', 'tree', `${name}-disk`, '--type=block', 'size=4MiB');
    await lxc('storage', 'volume', 'set', 'tree', name, 'user.b', '2');
    await lxc('storage', 'volume', 'set', 'tree', name, 'user.c=3');
    await lxc('storage', 'volume', 'unset', 'tree', name, 'user.a');
    expect(await lxc('storage', 'volume', 'get', 'tree', name, 'user.c')).toBe('3\n');
    expect(await lxc('storage', 'volume', 'show', 'tree', name)).toMatch(
      /^config:\n {2}size: 32MiB\n {2}user.b: "2"\n {2}user.c: "3"\n/,
    );
    expect(await lxc('storage', 'volume', 'show', 'tree', `custom/${name}`)).toContain(`name: ${name}\n`);
    await edit(
      JSON.stringify({ config: { size: '32MiB', 'snapshots.expiry': '1M' }, description: 'mine' }),
      ...['storage', 'volume', 'edit', 'tree', name],
    );
    expect(await lxd.api('GET', custom('tree', name))).toMatchObject({
      config: { size: '32MiB', 'snapshots.expiry': '1M' },
      description: 'mine',
    });
    await lxc('storage', 'volume', 'snapshot', 'tree', name, 'short');
    await lxc('storage', 'volume', 'snapshot', 'tree', name, 'kept', '--no-expiry');
    await lxc('storage', 'volume', 'unset', 'tree', name, 'snapshots.expiry');
    await lxc('storage', 'volume', 'snapshot', 'tree', name, 'plain');
    const snapshots = z
      .array(z.looseObject({ name: z.string(), expires_at: z.string().nullable() }))
      .parse(await lxd.api('GET', `${custom('tree', name)}/snapshots?recursion=1`));
    expect(snapshots.map(({ name: of, expires_at }) => [of.split('/')[1], expires_at === null])).toEqual([
      ['short', false],
      ['kept', true],
      ['plain', true],
    ]);
    for (const { name: of, created_at } of (await volumesOf('tree')).filter((one) => one.name.startsWith(name))) {
      expect(Date.parse(created_at), of).toBeGreaterThan(before);
      expect(Date.parse(created_at), of).toBeLessThan(Date.now() + 1000);
    }
    const info = await lxc('storage', 'volume', 'info', 'tree', name);
    expect(info).toContain(`Name: ${name}`);
    expect(info).toMatch(/Content type: filesystem/);
    expect(info).toMatch(/Total: 3[23]\.[0-9]+(MiB|MB)/);
    for (const snapshot of ['short', 'kept', 'plain']) expect(info).toMatch(new RegExp(`\\b${snapshot}\\b`));
    await lxc('storage', 'volume', 'rename', 'tree', `${name}/short`, `${name}/brief`);
    await edit('description: brief\n', 'storage', 'volume', 'edit', 'tree', `${name}/brief`);
    expect(await lxc('storage', 'volume', 'show', 'tree', `${name}/brief`)).toContain('description: brief');
    await lxc('storage', 'volume', 'delete', 'tree', `${name}/kept`);
    const list = await lxc('storage', 'volume', 'list', 'tree', '--format', 'csv');
    const lines = list.split('\n').filter((line) => line.includes(name));
    expect(lines.map((line) => line.split(',').slice(0, 4).join(' ')).toSorted()).toEqual([
      `custom (snapshot) ${name}/brief brief filesystem`,
      `custom (snapshot) ${name}/plain mine filesystem`,
      `custom ${name} mine filesystem`,
      `custom ${name}-disk  block`,
    ]);
    await lxc('storage', 'volume', 'delete', 'tree', name);
    await lxc('storage', 'volume', 'delete', 'tree', `${name}-disk`);
    expect(await fails('storage', 'volume', 'show', 'tree', name)).toContain('not found');
    expect(await fails('storage', 'volume', 'delete', 'tree', name)).toContain('not found');
  });

  test('[05.57 05.81 05.83 05.84 05.85 05.265 05.283] a volume is attached to several instances at a path, shared by them, and outlives them', async () => {
    const [volume, one, two] = [`shared-${mark}`, `one-${mark}`, `two-${mark}`];
    await lxc('storage', 'volume', 'create', 'tree', volume);
    for (const name of [one, two]) await lxc('launch', 'busybox', name);
    const devicesOf = async (name: string) =>
      z
        .looseObject({ devices: z.record(z.string(), z.record(z.string(), z.string())) })
        .parse(await lxd.api('GET', `/1.0/instances/${name}`)).devices;
    await fails('storage', 'volume', 'attach', 'tree', volume, one);
    await expect(
      lxd.api('PATCH', `/1.0/instances/${one}`, { devices: { data: { type: 'disk', pool: 'tree', source: volume } } }),
    ).rejects.toMatchObject({ code: 400 });
    await lxc('storage', 'volume', 'attach', 'tree', volume, one, '/data');
    await lxc('storage', 'volume', 'attach', 'tree', volume, two, 'mine', '/srv/data');
    const device = { type: 'disk', pool: 'tree', source: volume };
    expect(await devicesOf(one)).toEqual({ [volume]: { ...device, path: '/data' } });
    expect(await devicesOf(two)).toEqual({ mine: { ...device, path: '/srv/data' } });
    await lxc('exec', one, '--', 'sh', '-c', 'echo from one > /data/file');
    await lxc('exec', two, '--', 'sh', '-c', 'echo and two >> /srv/data/file');
    expect(await lxc('exec', one, '--', 'cat', '/data/file')).toBe('from one\nand two\n');
    await lxc('storage', 'volume', 'detach', 'tree', volume, two, 'mine');
    expect(await devicesOf(two)).toEqual({});
    await lxc(
      'config',
      'device',
      'add',
      two,
      'again',
      'disk',
      'pool=tree',
      `source=${volume}`,
      'path=/x',
      'readonly=true',
    );
    expect(await lxc('exec', two, '--', 'cat', '/x/file')).toBe('from one\nand two\n');
    expect(await fails('exec', two, '--', 'touch', '/x/file')).toContain('Read-only');
    await lxc('delete', '--force', one, two);
    expect(await lxd.api('GET', custom('tree', volume))).toMatchObject({ name: volume, used_by: [] });
    await lxc('storage', 'volume', 'delete', 'tree', volume);
  });

  test('[05.59] what a volume holds is not in the backup of an instance that attaches it', async () => {
    const [volume, name] = [`left-${mark}`, `taken-${mark}`];
    await lxc('storage', 'volume', 'create', 'plain', volume);
    await lxc('launch', 'busybox', name);
    await lxc('storage', 'volume', 'attach', 'plain', volume, name, '/data');
    await lxc('exec', name, '--', 'sh', '-c', 'echo x > /data/in-the-volume; echo x > /root/in-the-instance');
    await lxc('stop', '--force', name);
    const file = join(lxd.scratch.folder, `${name}.tar.gz`);
    await lxc('export', name, file);
    const listed = execFileSync('tar', ['-tf', file], { encoding: 'utf8' });
    expect(listed).toContain('rootfs/root/in-the-instance\n');
    expect(listed).not.toContain('in-the-volume');
    await lxc('delete', name);
    await lxc('storage', 'volume', 'delete', 'plain', volume);
  });

  test('[05.130 05.131 05.136 05.137 05.268 05.281] an export goes where it is told, or beside, over what is there; an import takes no name twice', async () => {
    const name = `out-${mark}`;
    const folder = join(lxd.scratch.folder, `exports-${mark}`);
    mkdirSync(folder);
    await lxc('storage', 'volume', 'create', 'plain', name, 'user.which=first');
    const exported = async (...args: string[]): Promise<void> => {
      const command = [...client, 'storage', 'volume', 'export', 'plain', name, ...args];
      const { code, stderr } = await output(lxd.namespace.inside(command, folder), { env: lxd.environment });
      expect(code, stderr).toBe(0);
    };
    await exported();
    const [file = ''] = readdirSync(folder);
    expect(readdirSync(folder)).toEqual([file]);
    // The client of 5.0.2 knows one name only.
    expect(file).toBe(client === ours.lxc ? `${name}.tar.gz` : 'backup.tar.gz');
    expect(readFileSync(join(folder, file)).toString('hex', 0, 2)).toBe('1f8b');
    writeFileSync(join(folder, `${name}.backup`), 'in the way');
    for (const target of [[], [join(folder, 'given')]]) {
      const path = join(folder, target.length > 0 ? 'given' : file);
      writeFileSync(path, 'in the way');
      await exported(...target);
      expect(readFileSync(path).toString('hex', 0, 2)).toBe('1f8b');
    }
    expect(await fails('storage', 'volume', 'import', 'plain', join(folder, 'given'))).toContain('already exists');
    await lxc('storage', 'volume', 'import', 'plain', join(folder, 'given'), `${name}-again`);
    await lxc('storage', 'volume', 'delete', 'plain', name);
    await lxc('storage', 'volume', 'import', 'plain', join(folder, 'given'));
    for (const one of [name, `${name}-again`]) {
      expect(await lxc('storage', 'volume', 'get', 'plain', one, 'user.which')).toBe('first\n');
      await lxc('storage', 'volume', 'delete', 'plain', one);
    }
    if (client === ours.lxc) expect(existsSync(join(folder, `${name}.backup`))).toBe(false);
  });
});
