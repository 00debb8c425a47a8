import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { openDatabases } from '@lxd-ts/database';
import { busyboxImage } from '@lxd-ts/tooling/images/busybox';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestDaemon, type TestDaemon } from '../testing/daemon.ts';
import { createImageStore } from './store.ts';

const binary = { 'content-type': 'application/octet-stream' };
let daemon: TestDaemon;
let work: string;
let serial = 0;

beforeAll(async () => {
  daemon = await startTestDaemon();
  work = join(daemon.scratch, 'work');
  mkdirSync(work);
});
afterAll(() => daemon[Symbol.asyncDispose]());

const sha256 = (...parts: Buffer[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

/** A tiny image of its own fingerprint: metadata and a root with one file. */
const tree = (metadata = '', rootfs: (path: string) => void = () => undefined): string => {
  const folder = join(work, `tree${++serial}`);
  mkdirSync(join(folder, 'rootfs/etc'), { recursive: true });
  writeFileSync(join(folder, 'rootfs/etc/serial'), String(serial));
  writeFileSync(
    join(folder, 'metadata.yaml'),
    `architecture: x86_64\ncreation_date: 17000000${String(serial).padStart(2, '0')}\nproperties:\n  release: 1.10\n${metadata}`,
  );
  rootfs(join(folder, 'rootfs'));
  return folder;
};

const pack = (
  folder: string,
  flags: readonly string[],
  members: readonly string[] = ['metadata.yaml', 'rootfs'],
): Buffer => execFileSync('tar', ['-C', folder, ...flags, '-cf', '-', ...members], { maxBuffer: 1 << 28 });

const upload = async (body: Buffer, headers: Record<string, string> = {}): Promise<{ fingerprint: string }> =>
  (await daemon.run('POST', '/1.0/images', body, { ...binary, ...headers })) as { fingerprint: string };

const image = async (fingerprint: string): Promise<Record<string, unknown>> =>
  (await daemon.client.get<Record<string, unknown>>(['images', fingerprint])).value;

const rawExport = async (fingerprint: string) => {
  const reply = await daemon.client.raw('GET', `/1.0/images/${fingerprint}/export`);
  const chunks: Buffer[] = [];
  for await (const chunk of reply.body) chunks.push(chunk);
  return { headers: reply.headers, status: reply.status, body: Buffer.concat(chunks) };
};

const leftovers = (): string[] =>
  readdirSync(join(daemon.folder, 'images')).filter((name) => name.startsWith('upload-'));

test.each([
  ['tar', []],
  ['gzip', ['-z']],
  ['xz', ['-J']],
  ['bzip2', ['-j']],
  ['zstd', ['--zstd']],
  ['lzma', ['--lzma']],
])(
  '[04.4 04.5 04.94 04.134 04.140] a unified %s image is imported, unpacked and exported byte for byte',
  async (name, flags) => {
    const body = pack(tree(), flags);
    const { fingerprint } = await upload(body, { 'x-lxd-filename': 'my.tar', 'x-lxd-properties': 'foo=bar&a=b+c' });
    expect(fingerprint).toBe(sha256(body));
    expect(await image(fingerprint)).toMatchObject({
      type: 'container',
      architecture: 'x86_64',
      filename: 'my.tar',
      size: body.length,
      properties: { foo: 'bar', a: 'b c', release: '1.10' },
      profiles: ['default'],
    });
    const exported = await rawExport(fingerprint);
    expect(exported.body.equals(body)).toBe(true);
    expect(exported.headers['content-disposition']).toMatch(`inline;filename=${fingerprint}.tar`);
    const source = { type: 'image', fingerprint };
    await daemon.run('POST', '/1.0/instances', { name: `img-${name}`, source });
    expect(
      readFileSync(join(daemon.folder, `storage-pools/default/containers/img-${name}/rootfs/etc/serial`), 'utf8'),
    ).toBe(String(serial));
  },
);

const boundary = 'XXX';
const multipart = (parts: readonly (readonly [string, string, Buffer])[]): Buffer =>
  Buffer.concat([
    ...parts.flatMap(([name, filename, content]) => [
      Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
      ),
      content,
      Buffer.from('\r\n'),
    ]),
    Buffer.from(`--${boundary}--\r\n`),
  ]);
const multipartType = { 'content-type': `multipart/form-data; boundary=${boundary}` };

test('[04.6 04.84 04.95 04.136 04.138 04.141] a split image with a squashfs comes in as multipart, and goes out the same', async () => {
  const { metadata, rootfs } = busyboxImage();
  const parts = [readFileSync(metadata), readFileSync(rootfs)] as const;
  const body = multipart([
    ['metadata', 'meta.tar.xz', parts[0]],
    ['rootfs', 'root.squashfs', parts[1]],
  ]);
  const { fingerprint } = await upload(body, multipartType);
  expect(fingerprint).toBe(sha256(...parts));
  expect(await image(fingerprint)).toMatchObject({ filename: 'root.squashfs', type: 'container' });
  const exported = await rawExport(fingerprint);
  expect(exported.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/);
  for (const part of parts) expect(exported.body.includes(part)).toBe(true);
  expect(exported.body.toString('latin1')).toContain(`name="rootfs"; filename="${fingerprint}.squashfs"`);
  // What was exported can be imported: same fingerprint.
  await daemon.run('DELETE', `/1.0/images/${fingerprint}`);
  const again = await upload(exported.body, { 'content-type': exported.headers['content-type'] ?? '' });
  expect(again.fingerprint).toBe(fingerprint);
  await daemon.run('POST', '/1.0/instances', { name: 'img-split', source: { type: 'image', fingerprint } });
  expect(existsSync(join(daemon.folder, 'storage-pools/default/containers/img-split/rootfs/bin/busybox'))).toBe(true);
  const wrongOrder = multipart([
    ['rootfs', 'r', parts[1]],
    ['metadata', 'm', parts[0]],
  ]);
  await expect(upload(wrongOrder, multipartType)).rejects.toThrow('Invalid multipart image');
  await expect(upload(wrongOrder, { 'content-type': 'multipart/form-data' })).rejects.toMatchObject({ status: 400 });
  await expect(upload(body.subarray(0, 1000), multipartType)).rejects.toMatchObject({ status: 400 });
  expect(leftovers()).toEqual([]);
});

test('[04.129 04.9] a split image with a qcow2 disk is that of a virtual machine', async () => {
  const disk = Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), Buffer.alloc(1020)]);
  const body = multipart([
    ['metadata', 'm.tar', pack(tree(), [], ['metadata.yaml'])],
    ['rootfs.img', 'd.qcow2', disk],
  ]);
  const { fingerprint } = await upload(body, multipartType);
  expect(await image(fingerprint)).toMatchObject({ type: 'virtual-machine' });
  expect((await rawExport(fingerprint)).body.toString('latin1')).toContain('name="rootfs.img"');
});

test('[04.172 04.130 04.169] what is not as announced, or no image, is refused and leaves nothing', async () => {
  const before = await daemon.client.get<string[]>(['images']);
  const body = pack(tree(), ['-z']);
  await expect(upload(body, { 'x-lxd-fingerprint': 'abcd' })).rejects.toMatchObject({
    message: `fingerprints don't match, got ${sha256(body)} expected abcd`,
    statusCode: 400,
  });
  await expect(upload(Buffer.from('no image at all'))).rejects.toThrow('Unsupported compression');
  await expect(upload(body.subarray(0, 60))).rejects.toThrow(/cannot be read|metadata.yaml/);
  const folder = tree();
  writeFileSync(join(folder, 'metadata.yaml'), 'architecture: x86_64\n');
  await expect(upload(pack(folder, []))).rejects.toThrow('creation_date is missing');
  writeFileSync(join(folder, 'metadata.yaml'), 'creation_date: 5\n');
  await expect(upload(pack(folder, []))).rejects.toThrow('architecture is missing');
  await expect(upload(pack(tree(), [], ['rootfs']))).rejects.toThrow('no metadata.yaml');
  await expect(upload(pack(tree(), [], ['metadata.yaml']))).rejects.toThrow('neither rootfs/ nor rootfs.img');
  expect((await daemon.client.get<string[]>(['images'])).value).toEqual(before.value);
  expect(leftovers()).toEqual([]);
});

test('[04.104] an upload that breaks off leaves nothing', async () => {
  const socket = connectSocket(join(daemon.folder, 'unix.socket'));
  socket.write(
    'POST /1.0/images HTTP/1.1\r\nHost: lxd\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\npartial',
  );
  await expect.poll(leftovers).toHaveLength(1);
  socket.destroy();
  await expect.poll(leftovers).toEqual([]);
});

test('[04.104] the same image twice is a conflict, and an image deleted can come again', async () => {
  const body = pack(tree(), []);
  const { fingerprint } = await upload(body, { 'x-lxd-public': '1' });
  expect(await image(fingerprint)).toMatchObject({ public: true });
  await expect(upload(body)).rejects.toThrow('Image with same fingerprint already exists');
  await daemon.run('DELETE', `/1.0/images/${fingerprint.slice(0, 12)}`);
  expect(existsSync(join(daemon.folder, 'images', fingerprint))).toBe(false);
  await upload(body);
});

test('[04.11] links in place of what belongs to LXD are refused, other files at the top are dropped', async () => {
  const folder = tree();
  writeFileSync(join(folder, 'backup.yaml'), 'x');
  const { fingerprint } = await upload(pack(folder, [], ['metadata.yaml', 'rootfs', 'backup.yaml']));
  await daemon.run('POST', '/1.0/instances', { name: 'img-top', source: { type: 'image', fingerprint } });
  const volume = join(daemon.folder, 'storage-pools/default/containers/img-top');
  expect(readFileSync(join(volume, 'backup.yaml'), 'utf8')).not.toBe('x');
  const hostile = tree();
  symlinkSync('/etc', join(hostile, 'templates'));
  const other = await upload(pack(hostile, [], ['metadata.yaml', 'rootfs', 'templates']));
  const source = { type: 'image', fingerprint: other.fingerprint };
  await expect(daemon.run('POST', '/1.0/instances', { name: 'img-evil', source })).rejects.toThrow(
    'templates must be a directory',
  );
  expect(existsSync(join(daemon.folder, 'storage-pools/default/containers/img-evil'))).toBe(false);
});

test('[04.8 04.74 04.75 04.76 04.78 04.161] aliases may hold slashes; they are made, changed, renamed and deleted', async () => {
  const { fingerprint } = await upload(pack(tree(), []));
  const other = await upload(pack(tree(), []));
  const { run, client } = daemon;
  const body = { name: 'os/1.0', description: 'd', target: fingerprint.slice(0, 12) };
  await run('POST', '/1.0/images/aliases', body);
  const at = '/1.0/images/aliases/os%2F1.0';
  expect(await run('GET', at)).toEqual({ name: 'os/1.0', description: 'd', target: fingerprint, type: 'container' });
  expect(await run('GET', '/1.0/images/aliases/os/1.0')).toMatchObject({ name: 'os/1.0' });
  await expect(run('POST', '/1.0/images/aliases', body)).rejects.toMatchObject({
    status: 409,
    message: 'Alias "os/1.0" already exists',
  });
  await expect(run('POST', '/1.0/images/aliases', { name: 'x', target: 'beef' })).rejects.toMatchObject({
    status: 404,
  });
  await expect(run('POST', '/1.0/images/aliases', { name: '' })).rejects.toThrow('name and target are required');
  await run('PATCH', at, { target: other.fingerprint });
  expect(await image(other.fingerprint)).toMatchObject({ aliases: [{ name: 'os/1.0', description: 'd' }] });
  await run('POST', at, { name: 'os/2.0' });
  await expect(client.get(['images', 'aliases', 'os/1.0'])).rejects.toMatchObject({ status: 404 });
  await run('DELETE', '/1.0/images/aliases/os%2F2.0');
  expect(await image(other.fingerprint)).toMatchObject({ aliases: [] });
  const actions = daemon.lifecycle().filter(({ action }) => action.startsWith('image-alias'));
  expect(actions.map(({ action, context }) => [action, context])).toEqual([
    ['image-alias-created', { target: fingerprint }],
    ['image-alias-updated', { target: other.fingerprint }],
    ['image-alias-renamed', { old_name: 'os/1.0' }],
    ['image-alias-deleted', undefined],
  ]);
});

test('[04.107 04.109 04.111 04.115 04.133] publishing packs a stopped instance, with the compression asked for', async () => {
  const { fingerprint } = await upload(pack(tree(), []));
  await daemon.run('POST', '/1.0/instances', { name: 'img-pub', source: { type: 'image', fingerprint } });
  const source = { type: 'instance', name: 'img-pub' };
  for (const [compression_algorithm, magic, at] of [
    ['gzip', '1f8b', 0],
    ['bzip2', '425a', 0],
    ['xz', 'fd37', 0],
    ['lzma', '5d00', 0],
    ['zstd', '28b5', 0],
    ['none', '7573746172', 257],
    ['squashfs', '6873', 0],
  ] as const) {
    const aliases = [{ name: `pub-${compression_algorithm}`, description: 'p' }];
    const properties = { p: compression_algorithm };
    const expires_at = '2040-01-01T00:00:00Z';
    const request = { source, compression_algorithm, aliases, properties, public: true, expires_at };
    const made = (await daemon.run('POST', '/1.0/images', request)) as { fingerprint: string };
    expect(await image(made.fingerprint)).toMatchObject({ aliases, properties, public: true, expires_at });
    const { body } = await rawExport(made.fingerprint);
    expect(sha256(body)).toBe(made.fingerprint);
    expect(body.subarray(at, at + magic.length / 2).toString('hex')).toBe(magic);
    const name = `img-of-${compression_algorithm}`;
    await daemon.run('POST', '/1.0/instances', {
      name,
      source: { type: 'image', alias: `pub-${compression_algorithm}` },
    });
    expect(existsSync(join(daemon.folder, `storage-pools/default/containers/${name}/rootfs/etc/serial`))).toBe(true);
  }
  await expect(daemon.run('POST', '/1.0/images', { source, compression_algorithm: 'foo' })).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining('Invalid compression algorithm "foo"'),
  });
  await expect(
    daemon.run('POST', '/1.0/images', { source, aliases: [{ name: 'pub-gzip' }], properties: { other: '1' } }),
  ).rejects.toThrow('Alias already exists: pub-gzip');
  await expect(daemon.run('POST', '/1.0/images', { source: { type: 'instance', name: 'nope' } })).rejects.toMatchObject(
    {
      status: 404,
    },
  );
});

/** The fingerprint of an image that can be started, imported once. */
const busybox = async (): Promise<string> => {
  const body = readFileSync(busyboxImage().unified);
  const fingerprint = sha256(body);
  const present = (await daemon.client.get<string[]>(['images'])).value;
  if (!present.includes(`/1.0/images/${fingerprint}`)) await upload(body);
  return fingerprint;
};

test('[04.108] a snapshot is published, whatever its instance does', async () => {
  const fingerprint = await busybox();
  await daemon.run('POST', '/1.0/instances', { name: 'img-snap', source: { type: 'image', fingerprint } });
  const etc = join(daemon.folder, 'storage-pools/default/containers/img-snap/rootfs/etc');
  writeFileSync(join(etc, 'mark'), 'before');
  await daemon.run('POST', '/1.0/instances/img-snap/snapshots', { name: 's0' });
  writeFileSync(join(etc, 'mark'), 'after');
  await daemon.run('PUT', '/1.0/instances/img-snap/state', { action: 'start' });
  const aliases = [{ name: 'of-snapshot', description: '' }];
  await daemon.run('POST', '/1.0/images', { source: { type: 'snapshot', name: 'img-snap/s0' }, aliases });
  await daemon.run('PUT', '/1.0/instances/img-snap/state', { action: 'stop', force: true });
  await daemon.run('POST', '/1.0/instances', { name: 'img-of-snap', source: { type: 'image', alias: 'of-snapshot' } });
  const copy = join(daemon.folder, 'storage-pools/default/containers/img-of-snap/rootfs/etc/mark');
  expect(readFileSync(copy, 'utf8')).toBe('before');
  for (const name of ['img-snap', 'img-snap/none'])
    await expect(daemon.run('POST', '/1.0/images', { source: { type: 'snapshot', name } })).rejects.toThrow();
});

test('[04.107 04.167] a running instance is not published', async () => {
  const fingerprint = await busybox();
  await daemon.run('POST', '/1.0/instances', { name: 'img-running', source: { type: 'image', fingerprint } });
  await daemon.run('PUT', '/1.0/instances/img-running/state', { action: 'start' });
  const source = { type: 'instance', name: 'img-running' };
  await expect(daemon.run('POST', '/1.0/images', { source })).rejects.toThrow(
    'Cannot export a running instance as an image',
  );
  await daemon.run('PUT', '/1.0/instances/img-running/state', { action: 'stop', force: true });
});

test('[04.71 04.122 04.123] an image without profiles gives instances none, one that names none gives them default', async () => {
  const { fingerprint } = await upload(pack(tree(), []));
  await daemon.run('PATCH', `/1.0/images/${fingerprint}`, { profiles: [] });
  expect(await image(fingerprint)).toMatchObject({ profiles: [] });
  const root = { type: 'disk', path: '/', pool: 'default' };
  await daemon.run('POST', '/1.0/instances', {
    name: 'img-none',
    source: { type: 'image', fingerprint },
    devices: { root },
  });
  expect(await daemon.run('GET', '/1.0/instances/img-none')).toMatchObject({ profiles: [] });
});

test('[04.164] filters choose images', async () => {
  const { fingerprint } = await upload(pack(tree(), []), { 'x-lxd-properties': 'os=Filtered' });
  const query = encodeURIComponent('properties.os eq Filtered');
  expect(await daemon.run('GET', `/1.0/images?filter=${query}`)).toEqual([`/1.0/images/${fingerprint}`]);
});

test('an upload in pieces of any size is read in one pass', async () => {
  const body = pack(tree(), ['-z']);
  const slow = Readable.from(
    (function* () {
      for (let at = 0; at < body.length; at += 100) yield body.subarray(at, at + 100);
    })(),
  );
  expect(await daemon.run('POST', '/1.0/images', slow, binary)).toMatchObject({ fingerprint: sha256(body) });
});

test('a crash amid an import leaves nothing after the next start', async () => {
  const folder = join(daemon.folder, 'images/upload-crashed');
  const fingerprint = 'c'.repeat(64);
  await daemon.restart(async () => {
    mkdirSync(folder);
    writeFileSync(join(folder, 'main'), 'half');
    // What stands on disk and in the database between the row and its being ready.
    writeFileSync(join(daemon.folder, 'images', fingerprint), 'whole');
    const { local, global } = await openDatabases(join(daemon.folder, 'database'));
    await createImageStore(global).insert({
      project: 'default',
      fingerprint,
      filename: '',
      size: 5,
      public: false,
      autoUpdate: false,
      cached: false,
      type: 'container',
      architecture: 'x86_64',
      createdAt: undefined,
      expiresAt: undefined,
      properties: {},
      profiles: ['default'],
      origin: undefined,
    });
    await Promise.all([local.close(), global.close()]);
  });
  expect(existsSync(folder)).toBe(false);
  expect(existsSync(join(daemon.folder, 'images', fingerprint))).toBe(false);
  await expect(image(fingerprint)).rejects.toMatchObject({ status: 404 });
});
