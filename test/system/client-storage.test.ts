/** What our client does with volumes beyond what the reference's can, or more safely. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Lxd } from '../support/lxd.ts';
import { startInitialised } from '../support/preseed.ts';
import { ours, underTest } from '../support/programs.ts';

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startInitialised(underTest);
});
afterAll(() => lxd[Symbol.asyncDispose]());

const volume = (...args: string[]) => lxd.lxc(['--quiet', 'storage', 'volume', ...args], { client: ours.lxc });
const done = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await volume(...args);
  expect(code, `${args.join(' ')}: ${stderr}`).toBe(0);
  return stdout.trimEnd();
};
const refused = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await volume(...args);
  expect(code, args.join(' ')).toBe(1);
  return stderr;
};
const list = (...filters: string[]) =>
  done('list', 'default', 'type=custom', ...filters, '--format=csv', '--columns=nt');

test('snapshots stand below their volumes, in the order of their numbers', async () => {
  for (const name of ['v10', 'v2']) await done('create', 'default', name);
  for (const name of ['s10', 's2']) await done('snapshot', 'default', 'v2', name);
  const expected = ['v2,custom', 'v2/s2,custom (snapshot)', 'v2/s10,custom (snapshot)', 'v10,custom'];
  expect((await list()).split('\n')).toEqual(expected);
  expect(await done('list', 'default', '--format=csv', '--columns=tn')).toMatch(
    /custom,v2\ncustom \(snapshot\),v2\/s2\ncustom \(snapshot\),v2\/s10\ncustom,v10$/,
  );
});

test('lists can be narrowed by name, by any field and by settings', async () => {
  await done('set', 'default', 'v10', 'user.shelf=3');
  expect(await list('v1')).toBe('v10,custom');
  expect(await list('content_type=filesystem', 'user.shelf=3')).toBe('v10,custom');
  expect(await list('name=v2,v10')).toBe('v2,custom\nv10,custom');
  expect(await list('nothing')).toBe('');
});

test('a copy of a snapshot has its settings, and snapshots are refused where only volumes fit', async () => {
  await done('set', 'default', 'v2', 'user.note=before');
  await done('snapshot', 'default', 'v2', 'marked');
  await done('set', 'default', 'v2', 'user.note=after');
  await done('copy', 'default/v2/marked', 'default/past');
  expect(await done('get', 'default', 'past', 'user.note')).toBe('before');

  expect(await refused('attach', 'default', 'v2/marked', 'nobody', '/x')).toContain('A snapshot cannot be attached');
  expect(await refused('export', 'default', 'v2/marked', '-')).toContain('A snapshot cannot be exported');
  expect(await refused('move', 'default/v2/marked', 'default/x')).toContain('A snapshot cannot be moved');
  expect(await refused('copy', 'default/v2', 'default/x/y')).toContain('may not contain slashes');
  expect(await refused('set', 'default', 'v2/marked', 'user.x=1')).toContain('Snapshots are read-only');
});

test('an ISO file becomes a volume, told by --type or by its name', async ({ skip }) => {
  if (underTest.lxd !== ours.lxd) skip('LXD 5.0 does not know ISO volumes');
  const file = join(lxd.scratch.folder, 'install.iso');
  writeFileSync(file, Buffer.alloc(1 << 20, 'iso'));
  const plain = join(lxd.scratch.folder, 'image');
  writeFileSync(plain, Buffer.alloc(1 << 20, 'iso'));
  await done('import', 'default', file, 'by-name');
  await done('import', 'default', plain, 'by-type', '--type', 'iso');
  const found = await done('list', 'default', 'content_type=iso', '--format=csv', '--columns=nc');
  expect(found).toBe('by-name,iso\nby-type,iso');
  expect(await refused('import', 'default', file)).toContain('requires a volume name');
  expect(await refused('import', 'default', file, 'x', '--type', 'odd')).toContain('"backup" or "iso"');
});
