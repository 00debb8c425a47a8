import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { attachLoop, createSparseFile, detachLoop, findLoops, keepLoop, listLoops, resizeLoop } from './loop.ts';
import { mount, unmountAll } from './mount.ts';
import { run } from './run.ts';

const MiB = 1 << 20;
let base: string;
let file: string;

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'host-loop-'));
  file = join(base, 'disk.img');
  await createSparseFile(file, 64 * MiB);
});
afterEach(async () => {
  await unmountAll(base);
  for (const { path } of findLoops(file)) await detachLoop(path);
  rmSync(base, { recursive: true });
});

const sectors = (path: string) => Number(readFileSync(`/sys/block/${basename(path)}/size`, 'utf8'));

test('a sparse file has its size, takes no space, and replaces none', async () => {
  const { size, blocks, mode } = statSync(file);
  expect({ size, blocks, mode: mode & 0o777 }).toEqual({ size: 64 * MiB, blocks: 0, mode: 0o600 });
  await expect(createSparseFile(file, 1)).rejects.toMatchObject({ code: 'EEXIST' });
  const large = join(base, 'large');
  await expect(createSparseFile(large, 2 ** 52)).rejects.toMatchObject({ code: 'EFBIG' });
  expect(() => statSync(large)).toThrow('ENOENT');
});

test('a file is attached, found, and detached', async () => {
  {
    await using loop = await attachLoop(file);
    expect(sectors(loop.path)).toBe((64 * MiB) / 512);
    expect(findLoops(file)).toEqual([
      { path: loop.path, backingFile: file, readOnly: false, autoclear: false, directIo: false },
    ]);
    expect(listLoops().map(({ path }) => path)).toContain(loop.path);
  }
  expect(findLoops(file)).toEqual([]);
  await detachLoop('/dev/loop0-none');
});

test('read-only attachments refuse to be written', async () => {
  await using loop = await attachLoop(file, { readOnly: true });
  expect(findLoops(file)[0]?.readOnly).toBe(true);
  expect(() => writeFileSync(loop.path, 'x')).toThrow(/EPERM|EROFS|EACCES/);
});

test('with autoclear the device goes with its last mount', async () => {
  mkdirSync(join(base, 'mnt'));
  await run(['mkfs.ext4', '-q', file]);
  {
    await using loop = await attachLoop(file, { autoclear: true });
    await mount(loop.path, join(base, 'mnt'), { type: 'ext4' });
  }
  expect(findLoops(file)).toMatchObject([{ autoclear: true }]);
  await unmountAll(base);
  await expect.poll(() => findLoops(file)).toEqual([]);
});

test('a device that is to go with its last user is kept, unless it has gone', async () => {
  const { path } = await attachLoop(file);
  const user = openSync(path, 'r');
  await detachLoop(path);
  expect(findLoops(file)).toMatchObject([{ path, autoclear: true }]);
  expect(await keepLoop(path)).toBe(true);
  closeSync(user);
  expect(findLoops(file)).toMatchObject([{ path, autoclear: false }]);
  await detachLoop(path);
  expect(await keepLoop(path)).toBe(false);
});

test('a grown file makes a larger device', async () => {
  await using loop = await attachLoop(file);
  truncateSync(file, 96 * MiB);
  await resizeLoop(loop.path);
  expect(sectors(loop.path)).toBe((96 * MiB) / 512);
});

test('direct I/O is on when asked for', async () => {
  await using _ = await attachLoop(file, { directIo: true });
  expect(findLoops(file)[0]?.directIo).toBe(true);
});

test('many attachments at once get a device each', async () => {
  const files = Array.from({ length: 8 }, (_, index) => join(base, `${index}.img`));
  const loops = await Promise.all(
    files.map(async (each) => {
      await createSparseFile(each, MiB);
      return attachLoop(each);
    }),
  );
  expect(new Set(loops.map(({ path }) => path)).size).toBe(8);
  for (const loop of loops) await loop[Symbol.asyncDispose]();
  expect(listLoops().filter(({ backingFile }) => backingFile.startsWith(base))).toEqual([]);
});
