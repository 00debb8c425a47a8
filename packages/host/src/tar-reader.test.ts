import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tarMembers } from './tar-reader.ts';

let folder: string;
const path = (name: string): string => join(folder, name);
const long = `${'d'.repeat(90)}/${'f'.repeat(90)}`;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tar-reader-'));
  mkdirSync(path(`tree/${'d'.repeat(90)}`), { recursive: true });
  writeFileSync(path('tree/a'), 'one');
  writeFileSync(path('tree/b'), Buffer.alloc(200_000, 'b'));
  writeFileSync(path(`tree/${long}`), '');
  writeFileSync(path('tree/holes'), '');
  truncateSync(path('tree/holes'), 1 << 20);
});
afterAll(() => rmSync(folder, { recursive: true }));

const pack = (...options: string[]): string => {
  const file = path('archive');
  execFileSync('tar', ['-C', path('tree'), '-cf', file, '--sort=name', ...options, '.']);
  return file;
};
const list = async (file: string): Promise<[string, boolean][]> => {
  const members: [string, boolean][] = [];
  for await (const { name, isFile } of tarMembers(file)) members.push([name, isFile]);
  return members;
};

test.each([
  { options: ['--format=ustar'] },
  { options: ['--format=ustar', '--gzip'] },
  { options: ['--format=ustar', '--zstd'] },
  { options: ['--format=ustar', '--xz'] },
  { options: ['--format=ustar', '--bzip2'] },
])('lists an archive made with $options', async ({ options }) => {
  expect(await list(pack(...options))).toEqual([
    ['', false],
    ['a', true],
    ['b', true],
    [`${'d'.repeat(90)}/`, false],
    [long, true],
    ['holes', true],
  ]);
});

test('files with holes have their own names', async () => {
  const names = (await list(pack('--format=posix', '--sparse'))).filter(([, isFile]) => isFile).map(([name]) => name);
  expect(names).toContain('holes');
});

test('reads what is asked for, and stops where it is told', async () => {
  let text = '';
  for await (const { name, size, read } of tarMembers(pack('--gzip'))) {
    if (name === 'b') text = (await read()).toString();
    if (name === 'b') expect(size).toBe(200_000);
    if (name === 'holes') break;
  }
  expect(text).toBe('b'.repeat(200_000));
});

test('an archive that is cut off, and what is none', async () => {
  const file = pack();
  truncateSync(file, 4_000);
  const reading = async (): Promise<void> => {
    for await (const { name, read } of tarMembers(file)) if (name === 'b') await read();
  };
  await expect(reading()).rejects.toThrow('ends in the middle of b');
  const zipped = pack('--gzip');
  writeFileSync(zipped, readFileSync(zipped).subarray(0, 100));
  await expect(list(zipped)).rejects.toThrow('unexpected end of file');
  const other = pack('--xz');
  writeFileSync(other, readFileSync(other).subarray(0, 100));
  await expect(list(other)).rejects.toThrow('Unexpected end of input');
  writeFileSync(path('text'), 'text');
  await expect(list(path('text'))).rejects.toThrow('is no archive');
});
