import { mkdir, open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSparseFile } from '@lxd-ts/host';
import { expect, it } from 'vitest';
import { testContext } from '../testing/context.ts';
import { expectKind, MiB } from '../testing/storage/helpers.ts';
import { exchangeDirectories } from './exchange-directories.ts';
import { copyRawDisk, growRawDisk } from './raw-disk.ts';

it('[05.96 05.98] a raw disk grows and does not shrink', async () => {
  await using context = await testContext('raw-disk');
  const path = join(context.directory, 'disk');
  await createSparseFile(path, MiB);
  await growRawDisk(path, 3 * MiB);
  await growRawDisk(path, 3 * MiB);
  expect((await stat(path)).size).toBe(3 * MiB);
  await expectKind(growRawDisk(path, MiB), 'bad-request');
});

it('a disk is copied between files and devices, with holes where it is empty', async () => {
  await using context = await testContext('raw-disk');
  const source = join(context.directory, 'source');
  await createSparseFile(source, 32 * MiB);
  {
    await using file = await open(source, 'r+');
    await file.write('boot', 0);
    await file.write('end', 32 * MiB - 3);
    await file.write(Buffer.alloc(8 * MiB), 0, 8 * MiB, 4 * MiB);
  }
  const [device, copy, fromDevice] = [
    await context.blockDevice(32 * MiB),
    join(context.directory, 'copy'),
    join(context.directory, 'from-device'),
  ];
  await writeFile(copy, 'longer than nothing');
  await copyRawDisk(source, copy);
  const seen: number[] = [];
  await copyRawDisk(source, device, { progress: ({ bytes = 0 }) => seen.push(bytes) });
  await copyRawDisk(device, fromDevice);
  const expected = await readFile(source);
  for (const path of [copy, fromDevice]) {
    expect(expected.equals(await readFile(path))).toBe(true);
    expect((await stat(path)).blocks * 512).toBeLessThan(2 * MiB);
  }
  expect(seen.at(-1)).toBe(32 * MiB);
});

it('two directories change places', async () => {
  await using context = await testContext('exchange');
  const [a, b] = [join(context.directory, 'a'), join(context.directory, 'b')];
  await mkdir(a);
  await mkdir(b);
  await writeFile(join(a, 'was-a'), '');
  await exchangeDirectories(a, b);
  expect((await stat(join(b, 'was-a'))).isFile()).toBe(true);
  await expect(stat(join(a, 'was-a'))).rejects.toThrow('ENOENT');
});
