/** The images commands of Debian's client, as people type them. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { busyboxImage } from '@lxd-ts/tooling/images/busybox';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestDaemon, type TestDaemon } from '../testing/daemon.ts';

const program = '/usr/bin/lxc';
const run = promisify(execFile);
let daemon: TestDaemon;
let work: string;

/** Runs the client; it reads its input where that is no terminal, so there is always an end to it. */
const lxcWith = async (input: string, ...args: string[]): Promise<string> => {
  const env = { ...process.env, LXD_DIR: daemon.folder, LXD_CONF: join(daemon.scratch, 'conf') };
  const running = run(program, args, { env, cwd: work });
  running.child.stdin?.end(input);
  return (await running).stdout;
};
const lxc = (...args: string[]): Promise<string> => lxcWith('', ...args);

beforeAll(async () => {
  daemon = await startTestDaemon();
  work = join(daemon.scratch, 'work');
  mkdirSync(work);
});
afterAll(() => daemon[Symbol.asyncDispose]());

test.skipIf(!existsSync(program))(
  '[04.80 04.82 04.83 04.94 04.95 04.96 04.97 04.106 04.109 04.68 04.72] lxc imports, exports, publishes and edits images',
  async () => {
    const { unified, metadata, rootfs } = busyboxImage();
    expect(await lxc('image', 'import', unified, '--alias', 'one')).toMatch(
      /Image imported with fingerprint: [0-9a-f]{64}/,
    );
    await lxc('image', 'import', metadata, rootfs, '--alias', 'two', 'os=Two');
    await lxc('image', 'export', 'one', 'out');
    expect(readFileSync(join(work, 'out.tar.gz')).equals(readFileSync(unified))).toBe(true);
    await lxc('image', 'export', 'two', 'split');
    expect(readFileSync(join(work, 'split.root')).equals(readFileSync(rootfs))).toBe(true);
    const folder = join(work, 'folder');
    mkdirSync(folder);
    execFileSync('tar', ['-C', folder, '-xf', unified]);
    writeFileSync(join(folder, 'rootfs/etc/from'), 'a folder');
    await lxc('image', 'import', folder, '--alias', 'three');
    await lxc('init', 'two', 'img-lxc');
    await lxc('publish', 'img-lxc', '--alias', 'four', '--expire', '2040-01-01T00:00:00Z', '--public', 'os=Four');
    expect(await lxc('image', 'info', 'four')).toMatch(/Public: yes[\s\S]*Expires: 2040\/01\/01[\s\S]*os: Four/);
    await lxc('image', 'set-property', 'four', 'os', 'Five');
    expect(await lxc('image', 'get-property', 'four', 'os')).toBe('Five\n');
    expect(await lxc('image', 'list', 'os=Five', '-f', 'csv', '-c', 'l')).toBe('four\n');
    expect((await lxc('image', 'alias', 'list', '-f', 'csv')).split('\n').map((line) => line.split(',')[0])).toEqual([
      'four',
      'one',
      'three',
      'two',
      '',
    ]);
    await lxc('image', 'delete', 'four');
    await expect(lxc('image', 'info', 'four')).rejects.toThrow('not found');
    expect(await lxc('config', 'metadata', 'show', 'img-lxc')).toContain('architecture:');
  },
);

test.skipIf(!existsSync(program))('[04.116] lxc edits templates', async () => {
  await lxc('init', 'one', 'img-tpl');
  const at = '/1.0/instances/img-tpl/metadata/templates?path=a.tpl';
  await daemon.run('POST', at, Buffer.from(''), { 'content-type': 'application/octet-stream' });
  await lxcWith('text', 'config', 'template', 'edit', 'img-tpl', 'a.tpl');
  expect(await lxc('config', 'template', 'show', 'img-tpl', 'a.tpl')).toBe('text');
  expect(await lxc('config', 'template', 'list', 'img-tpl', '-f', 'csv')).toContain('a.tpl');
  await lxc('config', 'template', 'delete', 'img-tpl', 'a.tpl');
});
