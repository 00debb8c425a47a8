/** Third-party drivers in a running daemon: the plug-in of `test/plugins`, and broken ones beside it. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Lxd } from '../support/lxd.ts';
import { startInitialised } from '../support/preseed.ts';
import { underTest } from '../support/programs.ts';

let lxd: Lxd;

const plugins = () => join(lxd.folder, 'plugins');

const writePlugin = (name: string, code: string): void => {
  const folder = join(plugins(), name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, type: 'module', main: 'index.js' }));
  writeFileSync(join(folder, 'index.js'), code);
};

const lxc = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await lxd.lxc(args);
  if (code !== 0) throw new Error(`lxc ${args.join(' ')}: ${stderr}`);
  return stdout;
};

beforeAll(async () => {
  lxd = await startInitialised(underTest);
  await lxd.stop();
  symlinkSync(fileURLToPath(new URL('../plugins/overlay-storage', import.meta.url)), join(plugins(), 'overlay'));
  writePlugin('throws', 'throw new Error("broken at the root");');
  writePlugin('old', 'export default { name: "old", contract: 0, drivers: [{ kind: "storage" }] };');
  writePlugin('half', 'export default { name: "half", contract: 1, drivers: [{ kind: "storage", name: "half" }] };');
  await lxd.start();
});
afterAll(() => lxd[Symbol.asyncDispose]());

test('a plug-in beside the daemon brings a storage driver that holds running containers', async () => {
  await lxc('storage', 'create', 'layers', 'overlay');
  await lxc('launch', 'busybox', 'c1', '--storage', 'layers');
  await lxc('exec', 'c1', '--', 'sh', '-c', 'echo kept > /root/file');
  await lxc('snapshot', 'c1', 'before');
  await lxc('exec', 'c1', '--', 'rm', '/root/file');
  await lxc('copy', 'c1/before', 'c2');
  await lxc('start', 'c2');
  expect(await lxc('exec', 'c2', '--', 'cat', '/root/file')).toBe('kept\n');
  await lxc('restore', 'c1', 'before');
  expect(await lxc('exec', 'c1', '--', 'cat', '/root/file')).toBe('kept\n');
  await lxc('delete', '--force', 'c1', 'c2');
  await lxc('storage', 'delete', 'layers');
});

test('a broken plug-in is refused with the reason, and the daemon runs on', async () => {
  expect(lxd.log()).toContain('broken at the root');
  expect(lxd.log()).toContain('is written for contract version 0; this daemon has 1');
  expect(lxd.log()).toMatch(/Plug-in .*half.*poolConfig/s);
  expect((await lxd.lxc(['storage', 'create', 'x', 'half'])).stderr).toContain(
    'Unknown storage driver "half": use one of',
  );
});

test('a pool holds what its driver says; what its driver does not hold is refused', async () => {
  await lxc('storage', 'create', 'some', 'overlay');
  await lxc('storage', 'volume', 'create', 'some', 'v1');
  const fails = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await lxd.lxc(args);
    expect(code, args.join(' ')).not.toBe(0);
    return stderr;
  };
  const refusal = 'cannot hold custom volumes with content type';
  expect(await fails('storage', 'volume', 'create', 'some', 'v2', '--type=block')).toContain(`${refusal} block`);
  const headers = { 'content-type': 'application/octet-stream', 'X-LXD-name': 'v2', 'X-LXD-type': 'iso' };
  await expect(
    lxd.api('POST', '/1.0/storage-pools/some/volumes/custom', Buffer.alloc(2048), { headers }),
  ).rejects.toThrow(`${refusal} iso`);
  await expect(lxd.api('POST', '/1.0/storage-pools/some/buckets', { name: 'objects' })).rejects.toMatchObject({
    code: 400,
  });
  expect(await lxd.api('GET', '/1.0/storage-pools/some/volumes')).toEqual([
    '/1.0/storage-pools/some/volumes/custom/v1',
  ]);
  await lxc('storage', 'volume', 'delete', 'some', 'v1');
  await lxc('storage', 'delete', 'some');
});
