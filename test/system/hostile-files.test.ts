/** A container does what it can to trick the file API; neither the host nor the daemon may take harm. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { inside, lxc } from '../support/instance.ts';
import type { Lxd } from '../support/lxd.ts';
import { startInitialised } from '../support/preseed.ts';
import { real, underTest } from '../support/programs.ts';
import { type Reply, send } from '../support/rest.ts';

const secret = `secret ${randomBytes(8).toString('hex')}\n`;
let lxd: Lxd;
let canary: string;
beforeAll(async () => {
  lxd = await startInitialised(underTest);
  mkdirSync(join(lxd.scratch.folder, 'canary'));
  canary = join(lxd.scratch.folder, 'canary/file');
  await lxc(lxd, 'launch', 'busybox', 'evil');
});
afterAll(() => lxd[Symbol.asyncDispose]());
beforeEach(async () => {
  writeFileSync(canary, secret, { mode: 0o644 });
  await inside(lxd, 'evil', 'sh', '-c', 'rm -rf /root/* /root/.[!.]*');
});

const url = (path: string) => `/1.0/instances/evil/files?path=${encodeURIComponent(path)}`;
const get = (path: string) => send(lxd.socket, 'GET', url(path));
const remove = (path: string) => send(lxd.socket, 'DELETE', url(path));
const post = (path: string, type: string, body: Buffer = Buffer.from('x')) =>
  send(lxd.socket, 'POST', url(path), body, {
    headers: { 'X-LXD-type': type, 'content-type': 'application/octet-stream' },
  });

/** An answer that says what is wrong without blaming the server: 400 to 499. The real LXD often says 500. */
const isRefusal = ({ status }: Reply): boolean => status >= 400 && status < (underTest === real ? 600 : 500);

const stillFine = async () => {
  expect(readFileSync(canary, 'utf8')).toBe(secret);
  expect((await send(lxd.socket, 'GET', '/1.0')).status).toBe(200);
};

describe('symbolic links that point out of the container', () => {
  const targets: [string, () => string][] = [
    ['an absolute path', () => canary],
    ['a path with many ..', () => `${'../'.repeat(40)}${canary.slice(1)}`],
    ['the host seen through /proc', () => `/proc/1/root/../../..${canary}`],
  ];

  test.each(targets)('%s: what is behind it on the host is not read', async (_, target) => {
    await inside(lxd, 'evil', 'ln', '-s', target(), '/root/link');
    expect((await get('/root/link')).body.toString()).not.toContain(secret.trim());
    await stillFine();
  });

  test.each(targets)('%s: what is behind it on the host is not written', async (_, target) => {
    await inside(lxd, 'evil', 'ln', '-s', target(), '/root/link');
    await post('/root/link', 'file');
    await stillFine();
  });

  test.each(targets)('%s: what is behind it on the host is not removed', async (_, target) => {
    await inside(lxd, 'evil', 'ln', '-s', target(), '/root/link');
    await remove('/root/link');
    await stillFine();
  });

  test('a folder on the way is a link to a folder of the host', async () => {
    await inside(lxd, 'evil', 'ln', '-s', join(lxd.scratch.folder, 'canary'), '/root/folder');
    expect((await get('/root/folder/file')).body.toString()).not.toContain(secret.trim());
    await post('/root/folder/file', 'file');
    await post('/root/folder/new', 'file');
    await remove('/root/folder/file');
    await stillFine();
    expect(existsSync(join(lxd.scratch.folder, 'canary/new'))).toBe(false);
  });

  test('/etc/shadow is that of the container', async () => {
    await inside(lxd, 'evil', 'ln', '-s', '/etc/shadow', '/root/shadow');
    const host = readFileSync('/etc/shadow', 'utf8');
    expect((await get('/root/shadow')).body.toString()).not.toBe(host);
    expect((await get('/etc/shadow')).body.toString()).toBe('root:*:19000:0:99999:7:::\n');
  });
});

test.each(['/../../../../../../../etc/hostname', '../../../../etc/hostname', '/root/../../../../../etc/hostname'])(
  'dots in the path stay inside: %s',
  async (path) => {
    expect((await get(path)).body.toString()).toMatch(/^evil\n$|error/);
    await stillFine();
  },
);

test('loops of links are refused', async () => {
  await inside(lxd, 'evil', 'sh', '-c', 'ln -s b /root/a; ln -s a /root/b');
  expect(isRefusal(await get('/root/a/x'))).toBe(true);
  expect(isRefusal(await post('/root/a/x', 'file'))).toBe(true);
  await stillFine();
});

test('a link that is swapped all the time never leads out', { timeout: 60_000 }, async () => {
  const script = `while :; do ln -sfn ${join(lxd.scratch.folder, 'canary')} /root/d; rm -f /root/d; mkdir /root/d; echo inner > /root/d/file; rm -rf /root/d; done`;
  await inside(lxd, 'evil', 'sh', '-c', `(${script}) > /dev/null 2>&1 & echo $! > /tmp/pid`);
  try {
    const bodies = await Promise.all(
      Array.from({ length: 300 }, (_, n) =>
        (n % 3 === 0 ? post('/root/d/file', 'file') : get('/root/d/file')).then(({ body }) => body.toString(), hungUp),
      ),
    );
    for (const body of bodies) expect(body).not.toContain(secret.trim());
    await stillFine();
  } finally {
    await inside(lxd, 'evil', 'sh', '-c', 'kill -9 $(cat /tmp/pid)');
  }
});

describe('files that are not plain', () => {
  test('a pipe that nobody writes to does not block the daemon', async () => {
    await inside(lxd, 'evil', 'mkfifo', '/root/pipe');
    const replies = await Promise.all([get('/root/pipe'), post('/root/pipe', 'file')].map(limited));
    for (const reply of replies) expect(reply === 'late' || isRefusal(reply)).toBe(true);
    expect(replies).not.toContain('late');
    await stillFine();
  });

  test('a socket is refused', async () => {
    await inside(lxd, 'evil', 'sh', '-c', 'syslogd -O /root/log; sleep 0.2; ls /dev/log');
    const reply = await limited(get('/dev/log'));
    expect(reply !== 'late' && isRefusal(reply)).toBe(true);
    await stillFine();
  });

  test('an endless device does not fill the daemon', async () => {
    const reply = await limited(get('/dev/zero'));
    expect(reply !== 'late' && (isRefusal(reply) || reply.body.length === 0)).toBe(true);
    await stillFine();
  });

  test('a folder is listed, not read, and cannot be overwritten by a file', async () => {
    await inside(lxd, 'evil', 'mkdir', '/root/folder');
    const reply = await get('/root/folder');
    expect([reply.status, reply.headers['x-lxd-type']]).toEqual([200, 'directory']);
    expect(isRefusal(await post('/root/folder', 'file'))).toBe(true);
    await stillFine();
  });
});

describe('bad requests', () => {
  const long = 'n'.repeat(300);
  test.each([
    ['a name longer than a name may be', `/root/${long}`],
    ['a path longer than a path may be', `/root${'/n'.repeat(3000)}`],
    ['a NUL in the path', '/root/a\0b'],
    ['no path', ''],
  ])('%s is refused', async (_, path) => {
    expect(isRefusal(await get(path))).toBe(true);
    expect(isRefusal(await post(path, 'file'))).toBe(true);
    expect(isRefusal(await remove(path))).toBe(true);
    await stillFine();
  });

  test('an unknown type is refused', async () => {
    expect(isRefusal(await post('/root/x', 'device'))).toBe(true);
    expect(isRefusal(await get('/root/x'))).toBe(true);
  });

  test('unreadable modes and owners are refused', async () => {
    for (const headers of [{ 'X-LXD-mode': 'rwx' }, { 'X-LXD-uid': 'root' }, { 'X-LXD-gid': '-5x' }]) {
      const reply = await send(lxd.socket, 'POST', url('/root/x'), Buffer.from('x'), {
        headers: { 'X-LXD-type': 'file', 'content-type': 'application/octet-stream', ...headers },
      });
      expect([JSON.stringify(headers), isRefusal(reply)]).toEqual([JSON.stringify(headers), true]);
    }
  });

  test('the root itself cannot be removed', async () => {
    expect(isRefusal(await remove('/'))).toBe(true);
    expect(await inside(lxd, 'evil', 'hostname')).toBe('evil\n');
  });
});

test('a full disk is told as such and leaves the daemon well', async () => {
  await inside(lxd, 'evil', 'sh', '-c', 'mkdir -p /mnt/small && mount -t tmpfs -o size=1m none /mnt/small');
  const reply = await post('/mnt/small/big', 'file', Buffer.alloc(8 << 20));
  expect(reply.status).toBeGreaterThanOrEqual(400);
  expect(reply.body.toString()).toMatch(/no space|disk.* full/i);
  expect((await post('/mnt/small/tiny', 'file')).status).toBe(200);
  await stillFine();
});

/** A file that shrinks while it is sent leaves the server nothing but to hang up. Any other error is thrown. */
const hungUp = (error: NodeJS.ErrnoException): string => {
  if (error.code === 'ECONNRESET') return '';
  throw error;
};

/** The answer, or `late` after ten seconds. */
const limited = (reply: Promise<Reply>): Promise<Reply | 'late'> =>
  Promise.race([reply, new Promise<'late'>((resolve) => setTimeout(() => resolve('late'), 10_000))]);
