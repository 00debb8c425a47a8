import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fileType } from './file-type.ts';
import { mount } from './mount.ts';
import { removeTree } from './remove-tree.ts';
import { openRoot, type Root } from './safe-path.ts';

let base: string;
let inside: string;
let root: Root;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'host-safe-'));
  inside = join(base, 'root');
  mkdirSync(inside);
  writeFileSync(join(base, 'secret'), 'secret');
  root = openRoot(inside);
});
afterEach(() => {
  root[Symbol.dispose]();
  rmSync(base, { recursive: true, force: true });
});

async function read(path: string): Promise<string> {
  await using file = await root.open(path);
  return file.readFile('utf8');
}

async function write(path: string, text: string, options = {}): Promise<void> {
  await using file = await root.create(path, options);
  await file.writeFile(text);
}

test('neither .. nor any symlink leads out of the root', async () => {
  symlinkSync(join(base, 'secret'), join(inside, 'absolute'));
  symlinkSync('../secret', join(inside, 'relative'));
  symlinkSync('/', join(inside, 'slash'));
  for (const path of ['../secret', '/../secret', 'absolute', 'relative', 'slash/../secret']) {
    await expect(root.open(path)).rejects.toMatchObject({ code: 'ENOENT' });
  }
  await write('relative', 'mine');
  expect(readFileSync(join(inside, 'secret'), 'utf8')).toBe('mine');
  expect(readFileSync(join(base, 'secret'), 'utf8')).toBe('secret');
  symlinkSync(base, join(inside, 'dir'));
  expect(() => root.mkdir('dir/new')).toThrow('ENOENT');
  expect(() => root.unlink('dir/secret')).toThrow('ENOENT');
  await expect(root.remove('dir/secret')).rejects.toMatchObject({ code: 'ENOENT' });
  expect(existsSync(join(base, 'secret'))).toBe(true);
});

test('magic links of /proc do not lead out', async () => {
  await using _ = await mount('proc', mkdirPath('proc'), { type: 'proc' });
  await expect(root.open('proc/self/root/etc/hostname')).rejects.toMatchObject({ code: 'ELOOP' });
  await expect(root.open('proc/self/cwd')).rejects.toMatchObject({ code: 'ELOOP' });
});

function mkdirPath(name: string): string {
  mkdirSync(join(inside, name));
  return join(inside, name);
}

test('without following, every symlink is refused', () => {
  symlinkSync('target', join(inside, 'link'));
  mkdirPath('target');
  using strict = openRoot(inside, { followSymlinks: false });
  expect(() => strict.stat('link')).toThrow('ELOOP');
  expect(strict.stat('target').isDirectory()).toBe(true);
});

test('a new file gets its owner and mode whatever the umask, an existing one keeps them', async () => {
  await write('new', 'one', { mode: 0o4755, uid: 1000, gid: 1001 });
  expect(statSync(join(inside, 'new'))).toMatchObject({ uid: 1000, gid: 1001, mode: 0o104755 });
  await write('new', '2', { mode: 0o600, uid: 0, gid: 0 });
  expect(statSync(join(inside, 'new'))).toMatchObject({ uid: 1000, gid: 1001 });
  expect(await read('new')).toBe('2');
  await write('new', '3', { append: true });
  expect(await read('new')).toBe('23');
  await expect(root.create('new', { exclusive: true })).rejects.toMatchObject({ code: 'EEXIST' });
});

test('writing through a symlink to a missing file makes that file', async () => {
  symlinkSync('there', join(inside, 'link'));
  await write('link', 'text', { mode: 0o640 });
  expect(statSync(join(inside, 'there')).mode & 0o777).toBe(0o640);
  expect(root.lstat('link').isSymbolicLink()).toBe(true);
});

test('FIFOs, sockets and devices are told apart and refused without being opened', async () => {
  execFileSync('mkfifo', [join(inside, 'fifo')]);
  execFileSync('mknod', [join(inside, 'null'), 'c', '1', '3']);
  execFileSync('mknod', [join(inside, 'loop'), 'b', '7', '0']);
  const server = createServer().listen(join(inside, 'socket'));
  await new Promise((resolve) => server.once('listening', resolve));
  const types = ['fifo', 'null', 'loop', 'socket'].map((name) => fileType(root.stat(name)));
  expect(types).toEqual(['fifo', 'char-device', 'block-device', 'socket']);
  for (const name of ['fifo', 'null', 'loop', 'socket']) {
    await expect(root.open(name)).rejects.toMatchObject({ code: 'EINVAL', path: name });
    await expect(root.create(name)).rejects.toMatchObject({ code: 'EINVAL' });
  }
  server.close();
});

test('errors carry the codes of the kernel', async () => {
  await write('file', '');
  await expect(root.open('none')).rejects.toMatchObject({ code: 'ENOENT', path: 'none' });
  await expect(root.open('file/below')).rejects.toMatchObject({ code: 'ENOTDIR' });
  await expect(root.create('.')).rejects.toMatchObject({ code: 'EISDIR' });
  await expect(root.open('x'.repeat(300))).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
  symlinkSync('loop', join(inside, 'loop'));
  expect(() => root.stat('loop')).toThrow('ELOOP');
  expect(() => root.mkdir('file')).toThrow("EEXIST: file already exists, mkdir 'file'");
  expect(() => root.mkdirAll('file/a')).toThrow('ENOTDIR');
  expect(() => root.rmdir('.')).toThrow('EINVAL');
});

test('directories are made, listed and removed', async () => {
  root.mkdirAll('/a/b/c', { mode: 0o700, uid: 7, gid: 8 });
  root.mkdirAll('/a/b/c', { uid: 9, gid: 9 });
  expect(root.stat('a/b')).toMatchObject({ uid: 7, gid: 8, mode: 0o40700 });
  await write('a/b/z', '');
  expect(root.list('a/b')).toEqual(['c', 'z']);
  expect(() => root.rmdir('a/b')).toThrow('ENOTEMPTY');
  await root.remove('a');
  expect(root.list('')).toEqual([]);
});

test('links, owners, modes, times and names can be changed', async () => {
  root.symlink('any text', 'link', { uid: 5, gid: 6 });
  expect(root.readlink('link')).toBe('any text');
  expect(root.lstat('link')).toMatchObject({ uid: 5, gid: 6 });
  await write('file', 'x');
  expect(() => root.readlink('file')).toThrow('EINVAL');
  root.chown('file', 3, -1);
  root.chmod('file', 0o604);
  root.utimes('file', 1, 1000.5);
  root.rename('file', 'other');
  const stats = root.stat('other');
  expect(stats).toMatchObject({ uid: 3, gid: 0, mode: 0o100604, mtimeMs: 1000500 });
  expect(root.exists('file')).toBe(false);
});

test('removal follows no symlink, takes names that are not UTF-8, and refuses mounts', async () => {
  mkdirSync(join(base, 'outside'));
  writeFileSync(join(base, 'outside', 'keep'), '');
  const tree = mkdirPath('tree');
  symlinkSync(join(base, 'outside'), join(tree, 'link'));
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.of(0xff, 0xfe)]), '');
  mkdirSync(join(tree, 'mnt'));
  {
    await using _ = await mount('none', join(tree, 'mnt'), { type: 'tmpfs' });
    writeFileSync(join(tree, 'mnt', 'keep'), '');
    await expect(root.remove('tree')).rejects.toMatchObject({ code: 'EXDEV' });
    expect(existsSync(join(tree, 'mnt', 'keep'))).toBe(true);
  }
  await root.remove('tree');
  expect(existsSync(tree)).toBe(false);
  expect(existsSync(join(base, 'outside', 'keep'))).toBe(true);
});

test('removal copes with trees deeper than there are file descriptors', async () => {
  mkdirSync(join(mkdirPath('deep'), 'd/'.repeat(1500)), { recursive: true });
  await removeTree(join(inside, 'deep'));
  expect(root.list('')).toEqual([]);
  await removeTree(join(inside, 'deep'));
});
