import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceContext } from '@lxd-ts/driver-kit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createContainer, importBusybox, type TestContainer } from '../testing/containers.ts';
import { startTestDaemon, type TestDaemon } from '../testing/daemon.ts';
import { disk as diskDriver } from './disk.ts';

let daemon: TestDaemon;
let c: TestContainer;
let share: string;

beforeAll(async () => {
  daemon = await startTestDaemon();
  await importBusybox(daemon);
  share = join(daemon.scratch, 'share');
  mkdirSync(share);
  writeFileSync(join(share, 'file'), 'shared');
  c = await createContainer(daemon, 'disk-1');
  await c.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const disk = (config: Record<string, string>) => ({ type: 'disk', ...config });

test.each([
  [{ path: '/a' }, 'Disk entry is missing the required "source" or "path" property'],
  [{ source: '/tmp', path: '/' }, 'Root disk entry may not have a "source" property set'],
  [{ source: 'rel', path: '/a' }, 'Source path must be absolute for local sources'],
  [{ source: '/tmp', path: '/a', pool: 'default' }, 'Storage volumes cannot be specified as absolute paths'],
  [{ source: '/tmp', path: '/a', size: '10MB' }, 'Only the root disk may have a size quota'],
  [{ source: '/tmp', path: '/proc/x' }, 'A disk cannot be mounted at "/proc/x"'],
  [{ source: '/tmp', path: '/a/../sys' }, 'A disk cannot be mounted at "/a/../sys"'],
])('the disk %j is refused: %s', async (config, message) => {
  await expect(c.patch({ bad: disk(config) })).rejects.toThrow(
    `Invalid devices: Device validation failed for "bad": ${message}`,
  );
});

test('[03.294 03.308] host paths are mounted, a missing source is an error unless it is not required, and one failing device undoes all', async () => {
  await c.patch({ share: disk({ source: share, path: '/mnt/share' }) });
  expect(readFileSync(await c.path('/mnt/share/file'), 'utf8')).toBe('shared');
  await expect(c.patch({ twin: disk({ source: share, path: '/mnt/share/' }) })).rejects.toThrow(
    'More than one disk device uses the same path "/mnt/share',
  );
  const before = (await c.get()).devices;
  await expect(
    c.put({
      aaa: disk({ source: share, path: '/mnt/aaa' }),
      share: disk({ source: share, path: '/mnt/elsewhere' }),
      zzz: disk({ source: '/nonexistent', path: '/mnt/zzz' }),
    }),
  ).rejects.toThrow('Missing source path "/nonexistent" for disk "zzz"');
  expect((await c.get()).devices).toEqual(before);
  expect(readFileSync(await c.path('/mnt/share/file'), 'utf8')).toBe('shared');
  expect(existsSync(await c.path('/mnt/aaa/file'))).toBe(false);
  expect(existsSync(await c.path('/mnt/elsewhere/file'))).toBe(false);
  await c.patch({ zzz: disk({ source: '/nonexistent', path: '/mnt/zzz', required: 'false' }) });
  await c.put({});
  expect(existsSync(await c.path('/mnt/share/file'))).toBe(false);
});

test('[03.215 03.216] a device of a profile is overridden, hidden by "none", and back when that is removed', async () => {
  const devices = { root: disk({ path: '/', pool: 'default' }), extra: disk({ source: share, path: '/mnt/extra' }) };
  await daemon.run('PUT', '/1.0/profiles/default', { devices });
  const file = await c.path('/mnt/extra/file');
  expect(existsSync(file)).toBe(true);
  await c.put({ extra: { type: 'none' } });
  expect(existsSync(file)).toBe(false);
  await c.put({ extra: disk({ source: share, path: '/mnt/other' }) });
  expect(existsSync(await c.path('/mnt/other/file'))).toBe(true);
  await c.put({});
  expect(existsSync(file)).toBe(true);
  await daemon.run('PUT', '/1.0/profiles/default', { devices: { root: devices.root } });
  expect(existsSync(file)).toBe(false);
});

test('[03.297] a volume is shown to the instance, whose owner can write to it', async () => {
  await daemon.run('POST', '/1.0/storage-pools/default/volumes/custom', { name: 'v1' });
  await c.patch({ v1: disk({ source: 'v1', pool: 'default', path: '/mnt/v1' }) });
  expect(statSync(await c.path('/mnt/v1')).uid).toBe(statSync(await c.path('/')).uid);
  await daemon.restart();
  await c.put({});
  await daemon.run('DELETE', '/1.0/storage-pools/default/volumes/custom/v1');
});

test('[03.297] a volume, and what lies in a directory of root alone, are there from the start', async () => {
  const hidden = join(daemon.scratch, 'hidden');
  mkdirSync(join(hidden, 'share/below'), { recursive: true });
  writeFileSync(join(hidden, 'file'), 'text');
  chmodSync(hidden, 0o700);
  await daemon.run('POST', '/1.0/storage-pools/default/volumes/custom', { name: 'v2' });
  const cold = await createContainer(daemon, 'cold', {
    devices: {
      v2: disk({ source: 'v2', pool: 'default', path: '/mnt/v2' }),
      share: disk({ source: join(hidden, 'share'), path: '/mnt/share' }),
      file: disk({ source: join(hidden, 'file'), path: '/mnt/file' }),
    },
  });
  for (const time of ['first', 'second']) {
    await cold.start();
    expect(statSync(await cold.path('/mnt/v2')).uid, time).toBe(statSync(await cold.path('/')).uid);
    expect(existsSync(await cold.path('/mnt/share/below')), time).toBe(true);
    expect(readFileSync(await cold.path('/mnt/file'), 'utf8'), time).toBe('text');
    await cold.stop();
  }
  await daemon.run('DELETE', '/1.0/instances/cold');
  await daemon.run('DELETE', '/1.0/storage-pools/default/volumes/custom/v2');
});

test.each([1234, undefined])('a volume mounted before a daemon restart is given back (init %s)', async (pid) => {
  let given = 0;
  const device = { name: 'v', config: disk({ source: 'v', pool: 'p', path: '/v' }) };
  const refuse = (): never => expect.unreachable();
  const context: DeviceContext = {
    instance: { name: 'i', project: 'p', type: 'container', config: {}, devices: {}, ...(pid ? { pid } : {}) },
    directory: daemon.scratch,
    logs: daemon.scratch,
    volatile: {},
    server: {},
    network: refuse,
    reserve: refuse,
    hotplug: refuse,
    warn: refuse,
    volume: async () => ({ path: share, shifted: false, [Symbol.asyncDispose]: async () => void given++ }),
  };
  await diskDriver.recover?.(device, context);
  await diskDriver.stop(device, context);
  expect(given).toBe(1);
  await diskDriver.stop(device, context);
  expect(given).toBe(1);
});

test('[03.311] shifting ids where the file system cannot is an error', async () => {
  await c.patch({ ok: disk({ source: share, path: '/mnt/ok', shift: 'true' }) });
  const owner = statSync(await c.path('/mnt/ok/file')).uid;
  expect(owner).toBe(statSync(await c.path('/')).uid);
  await expect(c.patch({ no: disk({ source: '/sys/kernel', path: '/mnt/no', shift: 'true' }) })).rejects.toThrow(
    'Failed to start device "no": Required idmapping abilities not available',
  );
  await c.put({});
});

test('[03.316 03.317 05.86 05.87 05.90] I/O limits throttle the whole disks below, averaged over devices, and go with them', async () => {
  const image = join(daemon.scratch, 'limit.img');
  execFileSync('truncate', ['-s', '64M', image]);
  execFileSync('mkfs.ext4', ['-q', image]);
  const loop = execFileSync('losetup', ['-f', '--show', image], { encoding: 'utf8' }).trim();
  try {
    const number = execFileSync('lsblk', ['-ndo', 'MAJ:MIN', loop], { encoding: 'utf8' }).trim();
    const cgroup = execFileSync('grep', [':blkio:', `/proc/${await c.pid()}/cgroup`], { encoding: 'utf8' });
    const folder = join('/sys/fs/cgroup/blkio', /lxc\.payload[^/\n]*/.exec(cgroup)?.[0] ?? '');
    const limit = (what: string): string => readFileSync(join(folder, `blkio.throttle.${what}_device`), 'utf8').trim();
    const ext4 = (path: string, limits: Record<string, string>) => disk({ source: loop, path, ...limits });
    await c.patch({ one: ext4('/mnt/one', { 'limits.read': '10MB', 'limits.write': '100iops' }) });
    expect(limit('read_bps')).toBe(`${number} 10000000`);
    expect(limit('write_iops')).toBe(`${number} 100`);
    await c.patch({ one: ext4('/mnt/one', { 'limits.max': '20MB' }) });
    expect(limit('read_bps')).toBe(`${number} 20000000`);
    expect(limit('write_bps')).toBe(`${number} 20000000`);
    expect(limit('write_iops')).toBe('');
    await c.patch({ two: ext4('/mnt/two', { 'limits.read': '40MB' }) });
    expect(limit('read_bps')).toBe(`${number} 30000000`);
    await c.put({ two: ext4('/mnt/two', { 'limits.read': '40MB' }) });
    expect(limit('read_bps')).toBe(`${number} 40000000`);
    expect(limit('write_bps')).toBe('');
    await c.put({});
    expect(limit('read_bps')).toBe('');
  } finally {
    await c.put({});
    execFileSync('losetup', ['-d', loop]);
  }
});

test('[05.89] where a file system is on several disks, each has the same limit', async () => {
  const loops = ['a', 'b'].map((name) => {
    const image = join(daemon.scratch, `spread-${name}.img`);
    execFileSync('truncate', ['-s', '128M', image]);
    return execFileSync('losetup', ['-f', '--show', image], { encoding: 'utf8' }).trim();
  });
  try {
    execFileSync('mkfs.btrfs', ['-q', ...loops]);
    execFileSync('btrfs', ['device', 'scan', ...loops]);
    const numbers = loops.map((loop) => execFileSync('lsblk', ['-ndo', 'MAJ:MIN', loop], { encoding: 'utf8' }).trim());
    await c.patch({ spread: disk({ source: loops[0] ?? '', path: '/mnt/spread', 'limits.max': '10MB' }) });
    const cgroup = execFileSync('grep', [':blkio:', `/proc/${await c.pid()}/cgroup`], { encoding: 'utf8' });
    const folder = join('/sys/fs/cgroup/blkio', /lxc\.payload[^/\n]*/.exec(cgroup)?.[0] ?? '');
    for (const what of ['read_bps', 'write_bps']) {
      const limits = readFileSync(join(folder, `blkio.throttle.${what}_device`), 'utf8')
        .trim()
        .split('\n')
        .sort();
      expect(limits).toEqual(numbers.map((number) => `${number} 10000000`).sort());
    }
  } finally {
    await c.put({});
    for (const loop of loops) execFileSync('losetup', ['-d', loop]);
  }
});

test('[03.317] limits of a root disk hold for the disk its pool is on, from the start and while it runs', async () => {
  await daemon.run('POST', '/1.0/storage-pools', { name: 'limited', driver: 'btrfs', config: { size: '256MiB' } });
  const root = (limits: Record<string, string>) => ({ root: disk({ path: '/', pool: 'limited', ...limits }) });
  const d = await createContainer(daemon, 'disk-2', { devices: root({ 'limits.read': '30MB' }) });
  await d.start();
  const cgroup = execFileSync('grep', [':blkio:', `/proc/${await d.pid()}/cgroup`], { encoding: 'utf8' });
  const file = join(
    '/sys/fs/cgroup/blkio',
    /lxc\.payload[^/\n]*/.exec(cgroup)?.[0] ?? '',
    'blkio.throttle.read_bps_device',
  );
  const mounts = execFileSync('findmnt', ['-no', 'SOURCE', join(daemon.folder, 'storage-pools/limited')]);
  const loop = String(mounts).trim().replace(/\[.*/, '');
  const number = execFileSync('lsblk', ['-ndo', 'MAJ:MIN', loop], { encoding: 'utf8' }).trim();
  expect(readFileSync(file, 'utf8').trim()).toBe(`${number} 30000000`);
  await d.patch(root({ 'limits.max': '50MB' }));
  expect(readFileSync(file, 'utf8').trim()).toBe(`${number} 50000000`);
  await d.patch(root({}));
  expect(readFileSync(file, 'utf8').trim()).toBe('');
  await d.stop();
  await daemon.run('DELETE', '/1.0/instances/disk-2');
  const images = (await daemon.run('GET', '/1.0/storage-pools/limited/volumes/image')) as string[];
  for (const image of images) await daemon.run('DELETE', image);
  await daemon.run('DELETE', '/1.0/storage-pools/limited');
});
