import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';

const root = join(import.meta.dirname, '..');
const folders = ['packages', 'apps'].flatMap((parent) =>
  readdirSync(join(root, parent)).map((name) => `${parent}/${name}`),
);
const target = z.union([z.string(), z.record(z.string(), z.string())]);
const manifest = z.looseObject({
  exports: z.record(z.string(), target).default({}),
  bin: z.record(z.string(), z.string()).default({}),
  dependencies: z.record(z.string(), z.string()).default({}),
});

test.each(folders)('what is published of %s has all that it points to', (folder) => {
  const scratch = mkdtempSync(join(tmpdir(), 'lxd-ts-pack-'));
  try {
    const pnpm = join(root, 'node_modules/.bin/pnpm');
    execFileSync(pnpm, ['pack', '--pack-destination', scratch], { cwd: join(root, folder), stdio: 'pipe' });
    const [tarball = ''] = readdirSync(scratch);
    const tar = (...args: string[]) => execFileSync('tar', [...args], { cwd: scratch, encoding: 'utf8' });
    const files = tar('-tf', tarball).split('\n');
    const { exports, bin, dependencies } = manifest.parse(JSON.parse(tar('-xOf', tarball, 'package/package.json')));
    const targets = Object.values(exports).flatMap((one) => (typeof one === 'string' ? [one] : Object.values(one)));
    for (const file of [...targets, ...Object.values(bin), 'README.md']) {
      expect(files).toContain(join('package', file));
    }
    for (const range of Object.values(dependencies)) expect(range).not.toContain(':');
  } finally {
    rmSync(scratch, { recursive: true });
  }
});
