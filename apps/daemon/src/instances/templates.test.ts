import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { busyboxImage } from '@lxd-ts/tooling/images/busybox';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestDaemon, type TestDaemon } from '../testing/daemon.ts';

const binary = { 'content-type': 'application/octet-stream' };
const metadata = `architecture: x86_64
creation_date: 1700000000
properties:
  release: 1.10
templates:
  /new/dir/name:
    when: [create, copy, rename]
    template: name.tpl
    properties: {foo: bar}
  /etc/keep:
    when: [create]
    create_only: true
    template: name.tpl
  /etc/over:
    when: [create]
    template: name.tpl
  /etc/outside:
    when: [create]
    template: name.tpl
  /etc/started:
    when: [start]
    template: started.tpl
`;

let daemon: TestDaemon;
let outside: string;

beforeAll(async () => {
  daemon = await startTestDaemon();
  const folder = join(daemon.scratch, 'image');
  outside = join(daemon.scratch, 'outside');
  writeFileSync(outside, 'of the host');
  mkdirSync(folder);
  execFileSync('tar', ['-C', folder, '-xf', busyboxImage().unified]);
  writeFileSync(join(folder, 'metadata.yaml'), metadata);
  rmSync(join(folder, 'templates'), { recursive: true, force: true });
  mkdirSync(join(folder, 'templates'));
  writeFileSync(join(folder, 'templates/name.tpl'), '{{ trigger }} {{ instance.name }} {{ properties.foo }}\n');
  writeFileSync(join(folder, 'templates/started.tpl'), '{{ config_get("user.n", "none") }}');
  for (const name of ['keep', 'over']) writeFileSync(join(folder, 'rootfs/etc', name), 'old', { mode: 0o600 });
  execFileSync('chown', ['5:6', join(folder, 'rootfs/etc/over')]);
  // Where the link leads on the host must not matter.
  symlinkSync(outside, join(folder, 'rootfs/etc/outside'));
  const image = execFileSync('tar', ['-C', folder, '-cf', '-', 'metadata.yaml', 'templates', 'rootfs'], {
    maxBuffer: 1 << 28,
  });
  const { fingerprint } = (await daemon.run('POST', '/1.0/images', image, binary)) as { fingerprint: string };
  await daemon.run('POST', '/1.0/images/aliases', { name: 'templates', target: fingerprint });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const create = (name: string): Promise<unknown> =>
  daemon.run('POST', '/1.0/instances', { name, source: { type: 'image', alias: 'templates' } });
const state = (name: string, action: string): Promise<unknown> =>
  daemon.run('PUT', `/1.0/instances/${name}/state`, { action, force: true });
const volume = (name: string): string => join(daemon.folder, 'storage-pools/default/containers', name);
const read = (name: string, path: string): string => readFileSync(join(volume(name), 'rootfs', path), 'utf8');
const config = async (name: string): Promise<Record<string, string>> =>
  ((await daemon.run('GET', `/1.0/instances/${name}`)) as { config: Record<string, string> }).config;

test('[04.142 04.143 04.144 04.146 04.147 04.148 04.149 04.151 04.154 04.155] templates are written at the first start and at every start', async () => {
  await create('tpl-1');
  expect(await config('tpl-1')).toMatchObject({ 'volatile.apply_template': 'create' });
  expect(existsSync(join(volume('tpl-1'), 'rootfs/new'))).toBe(false);
  await state('tpl-1', 'start');
  expect(await config('tpl-1')).not.toHaveProperty('volatile.apply_template');
  expect(read('tpl-1', 'new/dir/name')).toBe('create tpl-1 bar\n');
  expect(read('tpl-1', 'etc/keep')).toBe('old');
  expect(read('tpl-1', 'etc/over')).toBe('create tpl-1 \n');
  expect(read('tpl-1', 'etc/started')).toBe('none');
  const root = statSync(join(volume('tpl-1'), 'rootfs'));
  const owner = (path: string) => {
    const { uid, gid, mode } = lstatSync(join(volume('tpl-1'), 'rootfs', path));
    return { uid: uid - root.uid, gid: gid - root.gid, mode: mode & 0o777 };
  };
  expect(owner('new/dir')).toEqual({ uid: 0, gid: 0, mode: 0o755 });
  expect(owner('new/dir/name')).toEqual({ uid: 0, gid: 0, mode: 0o644 });
  expect(owner('etc/over')).toEqual({ uid: 5, gid: 6, mode: 0o600 });
  expect(readFileSync(outside, 'utf8')).toBe('of the host');
  expect(read('tpl-1', 'etc/outside')).toBe('create tpl-1 \n');
  await state('tpl-1', 'stop');
  await daemon.run('PATCH', '/1.0/instances/tpl-1', { config: { 'user.n': '2' } });
  writeFileSync(join(volume('tpl-1'), 'rootfs/etc/over'), 'changed');
  await state('tpl-1', 'start');
  expect(read('tpl-1', 'etc/started')).toBe('2');
  expect(read('tpl-1', 'etc/over')).toBe('changed');
  await state('tpl-1', 'stop');
});

test('[04.145] copies get theirs', async () => {
  await create('tpl-5');
  await daemon.run('POST', '/1.0/instances', { name: 'tpl-6', source: { type: 'copy', source: 'tpl-5' } });
  await state('tpl-6', 'start');
  expect(read('tpl-6', 'new/dir/name')).toBe('copy tpl-6 bar\n');
  expect(read('tpl-6', 'etc/over')).toBe('old');
  await state('tpl-6', 'stop');
});

test('a broken template keeps the instance from starting and says which one', async () => {
  await create('tpl-2');
  writeFileSync(join(volume('tpl-2'), 'templates/started.tpl'), '{% bad %}');
  await expect(state('tpl-2', 'start')).rejects.toThrow(
    'Template "started.tpl" for "/etc/started" cannot be applied: Unknown template tag {% bad %}',
  );
});

test('[04.113 04.116] metadata is read, replaced and patched', async () => {
  await create('tpl-3');
  const at = '/1.0/instances/tpl-3/metadata';
  expect(await daemon.run('GET', at)).toMatchObject({
    architecture: 'x86_64',
    creation_date: 1700000000,
    expiry_date: 0,
    properties: { release: '1.10' },
    templates: { '/etc/started': { when: ['start'], create_only: false, template: 'started.tpl', properties: {} } },
  });
  await daemon.run('PATCH', at, { properties: { x: 'y' } });
  expect(await daemon.run('GET', at)).toMatchObject({ properties: { release: '1.10', x: 'y' } });
  await daemon.run('PUT', at, { architecture: 'x86_64' });
  expect(await daemon.run('GET', at)).toEqual({
    architecture: 'x86_64',
    creation_date: 0,
    expiry_date: 0,
    properties: {},
    templates: {},
  });
  await expect(daemon.run('GET', '/1.0/instances/nope/metadata')).rejects.toMatchObject({ status: 404 });
  await expect(daemon.run('PUT', at, { architecture: 'x86_64' }, { 'if-match': '"0"' })).rejects.toMatchObject({
    status: 412,
  });
});

test('[04.116] templates are listed, read, written and deleted, and nothing beside them', async () => {
  await create('tpl-4');
  const at = '/1.0/instances/tpl-4/metadata/templates';
  expect(await daemon.run('GET', at)).toEqual(['name.tpl', 'started.tpl']);
  await daemon.run('POST', `${at}?path=new.tpl`, Buffer.from('hi {{ path }}'), binary);
  const reply = await daemon.client.raw('GET', `${at}?path=new.tpl`);
  expect(reply.headers).toMatchObject({ 'content-type': 'application/octet-stream', 'content-length': '13' });
  expect(Buffer.concat(await reply.body.toArray()).toString()).toBe('hi {{ path }}');
  await daemon.run('DELETE', `${at}?path=new.tpl`);
  for (const method of ['GET', 'DELETE'])
    await expect(daemon.run(method, `${at}?path=new.tpl`)).rejects.toMatchObject({
      status: 404,
      message: 'Template "new.tpl" not found',
    });
  for (const path of ['../metadata.yaml', '..', 'a/b', 'x'.repeat(256)])
    await expect(daemon.run('POST', `${at}?path=${path}`, Buffer.from('x'), binary)).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('Invalid template filename'),
    });
  await expect(daemon.run('DELETE', at)).rejects.toThrow('missing path argument');
  symlinkSync('/etc/passwd', join(volume('tpl-4'), 'templates/link.tpl'));
  await expect(daemon.run('GET', `${at}?path=link.tpl`)).rejects.toMatchObject({ status: 404 });
});
