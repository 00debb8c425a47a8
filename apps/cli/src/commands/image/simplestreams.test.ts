import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Output, ours, runLxc } from '../../testing/lxc.ts';

let folder: string;
let server: Server;
let lxc: (...args: string[]) => Promise<Output>;

const sha256 = (...texts: string[]): string => createHash('sha256').update(texts.join('')).digest('hex');
const metadata = 'the metadata of the image';
const squashfs = 'the root file system of the image';
const fingerprint = sha256(metadata, squashfs);

const files: Record<string, string> = {
  '/streams/v1/index.json': JSON.stringify({
    format: 'index:1.0',
    index: {
      images: { datatype: 'image-downloads', path: 'streams/v1/images.json', format: 'products:1.0' },
      other: { datatype: 'image-ids', path: 'streams/v1/other.json' },
    },
  }),
  '/streams/v1/images.json': JSON.stringify({
    datatype: 'image-downloads',
    products: {
      'alpine:3.18:amd64:default': {
        aliases: 'alpine/3.18,alpine/3.18/default',
        arch: 'amd64',
        os: 'Alpine',
        release: '3.18',
        release_title: '3.18',
        variant: 'default',
        versions: {
          '20231114_13:00': {
            items: {
              'lxd.tar.xz': {
                ftype: 'lxd.tar.xz',
                path: 'images/alpine/lxd.tar.xz',
                sha256: sha256(metadata),
                size: metadata.length,
                combined_squashfs_sha256: fingerprint,
              },
              'root.squashfs': {
                ftype: 'squashfs',
                path: 'images/alpine/root.squashfs',
                sha256: sha256(squashfs),
                size: squashfs.length,
              },
            },
          },
        },
      },
    },
  }),
  '/images/alpine/lxd.tar.xz': metadata,
  '/elsewhere/root.squashfs': squashfs,
};
const redirects: Record<string, string> = { '/images/alpine/root.squashfs': '/elsewhere/root.squashfs' };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lxd-ts-streams-'));
  const [key, cert] = [join(folder, 'server.key'), join(folder, 'server.crt')];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'].concat([
      '-subj',
      '/CN=streams',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      key,
      '-out',
      cert,
    ]),
    { stdio: 'ignore' },
  );
  server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, ({ url = '' }, reply) => {
    const location = redirects[url];
    if (location) reply.writeHead(302, { location }).end();
    else if (files[url] === undefined) reply.writeHead(404).end();
    else reply.end(files[url]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : '';
  const conf = join(folder, 'conf');
  mkdirSync(conf);
  writeFileSync(
    join(conf, 'config.yml'),
    `default-remote: streams
remotes:
  streams:
    addr: https://127.0.0.1:${port}
    protocol: simplestreams
    public: true
`,
  );
  lxc = (...args) => runLxc(ours, args, { HOME: folder, LXD_CONF: conf, NODE_EXTRA_CA_CERTS: cert });
});

afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

describe('an image server that speaks simple streams', () => {
  it('[04.60] is listed like any other', async () => {
    expect(await lxc('image', 'list', 'streams:', '--format', 'csv', '-c', 'lfpdats')).toEqual({
      code: 0,
      stdout: `alpine/3.18 (3 more),${fingerprint.slice(0, 12)},yes,Alpine 3.18 amd64 (20231114_13:00),x86_64,CONTAINER,0.00MB\n`,
      stderr: '',
    });
    expect((await lxc('image', 'list', 'streams:ubuntu', '--format', 'csv')).stdout).toBe('');
  });

  it('describes an image by alias or the beginning of its fingerprint', async () => {
    const { stdout } = await lxc('image', 'info', 'streams:alpine/3.18');
    expect(stdout).toContain(`Fingerprint: ${fingerprint}\n`);
    expect(stdout).toContain('Created: 2023/11/14 13:00 UTC\n');
    expect(stdout).toContain('    variant: default\n');
    expect((await lxc('image', 'info', `streams:${fingerprint.slice(0, 10)}`)).stdout).toBe(stdout);
    expect(await lxc('image', 'info', 'streams:focal')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'Error: Image not found\n',
    });
  });

  it('hands out its files, which are checked', async () => {
    const target = join(folder, 'exported');
    mkdirSync(target);
    expect((await lxc('image', 'export', 'streams:alpine/3.18', target)).code).toBe(0);
    expect(readFileSync(join(target, 'lxd.tar.xz'), 'utf8')).toBe(metadata);
    expect(readFileSync(join(target, 'root.squashfs'), 'utf8')).toBe(squashfs);

    files['/elsewhere/root.squashfs'] = squashfs.toUpperCase();
    const { code, stderr } = await lxc('image', 'export', 'streams:alpine/3.18', target);
    files['/elsewhere/root.squashfs'] = squashfs;
    expect(stderr).toContain('is not what its index describes');
    expect(code).toBe(1);
  });

  it('holds no instances', async () => {
    expect((await lxc('list', 'streams:')).code).toBe(1);
  });
});
