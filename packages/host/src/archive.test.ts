import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { pack, packSquashfs, packTrees, unpack } from './archive.ts';
import { compressor, detectFormat, fileFormat } from './compression.ts';
import { listXattrs, setXattr } from './xattr.ts';

let base: string;
const path = (...names: string[]) => join(base, ...names);

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'host-archive-'));
  mkdirSync(path('tree'));
  mkdirSync(path('out'));
  writeFileSync(path('tree', 'file'), 'content');
  linkSync(path('tree', 'file'), path('tree', 'hardlink'));
  symlinkSync('/etc/passwd', path('tree', 'symlink'));
  execFileSync('mknod', [path('tree', 'null'), 'c', '1', '3']);
  execFileSync('chown', ['1234:2345', path('tree', 'file')]);
  execFileSync('chmod', ['4750', path('tree', 'file')]);
  execFileSync('setfacl', ['-m', 'u:7:r', path('tree', 'file')]);
  setXattr(path('tree', 'file'), 'user.note', Buffer.from('x'));
  execFileSync('setcap', ['cap_net_raw+ep', path('tree', 'file')]);
});
afterEach(() => rmSync(base, { recursive: true }));

function expectTree(root: string): void {
  expect(readdirSync(root)).toEqual(['file', 'hardlink', 'null', 'symlink']);
  const file = statSync(join(root, 'file'));
  expect(file).toMatchObject({ uid: 1234, gid: 2345, nlink: 2 });
  expect(readFileSync(join(root, 'file'), 'utf8')).toBe('content');
  expect(readlinkSync(join(root, 'symlink'))).toBe('/etc/passwd');
  expect(lstatSync(join(root, 'null'))).toMatchObject({ rdev: 0x103 });
  expect(listXattrs(join(root, 'file'))).toEqual(expect.arrayContaining(['user.note', 'security.capability']));
}

test.each(['none', 'gzip', 'bzip2', 'xz', 'lzma', 'zstd', 'lz4'])(
  'a tree survives a tar archive compressed with %s',
  async (compression) => {
    await pack(path('tree'), path('archive'), { compression });
    expect(await fileFormat(path('archive'))).toBe(compression === 'none' ? 'tar' : compression);
    await unpack(path('archive'), path('out'));
    expectTree(path('out'));
    expect(execFileSync('getfacl', ['-nps', path('out', 'file')], { encoding: 'utf8' })).toContain('user:7:r--');
    expect(statSync(path('out', 'file')).mode & 0o7000).toBe(0o4000);
  },
);

test('ACLs survive an archive in which they are attributes', async () => {
  const attributes = ['--format=posix', '--xattrs', '--xattrs-include=*'];
  execFileSync('tar', [`--file=${path('archive')}`, ...attributes, `--directory=${path('tree')}`, '--create', '.']);
  await unpack(path('archive'), path('out'));
  expect(execFileSync('getfacl', ['-nps', path('out', 'file')], { encoding: 'utf8' })).toContain('user:7:r--');
});

test('the target directory can stay what it is', async () => {
  await pack(path('tree'), path('archive'));
  execFileSync('chmod', ['711', path('out')]);
  await unpack(path('archive'), path('out'), { keepDirectory: true });
  expect(statSync(path('out')).mode & 0o7777).toBe(0o711);
  await unpack(path('archive'), path('out'));
  expect(statSync(path('out')).mode & 0o7777).toBe(statSync(path('tree')).mode & 0o7777);
});

test('a tree survives a squashfs image', async () => {
  await packSquashfs(path('tree'), path('image'));
  expect(await fileFormat(path('image'))).toBe('squashfs');
  await unpack(path('image'), path('out'));
  expectTree(path('out'));
});

test('names can be chosen and left out, sockets do not disturb', async () => {
  const server = createServer().listen(path('tree', 'socket'));
  await once(server, 'listening');
  await pack(path('tree'), path('archive'), { names: ['file', 'symlink', 'null', 'socket'], exclude: ['null'] });
  server.close();
  await unpack(path('archive'), path('out'), { exclude: ['sym*'] });
  expect(readdirSync(path('out'))).toEqual(['file']);
});

test('progress ends with the size of the archive', async () => {
  let [packed, unpacked] = [0, 0];
  await pack(path('tree'), path('archive'), {
    compression: 'gzip',
    onProgress: (bytes) => {
      packed = bytes;
    },
  });
  await unpack(path('archive'), path('out'), {
    onProgress: (bytes) => {
      unpacked = bytes;
    },
  });
  const { size } = statSync(path('archive'));
  expect([packed, unpacked]).toEqual([size, size]);
});

test('equal trees give equal archives', async () => {
  await pack(path('tree'), path('one'), { compression: 'gzip' });
  await pack(path('tree'), path('two'), { compression: 'gzip' });
  expect(readFileSync(path('one')).equals(readFileSync(path('two')))).toBe(true);
});

describe('refusals', () => {
  test('an existing archive is not overwritten, what is no archive is not unpacked', async () => {
    writeFileSync(path('archive'), 'text');
    await expect(pack(path('tree'), path('archive'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(unpack(path('archive'), path('out'))).rejects.toThrow('is no archive (unknown)');
  });

  test('a damaged archive fails with the words of the tool that found out', async () => {
    await pack(path('tree'), path('archive'), { compression: 'xz' });
    writeFileSync(path('cut'), readFileSync(path('archive')).subarray(0, 200));
    await expect(unpack(path('cut'), path('out'))).rejects.toThrow(/xz failed with exit status 1: .*[Uu]nexpected end/);
  });

  test('a full disk fails the packing', async () => {
    const full = openSync('/dev/full', 'w');
    await expect(pack(path('tree'), full)).rejects.toThrow(/tar failed .*No space left on device/);
    closeSync(full);
  });

  test('a failed packing leaves no file', async () => {
    await expect(pack(path('tree'), path('archive'), { names: ['missing'] })).rejects.toThrow(/missing: Cannot stat/);
    expect(existsSync(path('archive'))).toBe(false);
  });

  test('an abort ends it', async () => {
    await pack(path('tree'), path('archive'));
    const abort = new AbortController();
    abort.abort(new Error('no more'));
    await expect(unpack(path('archive'), path('out'), { signal: abort.signal })).rejects.toThrow('no more');
  });
});

/** Archives that try to write where they should not, made with Python's permissive writer. */
test.each([
  ['a name with ..', "add('../escaped')"],
  ['an absolute name', `add('${tmpdir()}/escaped')`],
  ['a file through an absolute symlink', "link('dir', BASE); add('dir/escaped')"],
  ['a file through a relative symlink', "link('dir', '..'); add('dir/escaped')"],
  ['a file over a symlink', "link('x', BASE + '/escaped'); add('x')"],
  ['a hard link to a file outside', "hard('h', BASE + '/victim'); add('h', b'overwritten')"],
])('nothing is written outside: %s', async (_, attack) => {
  writeFileSync(path('victim'), 'original');
  const script = `
import io, sys, tarfile
BASE = sys.argv[1]
t = tarfile.open(BASE + '/evil.tar', 'w')
def add(name, data=b'evil'):
    i = tarfile.TarInfo(name); i.size = len(data); t.addfile(i, io.BytesIO(data))
def link(name, target):
    i = tarfile.TarInfo(name); i.type = tarfile.SYMTYPE; i.linkname = target; t.addfile(i)
def hard(name, target):
    i = tarfile.TarInfo(name); i.type = tarfile.LNKTYPE; i.linkname = target; t.addfile(i)
${attack}
t.close()
`;
  execFileSync('python3', ['-c', script, base]);
  // Whether tar complains or quietly strips does not matter here.
  await unpack(path('evil.tar'), path('out')).catch((error: unknown) => expect(error).toMatchObject({ exitCode: 2 }));
  expect(existsSync(path('escaped'))).toBe(false);
  expect(existsSync(join(tmpdir(), 'escaped'))).toBe(false);
  expect(readFileSync(path('victim'), 'utf8')).toBe('original');
});

test('formats are told by their first bytes', () => {
  expect(detectFormat(Buffer.from('QFI\xfb\0\0\0\x03', 'latin1'))).toBe('qcow2');
  expect(detectFormat(Buffer.alloc(0))).toBe('unknown');
  expect(detectFormat(Buffer.from('BZ'))).toBe('unknown');
});

test('a compressor can have arguments, and its name is no path', async () => {
  expect((await compressor('zstd -19')).argv).toEqual(['zstd', '-c', '-T0', '-19']);
  expect((await compressor('brotli')).argv).toEqual(['brotli', '-c']);
  await expect(compressor('../bin/sh')).rejects.toThrow('is not the name of a compressor');
  await expect(compressor('-c')).rejects.toThrow('is not the name');
});

test('trees are packed under names of their own, whatever signs are in their paths', async () => {
  const odd = path('odd.[a]*,$&\\d');
  mkdirSync(join(odd, 'sub'), { recursive: true });
  writeFileSync(join(odd, 'sub/file'), 'text');
  linkSync(join(odd, 'sub/file'), join(odd, 'hard'));
  symlinkSync(join(odd, 'sub/file'), join(odd, 'soft'));
  writeFileSync(path('odd-first'), 'first');
  await packTrees(
    [
      { path: path('odd-first'), name: 'all/first' },
      { path: odd, name: 'all/b&c' },
    ],
    path('trees'),
    { compression: 'gzip' },
  );
  mkdirSync(path('unpacked'));
  await unpack(path('trees'), path('unpacked'), { below: 'all/b&c', exclude: ['all/b&c/soft'] });
  expect(readdirSync(path('unpacked')).sort()).toEqual(['hard', 'sub']);
  expect(statSync(path('unpacked/hard')).ino).toBe(statSync(path('unpacked/sub/file')).ino);
  mkdirSync(path('whole'));
  await unpack(path('trees'), path('whole'));
  expect(readlinkSync(path('whole/all/b&c/soft'))).toBe(join(odd, 'sub/file'));
  expect(execFileSync('tar', ['-tf', path('trees')], { encoding: 'utf8' }).split('\n')[0]).toBe('all/first');
});
