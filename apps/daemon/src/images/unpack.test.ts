import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { makeScratch } from '@lxd-ts/tooling/scratch';
import { expect, test } from 'vitest';
import { imageFiles } from './files.ts';
import { unpackImage } from './unpack.ts';

const mib = 1024 * 1024;

test.each([
  ['split', true],
  ['unified', false],
])('[04.127 04.129] the disk of a %s image is written onto the volume of a virtual machine', async (_name, split) => {
  await using scratch = makeScratch();
  const folder = join(scratch.folder, 'image');
  const images = join(scratch.folder, 'images');
  const volume = join(scratch.folder, 'volume');
  for (const path of [folder, images, volume]) mkdirSync(path);
  const content = Buffer.alloc(2 * mib, 'disk content ');
  writeFileSync(join(folder, 'raw'), content);
  execFileSync('qemu-img', ['convert', '-c', '-O', 'qcow2', join(folder, 'raw'), join(folder, 'rootfs.img')]);
  writeFileSync(join(folder, 'metadata.yaml'), 'architecture: x86_64\ncreation_date: 1700000000\n');
  const { main, rootfs } = imageFiles(images, 'f00');
  execFileSync('tar', ['-C', folder, '-cJf', main, 'metadata.yaml', ...(split ? [] : ['rootfs.img'])]);
  if (split) execFileSync('cp', [join(folder, 'rootfs.img'), rootfs]);
  const disk = join(volume, 'root.img');
  writeFileSync(disk, '');
  truncateSync(disk, 10 * mib);
  // The volume of the test has the disk beside the files, as pools of directories do.
  const mounted = { path: join(volume, 'files'), disk, [Symbol.asyncDispose]: () => Promise.resolve() };
  mkdirSync(mounted.path);
  const image = {
    directory: images,
    fingerprint: 'f00',
    isSplit: split,
    type: 'virtual-machine',
    isRepeated: false,
  } as const;
  await unpackImage(image)(mounted, {});
  const written = readFileSync(disk);
  expect(written.length).toBe(10 * mib);
  expect(written.subarray(0, content.length).equals(content)).toBe(true);
  expect(written.subarray(content.length).every((byte) => byte === 0)).toBe(true);
  expect(existsSync(join(mounted.path, 'metadata.yaml'))).toBe(true);
  expect(existsSync(join(mounted.path, 'rootfs.img'))).toBe(false);
});

const nothing = { [Symbol.asyncDispose]: () => Promise.resolve() };

test('a small tarball unpacked again is kept decompressed; one that is not small when unpacked is not', async () => {
  await using scratch = makeScratch();
  const images = join(scratch.folder, 'images');
  for (const [fingerprint, size] of [
    ['a11', 1000],
    ['b16', 300 * mib],
  ] as const) {
    const folder = join(scratch.folder, fingerprint);
    mkdirSync(join(folder, 'rootfs'), { recursive: true });
    mkdirSync(images, { recursive: true });
    writeFileSync(join(folder, 'metadata.yaml'), 'architecture: x86_64\ncreation_date: 1700000000\n');
    writeFileSync(join(folder, 'rootfs/zeros'), '');
    truncateSync(join(folder, 'rootfs/zeros'), size);
    execFileSync('tar', ['-C', folder, '-I', 'zstd -1', '-cf', join(images, fingerprint), 'metadata.yaml', 'rootfs']);
    const image = { directory: images, fingerprint, isSplit: false, type: 'container' } as const;
    for (const isRepeated of [false, true, true]) {
      const path = join(scratch.folder, 'volume');
      mkdirSync(path);
      await unpackImage({ ...image, isRepeated })({ path, ...nothing }, {});
      expect(statSync(join(path, 'rootfs/zeros')).size).toBe(size);
      rmSync(path, { recursive: true });
      expect(existsSync(join(images, `${fingerprint}.tar`))).toBe(isRepeated && size === 1000);
    }
  }
  expect(readdirSync(images).sort()).toEqual(['a11', 'a11.tar', 'b16']);
});
