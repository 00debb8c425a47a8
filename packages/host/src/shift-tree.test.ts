import { execFileSync } from 'node:child_process';
import { linkSync, lstatSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { contiguousIdMap } from './idmap.ts';
import { mount } from './mount.ts';
import { shiftTree } from './shift-tree.ts';
import { getXattr, listXattrs, removeXattr, setXattr } from './xattr.ts';

let base: string;
const to = contiguousIdMap(100000, 65536);
const path = (name: string) => join(base, name);
const owner = (name: string) => {
  const { uid, gid } = lstatSync(path(name));
  return [uid, gid];
};

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'host-shift-'));
});
afterEach(() => rmSync(base, { recursive: true }));

test('owners of files, directories and links move, hard-linked ones once', async () => {
  mkdirSync(path('dir'));
  writeFileSync(path('dir/file'), '');
  linkSync(path('dir/file'), path('hardlink'));
  symlinkSync('/etc/passwd', path('symlink'));
  execFileSync('chown', ['1000:1001', path('dir/file')]);
  expect(await shiftTree(base, { to })).toBe(5);
  expect(owner('')).toEqual([100000, 100000]);
  expect(owner('hardlink')).toEqual([101000, 101001]);
  expect(owner('symlink')).toEqual([100000, 100000]);
  expect(statSync('/etc/passwd').uid).toBe(0);
  await shiftTree(base, { from: to, to: contiguousIdMap(300000, 65536) });
  expect(owner('dir/file')).toEqual([301000, 301001]);
  await shiftTree(base, { from: contiguousIdMap(300000, 65536) });
  expect(owner('dir/file')).toEqual([1000, 1001]);
});

test('setuid bits and file capabilities survive, the capability belongs to the new root', async () => {
  writeFileSync(path('suid'), '');
  execFileSync('chmod', ['6755', path('suid')]);
  writeFileSync(path('ping'), '');
  execFileSync('setcap', ['cap_net_raw+ep', path('ping')]);
  const before = getXattr(path('ping'), 'security.capability');
  await shiftTree(base, { to });
  expect(statSync(path('suid')).mode & 0o7777).toBe(0o6755);
  expect(execFileSync('getcap', ['-n', path('ping')], { encoding: 'utf8' })).toContain(
    'cap_net_raw=ep [rootid=100000]',
  );
  await shiftTree(base, { from: to });
  expect(getXattr(path('ping'), 'security.capability')).toEqual(before);
});

test('the users and groups that an ACL names move', async () => {
  writeFileSync(path('file'), '');
  mkdirSync(path('dir'));
  execFileSync('setfacl', ['-m', 'u:1000:r,g:1001:w', path('file')]);
  execFileSync('setfacl', ['-d', '-m', 'u:7:rwx', path('dir')]);
  await shiftTree(base, { to });
  const acl = (name: string) => execFileSync('getfacl', ['-nps', path(name)], { encoding: 'utf8' });
  expect(acl('file')).toContain('user:101000:r--\n');
  expect(acl('file')).toContain('group:101001:-w-\n');
  expect(acl('dir')).toContain('default:user:100007:rwx\n');
});

test('ids outside the map stay, and an interrupted run can be resumed', async () => {
  writeFileSync(path('foreign'), '');
  writeFileSync(path('done'), '');
  execFileSync('chown', ['70000:70000', path('foreign')]);
  execFileSync('chown', ['100005:100005', path('done')]);
  await shiftTree(base, { to: contiguousIdMap(100000, 1000000), resume: true });
  expect(owner('foreign')).toEqual([170000, 170000]);
  expect(owner('done')).toEqual([100005, 100005]);
  await shiftTree(base, { from: contiguousIdMap(100000, 10) });
  expect(owner('foreign')).toEqual([170000, 170000]);
  expect(owner('done')).toEqual([5, 5]);
});

test('a mount inside is left alone', async () => {
  mkdirSync(path('mnt'));
  await using _ = await mount('none', path('mnt'), { type: 'tmpfs' });
  writeFileSync(path('mnt/file'), '');
  await shiftTree(base, { to });
  expect(owner('mnt')).toEqual([0, 0]);
  expect(owner('mnt/file')).toEqual([0, 0]);
});

test('extended attributes are listed, set, read and removed', () => {
  writeFileSync(path('file'), '');
  setXattr(path('file'), 'user.a', Buffer.from('one'));
  setXattr(path('file'), 'user.b', Buffer.alloc(0));
  expect(listXattrs(path('file')).sort()).toEqual(['user.a', 'user.b']);
  expect(getXattr(path('file'), 'user.a')?.toString()).toBe('one');
  removeXattr(path('file'), 'user.a');
  removeXattr(path('file'), 'user.a');
  expect(getXattr(path('file'), 'user.a')).toBeUndefined();
  expect(() => getXattr(path('none'), 'user.a')).toThrow('ENOENT');
  expect(listXattrs('/proc/self/status')).toEqual([]);
});
