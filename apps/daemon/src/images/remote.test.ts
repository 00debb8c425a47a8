import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { type Client, connect } from '@lxd-ts/client';
import { openDatabases } from '@lxd-ts/database';
import { busyboxImage } from '@lxd-ts/tooling/images/busybox';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort, startTestDaemon, type TestDaemon } from '../testing/daemon.ts';
import { createImageStore } from './store.ts';

const binary = { 'content-type': 'application/octet-stream' };

/** The server that others copy from, and the one that copies. */
let source: TestDaemon;
let target: TestDaemon;
let sourceUrl = '';
let targetUrl = '';
/** Nobody that the source knows. */
let stranger: Client;

const certificateOf = (daemon: TestDaemon): string => readFileSync(join(daemon.folder, 'server.crt'), 'utf8');

const listen = async (daemon: TestDaemon): Promise<string> => {
  const address = `127.0.0.1:${await freePort()}`;
  await daemon.run('PATCH', '/1.0', { config: { 'core.https_address': address } });
  return `https://${address}`;
};

beforeAll(async () => {
  [source, target] = await Promise.all([startTestDaemon(), startTestDaemon()]);
  [sourceUrl, targetUrl] = await Promise.all([listen(source), listen(target)]);
  stranger = connect({ kind: 'https', url: sourceUrl, pinnedCertificate: certificateOf(source) });
});
afterAll(async () => {
  stranger.close();
  await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()]);
});

let serial = 0;
const sha256 = (...parts: Buffer[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

/** Makes a tiny image; each has a fingerprint of its own. */
const build = (): { unified: Buffer; metadata: Buffer; rootfs: Buffer } => {
  const folder = join(source.scratch, `tree${++serial}`);
  mkdirSync(join(folder, 'rootfs/etc'), { recursive: true });
  writeFileSync(join(folder, 'rootfs/etc/serial'), String(serial));
  writeFileSync(join(folder, 'metadata.yaml'), `architecture: x86_64\ncreation_date: ${1_700_000_000 + serial}\n`);
  const tar = (...args: string[]): Buffer => execFileSync('tar', ['-C', folder, '-cJf', '-', ...args]);
  return {
    unified: tar('metadata.yaml', 'rootfs'),
    metadata: tar('metadata.yaml'),
    rootfs: execFileSync('tar', ['-C', join(folder, 'rootfs'), '-cJf', '-', '.']),
  };
};

const upload = async (daemon: TestDaemon, body: Buffer, headers: Record<string, string> = {}): Promise<string> =>
  ((await daemon.run('POST', '/1.0/images', body, { ...binary, ...headers })) as { fingerprint: string }).fingerprint;

const addAlias = (daemon: TestDaemon, name: string, fingerprint: string): Promise<unknown> =>
  daemon.run('POST', '/1.0/images/aliases', { name, target: fingerprint });

const image = (daemon: TestDaemon, fingerprint: string): Promise<unknown> =>
  daemon.run('GET', `/1.0/images/${fingerprint}`);

const from = (more: Record<string, string>) => ({
  source: {
    type: 'image',
    mode: 'pull',
    server: sourceUrl,
    protocol: 'lxd',
    certificate: certificateOf(source),
    ...more,
  },
});

test('[04.31 04.173] strangers see public images and their aliases alone', async () => {
  const open = await upload(source, build().unified, { 'x-lxd-public': '1' });
  const closed = await upload(source, build().unified);
  await addAlias(source, 'open', open);
  await addAlias(source, 'closed', closed);
  expect((await stranger.get(['images'])).value).toEqual([`/1.0/images/${open}`]);
  expect((await stranger.get(['images', 'aliases'])).value).toEqual(['/1.0/images/aliases/open']);
  expect((await stranger.get(['images', open])).value).toMatchObject({ fingerprint: open });
  for (const segments of [
    ['images', closed],
    ['images', closed, 'export'],
    ['images', 'aliases', 'closed'],
  ])
    await expect(stranger.get(segments)).rejects.toMatchObject({ status: 404 });
  await expect(stranger.send('POST', ['images'], build().unified)).rejects.toMatchObject({ status: 403 });
  await expect(stranger.send('DELETE', ['images', open])).rejects.toMatchObject({ status: 403 });
  await expect(stranger.get(['images', closed], { secret: 'guess' })).rejects.toMatchObject({ status: 404 });
});

const secretFor = async (fingerprint: string): Promise<string> => {
  const { metadata } = await source.client.query('POST', `/1.0/images/${fingerprint}/secret`);
  return (metadata as { metadata: { secret: string } }).metadata.secret;
};

test('[04.32 04.118] a secret opens a private image once', async () => {
  const body = build().unified;
  const fingerprint = await upload(source, body);
  const secret = await secretFor(fingerprint);
  expect((await stranger.get(['images', fingerprint], { secret })).value).toMatchObject({ public: false });
  const path = `/1.0/images/${fingerprint}/export?secret=${secret}`;
  const reply = await stranger.raw('GET', path);
  expect(reply.status).toBe(200);
  expect(sha256(...(await reply.body.toArray()))).toBe(fingerprint);
  const again = await stranger.raw('GET', path);
  again.body.resume();
  expect(again.status).toBe(404);
  expect(source.lifecycle().map(({ action }) => action)).toContain('image-secret-created');
});

test('[04.3 04.85 04.86 04.93] a public image is copied by alias, a private one by secret; a split one stays split', async () => {
  const open = await upload(source, build().unified, { 'x-lxd-public': '1', 'x-lxd-properties': 'os=Copied' });
  await addAlias(source, 'copy/me', open);
  const aliases = [{ name: 'copied', description: 'here' }];
  await target.run('POST', '/1.0/images', { ...from({ alias: 'copy/me' }), aliases, auto_update: true });
  expect(await image(target, open)).toMatchObject({
    aliases,
    cached: false,
    auto_update: true,
    properties: { os: 'Copied' },
    update_source: { alias: 'copy/me', server: sourceUrl, protocol: 'lxd', image_type: 'container' },
  });
  const { metadata, rootfs } = busyboxImage();
  const boundary = 'B';
  const part = (name: string, file: string): Buffer =>
    Buffer.concat([
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${name}"\r\n\r\n`),
      readFileSync(file),
      Buffer.from('\r\n'),
    ]);
  const body = Buffer.concat([part('metadata', metadata), part('rootfs', rootfs), Buffer.from(`--${boundary}--\r\n`)]);
  const split = await upload(source, body, { 'content-type': `multipart/form-data; boundary=${boundary}` });
  await target.run('POST', '/1.0/images', from({ fingerprint: split, secret: await secretFor(split) }));
  expect(existsSync(join(target.folder, 'images', `${split}.rootfs`))).toBe(true);
  await expect(
    target.run('POST', '/1.0/images', from({ fingerprint: await upload(source, build().unified) })),
  ).rejects.toThrow('Image not found');
  await expect(target.run('POST', '/1.0/images', from({}))).rejects.toThrow('must specify one of alias or fingerprint');
});

test('[04.91 04.119] the source pushes an image with a one-time key of the target', async () => {
  const fingerprint = await upload(source, build().unified, { 'x-lxd-properties': 'os=Pushed' });
  const request = {
    source: { type: 'image', mode: 'push', fingerprint },
    aliases: [{ name: 'pushed', description: '' }],
    properties: { extra: '1' },
    public: true,
  };
  const { metadata } = await target.client.query('POST', '/1.0/images', request);
  const { secret } = (metadata as { metadata: { secret: string } }).metadata;
  const push = { target: targetUrl, certificate: certificateOf(target), secret };
  await source.run('POST', `/1.0/images/${fingerprint}/export`, push);
  expect(await image(target, fingerprint)).toMatchObject({
    aliases: [{ name: 'pushed' }],
    public: true,
    properties: { os: 'Pushed', extra: '1' },
  });
  await expect(source.run('POST', `/1.0/images/${fingerprint}/export`, push)).rejects.toThrow(
    /Invalid secret|not authorized/,
  );
});

test('[04.36 04.37 04.38 04.41 04.45 04.51] an instance of a remote image caches it, and the next one asks nobody', async () => {
  const fingerprint = await upload(source, build().unified, { 'x-lxd-public': '1' });
  await addAlias(source, 'cache-me', fingerprint);
  const create = (name: string) => target.run('POST', '/1.0/instances', { name, ...from({ alias: 'cache-me' }) });
  await create('rem-c1');
  expect(await image(target, fingerprint)).toMatchObject({
    cached: true,
    public: false,
    auto_update: true,
    last_used_at: expect.not.stringContaining('0001-'),
  });
  await source.run('DELETE', '/1.0/images/aliases/cache-me');
  await create('rem-c2');
  expect(await target.run('GET', '/1.0/instances/rem-c2')).toMatchObject({
    config: { 'volatile.base_image': fingerprint },
  });
});

test('[04.50 04.52] a refresh fetches the newer image, moves the aliases and deletes the old one', async () => {
  const old = await upload(source, build().unified, { 'x-lxd-public': '1' });
  await addAlias(source, 'moving', old);
  const aliases = [{ name: 'mine', description: 'd' }];
  await target.run('POST', '/1.0/images', { ...from({ alias: 'moving' }), aliases, auto_update: true });
  expect(await target.run('POST', `/1.0/images/${old}/refresh`)).toMatchObject({ refreshed: false });
  const newer = await upload(source, build().unified, { 'x-lxd-public': '1' });
  await source.run('PATCH', '/1.0/images/aliases/moving', { target: newer });
  expect(await target.run('POST', `/1.0/images/${old}/refresh`)).toMatchObject({ refreshed: true });
  expect(await image(target, newer)).toMatchObject({ aliases, auto_update: true });
  await expect(image(target, old)).rejects.toMatchObject({ status: 404 });
  const local = await upload(target, build().unified);
  await expect(target.run('POST', `/1.0/images/${local}/refresh`)).rejects.toThrow(
    `Failed to update image "${local}" in project "default": Image source not found`,
  );
});

test('[04.48 04.49] the check at the start of the daemon updates images', async () => {
  const old = await upload(source, build().unified, { 'x-lxd-public': '1' });
  await addAlias(source, 'nightly', old);
  await target.run('POST', '/1.0/images', { ...from({ alias: 'nightly' }), auto_update: true });
  const newer = await upload(source, build().unified, { 'x-lxd-public': '1' });
  await source.run('PATCH', '/1.0/images/aliases/nightly', { target: newer });
  await target.restart();
  await expect.poll(() => image(target, newer), { timeout: 10_000 }).toMatchObject({ auto_update: true });
});

/** A web server of the test's own. */
const serve = async (
  answer: (
    path: string,
    headers: IncomingHttpHeaders,
  ) => { body?: Buffer; headers?: Record<string, string> } | undefined,
  isSecure: boolean,
): Promise<{ url: string } & AsyncDisposable> => {
  const tls = { cert: certificateOf(source), key: readFileSync(join(source.folder, 'server.key')) };
  const server: Server = isSecure ? createTlsServer(tls) : createServer();
  server.on('request', (request, response) => {
    const found = answer(new URL(request.url ?? '/', 'http://x').pathname, request.headers);
    response.writeHead(found ? 200 : 404, found?.headers);
    response.end(request.method === 'HEAD' ? undefined : found?.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `${isSecure ? 'https' : 'http'}://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
};

test('[04.98 04.100 04.101 04.102 04.170] an image is fetched from a web server that announces its hash', async () => {
  const body = build().unified;
  let hash: string | undefined = sha256(body);
  const seen: IncomingHttpHeaders[] = [];
  await using server = await serve((path, headers) => {
    seen.push(headers);
    if (path === '/file.tar.xz') return { body };
    return { headers: { 'LXD-Image-URL': `${server.url}/file.tar.xz`, ...(hash ? { 'LXD-Image-Hash': hash } : {}) } };
  }, false);
  const request = { source: { type: 'url', url: `${server.url}/image` }, aliases: [{ name: 'web', description: '' }] };
  hash = sha256(Buffer.from('other'));
  await expect(target.run('POST', '/1.0/images', request)).rejects.toThrow("fingerprints don't match");
  hash = undefined;
  await expect(target.run('POST', '/1.0/images', request)).rejects.toThrow('Missing LXD-Image-Hash header');
  hash = sha256(body);
  expect(await target.run('POST', '/1.0/images', request)).toMatchObject({ fingerprint: hash });
  expect(await image(target, hash)).toMatchObject({ aliases: [{ name: 'web' }], filename: 'file.tar.xz' });
  expect(seen.at(-1)).toMatchObject({
    'lxd-server-architectures': expect.stringContaining('x86_64'),
    'lxd-server-version': '5.15',
  });
});

test('[04.35] downloads go through the proxy of the configuration', async () => {
  const body = build().unified;
  const hash = sha256(body);
  const asked: string[] = [];
  // A proxy is asked for whole URLs (RFC 9112, 3.2.2); this one answers for a host that does not exist.
  const proxy = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(200, { 'LXD-Image-Hash': hash, 'LXD-Image-URL': 'http://images.invalid/file' });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = proxy.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  try {
    await target.run('PATCH', '/1.0', { config: { 'core.proxy_http': `http://127.0.0.1:${port}` } });
    await target.run('POST', '/1.0/images', { source: { type: 'url', url: 'http://images.invalid/start' } });
    expect(await image(target, hash)).toMatchObject({ filename: 'file' });
    expect(asked).toEqual(['HEAD http://images.invalid/start', 'GET http://images.invalid/file']);
  } finally {
    await target.run('PATCH', '/1.0', { config: { 'core.proxy_http': '' } });
    proxy.close();
  }
});

test('[04.39 04.40 04.43 04.179] cached images go when unused for long or expired, others stay', async () => {
  const cached = async (name: string): Promise<string> => {
    const fingerprint = await upload(source, build().unified, { 'x-lxd-public': '1' });
    await addAlias(source, name, fingerprint);
    await target.run('POST', '/1.0/instances', { name: `rem-${name}`, ...from({ alias: name }) });
    return fingerprint;
  };
  const [unused, expired, fresh] = [await cached('unused'), await cached('expired'), await cached('fresh')];
  const own = await upload(target, build().unified);
  const past = { expires_at: '2020-01-01T00:00:00Z' };
  for (const fingerprint of [expired, own]) await target.run('PATCH', `/1.0/images/${fingerprint}`, past);
  await target.restart(async () => {
    const { local, global } = await openDatabases(join(target.folder, 'database'));
    const store = createImageStore(global);
    const found = await store.find('default', unused);
    if (!found) throw new Error('The cached image has no row');
    await store.markUsed(found.id, new Date(Date.now() - 11 * 24 * 3600 * 1000));
    await Promise.all([local.close(), global.close()]);
  });
  await expect.poll(() => target.run('GET', '/1.0/images')).not.toContain(`/1.0/images/${expired}`);
  await expect.poll(() => target.run('GET', '/1.0/images')).not.toContain(`/1.0/images/${unused}`);
  for (const fingerprint of [fresh, own]) expect(await image(target, fingerprint)).toMatchObject({ fingerprint });
});

test('[04.23 04.25 04.33 04.166] simple streams servers are read over HTTPS, the newest version of an alias', async () => {
  const files = new Map<string, Buffer>();
  const versions: Record<string, unknown> = {};
  const publish = (version: string): string => {
    const { metadata, rootfs } = build();
    const fingerprint = sha256(metadata, rootfs);
    files.set(`/images/${version}/lxd.tar.xz`, metadata);
    files.set(`/images/${version}/root.tar.xz`, rootfs);
    versions[version] = {
      items: {
        'lxd.tar.xz': {
          ftype: 'lxd.tar.xz',
          path: `images/${version}/lxd.tar.xz`,
          combined_rootxz_sha256: fingerprint,
        },
        'root.tar.xz': { ftype: 'root.tar.xz', path: `images/${version}/root.tar.xz`, size: rootfs.length },
      },
    };
    return fingerprint;
  };
  await using server = await serve((path) => {
    const json = (value: unknown) => ({ body: Buffer.from(JSON.stringify(value)) });
    if (path === '/streams/v1/index.json')
      return json({ index: { images: { datatype: 'image-downloads', path: 'streams/v1/images.json' } } });
    if (path === '/streams/v1/images.json') {
      const product = { aliases: 'tiny/1,tiny', arch: 'amd64', os: 'Tiny', release: '1', variant: 'default', versions };
      return json({ products: { 'tiny:1:amd64:default': product } });
    }
    const body = files.get(path);
    return body && { body };
  }, true);
  publish('20240101_00:00');
  const newest = publish('20240301_00:00');
  const stream = {
    type: 'image',
    protocol: 'simplestreams',
    server: server.url,
    alias: 'tiny',
    certificate: certificateOf(source),
  };
  const bad = { ...stream, server: server.url.replace('https', 'http') };
  await expect(target.run('POST', '/1.0/images', { source: bad })).rejects.toThrow('https://');
  await expect(target.run('POST', '/1.0/images', { source: { ...stream, alias: 'none' } })).rejects.toThrow(
    'not found',
  );
  await expect(target.run('POST', '/1.0/images', { source: { ...stream, certificate: '' } })).rejects.toThrow(
    /certificate/,
  );
  await target.run('POST', '/1.0/images', { source: stream, auto_update: true });
  expect(await image(target, newest)).toMatchObject({
    properties: { os: 'Tiny', release: '1', architecture: 'x86_64' },
    update_source: { protocol: 'simplestreams', alias: 'tiny' },
  });
  await target.run('POST', '/1.0/instances', { name: 'rem-stream', source: { type: 'image', fingerprint: newest } });
  const next = publish('20240401_00:00');
  await target.run('POST', `/1.0/images/${newest}/refresh`);
  expect(await image(target, next)).toMatchObject({ auto_update: true });
  const broken = publish('20240501_00:00');
  files.set('/images/20240501_00:00/root.tar.xz', Buffer.from('broken'));
  await expect(
    target.run('POST', '/1.0/images', { source: { ...stream, fingerprint: broken, alias: '' } }),
  ).rejects.toThrow("fingerprints don't match");
});
