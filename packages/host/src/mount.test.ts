import { mkdirSync, mkdtempSync, openSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { diskUsage, filesystemType } from './filesystem.ts';
import { supportsIdmappedMounts } from './idmapped-mount.ts';
import { bindMount, mount, remount, setPropagation, unmount, unmountAll } from './mount.ts';
import { findMount, isMountPoint, parseMountInfo } from './mount-info.ts';
import { parseMountOptions } from './mount-options.ts';
import { createUserNamespace } from './user-namespace.ts';

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'host-mount-'));
  mkdirSync(join(base, 'a'));
  mkdirSync(join(base, 'b'));
});
afterEach(async () => {
  await unmountAll(base, { lazy: true });
  await rm(base, { recursive: true });
});

test('a mount appears, tells its type and size, and is gone when disposed of', async () => {
  const target = join(base, 'a');
  {
    await using _ = await mount('none', target, { type: 'tmpfs', options: 'size=1m,nosuid,mode=700' });
    expect(await findMount(target)).toMatchObject({
      target,
      type: 'tmpfs',
      options: expect.arrayContaining(['nosuid']),
    });
    expect(await filesystemType(target)).toBe('tmpfs');
    writeFileSync(join(target, 'f'), Buffer.alloc(65536));
    expect(await diskUsage(target)).toMatchObject({ total: 1 << 20, used: 65536, available: (1 << 20) - 65536 });
  }
  expect(await isMountPoint(target)).toBe(false);
});

test('a refused mount says why', async () => {
  await expect(mount('none', join(base, 'missing'), { type: 'tmpfs' })).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(mount('none', join(base, 'a'), { type: 'nosuchfs' })).rejects.toMatchObject({ code: 'ENODEV' });
});

test('a bind mount carries its attributes, the source does not', async () => {
  await bindMount(join(base, 'a'), join(base, 'b'), { attributes: ['ro', 'nodev'], propagation: 'slave' });
  expect((await findMount(join(base, 'b')))?.options).toEqual(expect.arrayContaining(['ro', 'nodev']));
  expect(() => writeFileSync(join(base, 'b', 'f'), '')).toThrow('EROFS');
  writeFileSync(join(base, 'a', 'f'), 'x');
  expect(readFileSync(join(base, 'b', 'f'), 'utf8')).toBe('x');
});

test('a recursive bind makes the mounts below read-only too', async () => {
  mkdirSync(join(base, 'a', 'sub'));
  await mount('none', join(base, 'a', 'sub'), { type: 'tmpfs' });
  await using _ = await bindMount(join(base, 'a'), join(base, 'b'), { recursive: true, attributes: ['ro'] });
  expect(() => writeFileSync(join(base, 'b', 'sub', 'f'), '')).toThrow('EROFS');
  writeFileSync(join(base, 'a', 'sub', 'f'), '');
});

test('file descriptors stand for source and target; a single file can be bound', async () => {
  writeFileSync(join(base, 'a', 'f'), 'source');
  writeFileSync(join(base, 'b', 'f'), '');
  const source = openSync(join(base, 'a', 'f'), 'r');
  const target = openSync(join(base, 'b', 'f'), 'r');
  const bind = await bindMount(source, target);
  expect(bind.target).toBe(join(base, 'b', 'f'));
  expect(readFileSync(join(base, 'b', 'f'), 'utf8')).toBe('source');
  await bind[Symbol.asyncDispose]();
  expect(readFileSync(join(base, 'b', 'f'), 'utf8')).toBe('');
});

test('a remount makes a file system read-only', async () => {
  await mount('none', join(base, 'a'), { type: 'tmpfs' });
  await remount(join(base, 'a'), 'ro');
  expect(() => writeFileSync(join(base, 'a', 'f'), '')).toThrow('EROFS');
});

test('propagation can be changed', async () => {
  await mount('none', join(base, 'a'), { type: 'tmpfs' });
  setPropagation(join(base, 'a'), 'shared');
  expect((await findMount(join(base, 'a')))?.propagation.join()).toMatch(/^shared:\d+$/);
  setPropagation(join(base, 'a'), 'private');
  expect((await findMount(join(base, 'a')))?.propagation).toEqual([]);
});

test('unmounting can be repeated, and takes everything below and on top along', async () => {
  await unmount(join(base, 'a'));
  await unmount(join(base, 'missing'));
  await mount('none', join(base, 'a'), { type: 'tmpfs' });
  mkdirSync(join(base, 'a', 'sub'));
  await mount('none', join(base, 'a', 'sub'), { type: 'tmpfs' });
  await mount('none', join(base, 'a', 'sub'), { type: 'tmpfs' });
  await expect(unmount(join(base, 'a'))).rejects.toMatchObject({ code: 'EBUSY' });
  await unmountAll(base);
  expect(await isMountPoint(join(base, 'a'))).toBe(false);
});

test('an id-mapped mount shows shifted owners', async () => {
  expect(await supportsIdmappedMounts(base)).toBe(true);
  expect(await supportsIdmappedMounts('/proc')).toBe(false);
  using namespace = await createUserNamespace([{ inside: 0, outside: 1000000, size: 65536 }]);
  writeFileSync(join(base, 'a', 'f'), '');
  await using _ = await bindMount(join(base, 'a'), join(base, 'b'), { userNamespace: namespace.fd });
  expect(statSync(join(base, 'b', 'f')).uid).toBe(1000000);
});

test('the kernel refuses a map that overlaps', async () => {
  const range = { inside: 0, outside: 1000, size: 10 };
  await expect(createUserNamespace([range, range])).rejects.toMatchObject({ code: 'EINVAL' });
});

test('a mount point behind a symlink is unmounted by its real path', async () => {
  symlinkSync(join(base, 'a'), join(base, 'link'));
  const bind = await bindMount(join(base, 'b'), join(base, 'link'));
  expect(await isMountPoint(join(base, 'a'))).toBe(true);
  await bind[Symbol.asyncDispose]();
  expect(await isMountPoint(join(base, 'a'))).toBe(false);
});

test('mount options become flags and data', () => {
  expect(parseMountOptions('defaults,ro,nosuid,rw,subvolid=5,noauto')).toEqual({ flags: 2, data: 'subvolid=5' });
});

test('mountinfo lines are parsed with escapes and optional fields', () => {
  const line = '36 35 98:0 /mnt1 /mnt\\0402 rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue\n';
  expect(parseMountInfo(line)).toEqual([
    {
      id: 36,
      parentId: 35,
      device: '98:0',
      root: '/mnt1',
      target: '/mnt 2',
      options: ['rw', 'noatime'],
      propagation: ['shared:1', 'master:2'],
      type: 'ext3',
      source: '/dev/root',
      superOptions: ['rw', 'errors=continue'],
    },
  ]);
});
