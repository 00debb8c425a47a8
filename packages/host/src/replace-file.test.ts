import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readOptional, replaceFile } from './replace-file.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'replace-'));
});
afterEach(() => rmSync(root, { recursive: true }));

test('a file is the old or the new one, never half of it, and what a crash left does not matter', async () => {
  const file = join(root, 'file');
  expect(await readOptional(file)).toBeUndefined();
  const texts = ['a', 'b'].map((letter) => letter.repeat(3_000_000));
  await replaceFile(file, texts[0] ?? '', 0o600);
  writeFileSync(`${file}.new`, 'half of it');
  let done = false;
  const replacing = (async () => {
    for (let at = 0; at < 20; at++) await replaceFile(file, texts[at % 2] ?? '', 0o600);
    done = true;
  })();
  while (!done) expect(texts).toContain(await readOptional(file));
  await replacing;
  expect(readFileSync(file, 'utf8')).toBe(texts[1]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(root)).toEqual(['file']);
});
