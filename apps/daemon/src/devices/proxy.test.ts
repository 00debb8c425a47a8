import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { openListeningSocket, openProcess, peerCredentials, type SocketAddress } from '@lxd-ts/host';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createContainer, importBusybox, type TestContainer } from '../testing/containers.ts';
import { startTestDaemon, type TestDaemon } from '../testing/daemon.ts';

/** Ports of this run alone, below those the kernel hands out. */
const port = (n: number): number => 18_000 + (process.pid % 700) * 20 + n;

/** Not `eth0`, which the image's DHCP client looks after. */
const own = { type: 'nic', nictype: 'p2p', name: 'own0' };
let daemon: TestDaemon;
let c: TestContainer;
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  daemon = await startTestDaemon();
  await importBusybox(daemon);
  c = await createContainer(daemon, 'proxy-1', { devices: { own } });
  await c.start();
  await c.inNetwork('ip', 'link', 'set', 'lo', 'up');
  await c.inNetwork('ip', 'link', 'set', 'own0', 'up');
  await c.inNetwork('ip', 'addr', 'add', '192.0.2.10/24', 'dev', 'own0');
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  await c.put({ own });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const proxy = (config: Record<string, string>) => ({ type: 'proxy', ...config });

/** Serves at an address, in the container's network if so said. */
const serve = async (
  address: SocketAddress,
  onClient: (client: Socket) => void,
  where: 'host' | 'instance' = 'instance',
): Promise<Server> => {
  const server = createServer({ allowHalfOpen: true }, onClient);
  const fd = openListeningSocket(address, where === 'host' ? {} : { namespace: await c.pid() });
  await new Promise<void>((resolve) => server.listen({ fd }, resolve));
  ends.push(() => new Promise((resolve) => server.close(resolve)));
  return server;
};

/** Answers when the client has ended, which only works where half-closed connections do. */
const shout = async (client: Socket): Promise<void> => {
  client.end((await text(client)).toUpperCase());
};

const ask = async (options: NetConnectOpts, question: string): Promise<string> => {
  const socket = connect({ ...options, allowHalfOpen: true });
  socket.end(question);
  return text(socket);
};

const pidOf = (device: string): number => {
  const file = join(daemon.folder, 'devices/proxy-1', `proxy.${device}.pid`);
  return (JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid;
};

/** Waits until a process has ended; one that is gone already is as good. */
const ended = async (pid: number): Promise<void> => {
  using process = openProcess(pid);
  await process?.exited(AbortSignal.timeout(3000));
};

test('[03.347 03.349] TCP of the host reaches the instance, half-closed connections and large ones too', async () => {
  await serve({ protocol: 'tcp', host: '127.0.0.1', port: 80 }, (client) => void shout(client));
  await serve({ protocol: 'tcp', host: '127.0.0.1', port: 81 }, (client) => void client.pipe(client));
  await c.patch({
    shout: proxy({ listen: `tcp:127.0.0.1:${port(1)}`, connect: 'tcp:127.0.0.1:80' }),
    echo: proxy({ listen: `tcp:127.0.0.1:${port(2)}`, connect: 'tcp:127.0.0.1:81' }),
  });
  expect(await ask({ host: '127.0.0.1', port: port(1) }, 'hello')).toBe('HELLO');
  const data = randomBytes(32 << 20);
  const socket = connect({ host: '127.0.0.1', port: port(2), allowHalfOpen: true });
  socket.end(data);
  const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  expect(hash(await buffer(socket))).toBe(hash(data));
});

test('[03.353] a wildcard connect address is the own address of the instance', async () => {
  await serve({ protocol: 'tcp', host: '192.0.2.10', port: 80 }, (client) => void shout(client));
  await c.patch({ p: proxy({ listen: `tcp:127.0.0.1:${port(1)}`, connect: 'tcp:0.0.0.0:80' }) });
  expect(await ask({ host: '127.0.0.1', port: port(1) }, 'own')).toBe('OWN');
});

test('[03.352 03.351] IPv6, ranges of ports, and many ports to one', async () => {
  for (const port of [80, 81])
    await serve({ protocol: 'tcp', host: '::1', port }, async (client) => client.end(`${port}${await text(client)}`));
  await c.patch({
    six: proxy({ listen: `tcp:[::1]:${port(10)}-${port(11)}`, connect: 'tcp:[::1]:80-81' }),
    many: proxy({ listen: `tcp:127.0.0.1:${port(12)},${port(14)}-${port(15)}`, connect: 'tcp:[::1]:80' }),
  });
  expect(await ask({ host: '::1', port: port(10) }, 'x')).toBe('80x');
  expect(await ask({ host: '::1', port: port(11) }, 'x')).toBe('81x');
  for (const n of [12, 14, 15]) expect(await ask({ host: '127.0.0.1', port: port(n) }, 'x')).toBe('80x');
  const uneven = proxy({ listen: 'tcp:127.0.0.1:1-3', connect: 'tcp:127.0.0.1:1-2' });
  await expect(c.patch({ uneven })).rejects.toThrow('Mismatch between listen port(s) and connect port(s) count');
});

test('[03.348] TCP, UDP and Unix sockets in any pair', async () => {
  await serve({ protocol: 'tcp', host: '127.0.0.1', port: 80 }, (client) => void client.pipe(client));
  await serve({ protocol: 'unix', path: '@pairs' }, (client) => void client.pipe(client));
  const udp = createSocket('udp4');
  udp.on('message', (data, from) => udp.send(data, from.port, from.address));
  const fd = openListeningSocket({ protocol: 'udp', host: '127.0.0.1', port: 80 }, { namespace: await c.pid() });
  await new Promise<void>((resolve) => udp.bind({ fd }, () => resolve()));
  ends.push(() => udp.close());

  const listens = {
    tcp: `tcp:127.0.0.1:${port(1)}`,
    udp: `udp:127.0.0.1:${port(1)}`,
    unix: `unix:@lxd-ts-${process.pid}`,
  };
  const connects = { tcp: 'tcp:127.0.0.1:80', udp: 'udp:127.0.0.1:80', unix: 'unix:@pairs' };
  const echo = (kind: string): Promise<string> =>
    new Promise((resolve, reject) => {
      if (kind === 'udp') {
        const socket = createSocket('udp4');
        socket.on('message', (data) => socket.close(() => resolve(String(data))));
        socket.send('ping', port(1), '127.0.0.1');
        return;
      }
      const socket =
        kind === 'tcp' ? connect(port(1), '127.0.0.1') : connect({ path: `\0lxd-ts-${process.pid}`, host: undefined });
      socket.on('error', reject);
      socket.on('data', (data) => {
        socket.destroy();
        resolve(String(data));
      });
      socket.write('ping');
    });
  for (const [from, listen] of Object.entries(listens)) {
    for (const [to, target] of Object.entries(connects)) {
      await c.put({ own, p: proxy({ listen, connect: target }) });
      expect(`${from}-${to} ${await echo(from)}`).toBe(`${from}-${to} ping`);
    }
  }
});

test('[03.350 03.358 03.359] Unix sockets in the file system have the owner asked for, and show the ids asked for', async () => {
  const folder = join(daemon.scratch, 'sockets');
  mkdirSync(folder);
  const seen: unknown[] = [];
  await serve(
    { protocol: 'unix', path: join(folder, 'target') },
    (client) => {
      seen.push(peerCredentials(client));
      void shout(client);
    },
    'host',
  );
  execFileSync('chmod', ['0777', join(folder, 'target')]);
  await c.patch({
    out: proxy({
      bind: 'instance',
      listen: 'unix:/run-me.sock',
      connect: `unix:${join(folder, 'target')}`,
      uid: '5',
      gid: '6',
      mode: '0640',
      'security.uid': '1234',
      'security.gid': '2345',
    }),
    in: proxy({ listen: `unix:${join(folder, 'front')}`, connect: 'unix:/run-me.sock', uid: '7', mode: '0600' }),
  });
  const base = statSync(await c.path('/')).uid;
  const inner = statSync(await c.path('/run-me.sock'));
  expect([inner.uid - base, inner.gid - base, inner.mode & 0o777]).toEqual([5, 6, 0o640]);
  const outer = statSync(join(folder, 'front'));
  expect([outer.uid, outer.gid, outer.mode & 0o777]).toEqual([7, 0, 0o600]);
  expect(await ask({ path: join(folder, 'front') }, 'through')).toBe('THROUGH');
  expect(seen).toEqual([expect.objectContaining({ uid: 1234, gid: 2345 })]);
  await c.put({ own });
  expect(existsSync(join(folder, 'front'))).toBe(false);
  await expect(
    c.patch({ bad: proxy({ listen: 'unix:@abstract', connect: 'tcp:127.0.0.1:80', mode: '0600' }) }),
  ).rejects.toThrow('Only proxy devices for non-abstract unix sockets can carry uid, gid, or mode properties');
});

test('a symlink in the instance does not lead a proxy to sockets of the host', async () => {
  const target = join(daemon.scratch, 'secret');
  let reached = false;
  await serve(
    { protocol: 'unix', path: target },
    (client) => {
      reached = true;
      client.destroy();
    },
    'host',
  );
  const link = async (to: string, path: string) =>
    execFileSync('nsenter', [...`-t ${await c.pid()} -U -S 0 -G 0 -m -r /bin/ln -s`.split(' '), to, path]);
  await link(target, '/evil');
  await link(daemon.scratch, '/evil-folder');
  await c.patch({ p: proxy({ listen: `tcp:127.0.0.1:${port(1)}`, connect: 'unix:/evil' }) });
  expect(await ask({ host: '127.0.0.1', port: port(1) }, 'x').catch(() => '')).toBe('');
  expect(reached).toBe(false);
  const listen = proxy({ bind: 'instance', listen: 'unix:/evil-folder/planted', connect: 'tcp:127.0.0.1:80' });
  await expect(c.patch({ listen })).rejects.toThrow('Failed to listen on unix:/evil-folder/planted');
  expect(existsSync(join(daemon.scratch, 'planted'))).toBe(false);
});

test('[03.357] the PROXY header names the client', async () => {
  await serve({ protocol: 'tcp', host: '127.0.0.1', port: 80 }, (client) => void shout(client));
  await c.patch({
    p: proxy({ listen: `tcp:127.0.0.1:${port(1)}`, connect: 'tcp:127.0.0.1:80', proxy_protocol: 'true' }),
  });
  const socket = connect({ host: '127.0.0.1', port: port(1), allowHalfOpen: true });
  socket.end('x');
  const answer = await text(socket);
  expect(answer.split('\r')[0]).toMatch(new RegExp(` ${port(1)}$`));
  expect(answer).toMatch(/^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ (\d+)\r\nX$/);
  const udp = proxy({ listen: 'udp:127.0.0.1:1', connect: 'udp:127.0.0.1:1', proxy_protocol: 'true' });
  await expect(c.patch({ udp })).rejects.toThrow('The PROXY header can only be sent to tcp servers in non-nat mode');
});

test('a forwarder serves on without the daemon, is started again when it died, and ends with its device', async () => {
  await serve({ protocol: 'tcp', host: '127.0.0.1', port: 80 }, (client) => void shout(client));
  await c.patch({ p: proxy({ listen: `tcp:127.0.0.1:${port(1)}`, connect: 'tcp:127.0.0.1:80' }) });
  const first = pidOf('p');
  await daemon.restart(async () => expect(await ask({ host: '127.0.0.1', port: port(1) }, 'alone')).toBe('ALONE'));
  expect(pidOf('p')).toBe(first);
  await daemon.restart(async () => {
    using process = openProcess(first);
    process?.kill('SIGKILL');
    await process?.exited();
  });
  const second = pidOf('p');
  expect(second).not.toBe(first);
  expect(await ask({ host: '127.0.0.1', port: port(1) }, 'again')).toBe('AGAIN');
  await c.put({ own });
  await ended(second);
  expect(readdirSync(join(daemon.folder, 'devices/proxy-1')).filter((name) => name.startsWith('proxy.'))).toEqual([]);
});

test('a device that was being added when the daemon died is taken away again', async () => {
  const folder = join(daemon.folder, 'devices/proxy-1');
  await c.patch({
    p: proxy({ listen: `tcp:127.0.0.1:${port(1)}`, connect: 'tcp:127.0.0.1:80' }),
    d: { type: 'disk', source: daemon.scratch, path: '/mnt/d' },
  });
  const pid = pidOf('p');
  const inside = await c.path('/mnt/d/lxd');
  expect(existsSync(inside)).toBe(true);
  await daemon.restart(async () => {
    // As if both had been made for devices that no row knows of yet.
    renameSync(join(folder, 'proxy.p.pid'), join(folder, 'proxy.stranger.pid'));
    const attachments = readFileSync(join(folder, 'attachments.json'), 'utf8');
    writeFileSync(join(folder, 'attachments.json'), attachments.replace('"device":"d"', '"device":"stranger"'));
  });
  await ended(pid);
  expect(existsSync(inside)).toBe(false);
});

test('a port that is taken refuses the device and leaves the others as they were', async () => {
  const before = (await c.get()).devices;
  await serve({ protocol: 'tcp', host: '127.0.0.1', port: port(1) }, (client) => client.destroy(), 'host');
  await expect(
    c.patch({
      aaa: proxy({ listen: `tcp:127.0.0.1:${port(2)}`, connect: 'tcp:127.0.0.1:80' }),
      bbb: proxy({ listen: `tcp:127.0.0.1:${port(1)}`, connect: 'tcp:127.0.0.1:80' }),
    }),
  ).rejects.toThrow(`Error occurred when starting proxy device: Failed to listen on tcp:127.0.0.1:${port(1)}`);
  expect((await c.get()).devices).toEqual(before);
  await expect(ask({ host: '127.0.0.1', port: port(2) }, 'x')).rejects.toThrow('ECONNREFUSED');
});

test('the forwarder ends when the instance stops, and its socket in the file system of the host goes', async () => {
  const path = join(daemon.scratch, 'stopping');
  const d = await createContainer(daemon, 'proxy-2', {
    devices: { p: proxy({ listen: `unix:${path}`, connect: 'tcp:127.0.0.1:80' }) },
  });
  await d.start();
  expect(existsSync(path)).toBe(true);
  await d.stop();
  expect(existsSync(path)).toBe(false);
  await d.start();
  expect(existsSync(path)).toBe(true);
  await d.stop();
  rmSync(path, { force: true });
});
