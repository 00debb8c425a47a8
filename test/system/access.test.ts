import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Lxd } from '../support/lxd.ts';
import { debianLxc, startWithPools } from '../support/pools.ts';
import { send } from '../support/rest.ts';
import { eventually } from '../support/wait.ts';

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
  await debianLxc(lxd, 'launch', 'busybox', 'c1');
});
afterAll(() => lxd[Symbol.asyncDispose]());

const lxc = (...args: string[]): Promise<string> => debianLxc(lxd, ...args);
const started = z.looseObject({
  operation: z.string(),
  metadata: z.looseObject({ id: z.string(), metadata: z.looseObject({ fds: z.record(z.string(), z.string()) }) }),
});
/** Begins an operation with streams. */
const begin = async (path: string, body: object) => {
  const reply = await send(lxd.socket, 'POST', path, body);
  expect(reply.status).toBe(202);
  const { operation, metadata } = started.parse(JSON.parse(reply.body.toString()));
  return { operation, fds: metadata.metadata.fds };
};

/** A WebSocket over the local socket, as a raw stream: RFC 6455 frames of less than 126 bytes, masked with zeros. */
const stream = async (operation: string, secret: string | undefined) => {
  const socket = connect(lxd.socket);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  socket.write(
    `GET ${operation}/websocket?secret=${secret} HTTP/1.1\r\nHost: lxd\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
  );
  const received = (): string => Buffer.concat(chunks).toString('latin1');
  await eventually(
    async () => received(),
    (text) => text.includes('\r\n\r\n'),
  );
  const frame = (opcode: number, text: string): void => {
    const data = Buffer.from(text);
    const length = data.length < 126 ? [data.length | 0x80] : [126 | 0x80, data.length >> 8, data.length & 0xff];
    socket.write(Buffer.concat([Buffer.of(0x80 | opcode, ...length, 0, 0, 0, 0), data]));
  };
  return {
    received,
    say: (text: string) => frame(1, text),
    data: (text: string) => frame(2, text),
    close: () => socket.destroy(),
  };
};

test('[09.CON-01 09.CON-03] the console shows what is written and takes what is typed; its log is read and emptied', async () => {
  await lxc('exec', 'c1', '--', 'sh', '-c', 'echo said-before > /dev/console');
  expect(await lxc('console', 'c1', '--show-log')).toContain('said-before');
  const { operation, fds } = await begin('/1.0/instances/c1/console', { width: 100, height: 30 });
  expect(Object.keys(fds).sort()).toEqual(['0', 'control']);
  const [data, control] = [await stream(operation, fds['0']), await stream(operation, fds['control'])];
  await eventually(
    () => lxc('exec', 'c1', '--', 'sh', '-c', 'stty size < /dev/console'),
    (size) => size === '30 100\n',
  );
  control.say('{"command":"window-resize","args":{"width":"120","height":"40"}}');
  await eventually(
    () => lxc('exec', 'c1', '--', 'sh', '-c', 'stty size < /dev/console'),
    (size) => size === '40 120\n',
  );
  await lxc('exec', 'c1', '--', 'sh', '-c', 'echo said-now > /dev/console');
  data.data('typed\r');
  await eventually(
    async () => data.received(),
    (text) => text.includes('said-now') && text.includes('typed'),
  );
  data.close();
  await lxd.api('GET', `${operation}/wait`);
  control.close();
  await lxd.api('DELETE', '/1.0/instances/c1/console');
  expect(await lxc('console', 'c1', '--show-log')).not.toContain('said');
  await expect(lxd.api('POST', '/1.0/instances/c1/console', { type: 'vga' })).rejects.toThrow(
    'VGA console is only supported by virtual machines',
  );
});

test('the daemon stands what wicked clients send on control streams', async () => {
  const { operation, fds } = await begin('/1.0/instances/c1/exec', {
    command: ['sleep', '60'],
    interactive: true,
    'wait-for-websocket': true,
    width: 1e9,
    height: -5,
  });
  const [data, control] = [await stream(operation, fds['0']), await stream(operation, fds['control'])];
  for (const size of ['70000', '-1', 'x', '1e99', '']) {
    control.say(`{"command":"window-resize","args":{"width":"${size}","height":"${size}"}}`);
  }
  for (const signal of [99999, -9, 0, 65]) control.say(`{"command":"signal","signal":${signal}}`);
  for (const text of ['', '{', 'null', '[]', '{"command":"window-resize"}', '{"command":"signal","signal":"9"}'])
    control.say(text);
  control.say('{"command":"signal","signal":15}');
  const outcome = z.looseObject({ metadata: z.looseObject({ return: z.number() }) });
  expect(outcome.parse(await lxd.api('GET', `${operation}/wait`)).metadata.return).toBe(143);
  data.close();
  control.close();
  const exec = '/1.0/instances/c1/exec';
  for (const body of [
    { command: ['a\0b'] },
    { command: ['true'], environment: { 'A=B': 'c' } },
    { command: ['true'], environment: { A: 'b\0' } },
    { command: ['true'], cwd: '/\0' },
    { command: ['true'], user: -1 },
    { command: [] },
  ]) {
    await expect(lxd.api('POST', exec, body), JSON.stringify(body)).rejects.toMatchObject({ code: 400 });
  }
});

test('[09.EXE-02] what a client sends before the command has started is not lost', async () => {
  const { operation, fds } = await begin('/1.0/instances/c1/exec', { command: ['cat'], 'wait-for-websocket': true });
  const input = await stream(operation, fds['0']);
  input.data('early');
  input.say('');
  const errors = await stream(operation, fds['2']);
  const output = await stream(operation, fds['1']);
  await lxd.api('GET', `${operation}/wait`);
  await eventually(
    async () => output.received(),
    (text) => text.includes('early'),
  );
  for (const one of [input, output, errors]) one.close();
});

test('an operation whose client connects nothing can be cancelled', async () => {
  const { operation } = await begin('/1.0/instances/c1/exec', { command: ['true'], 'wait-for-websocket': true });
  await lxd.api('DELETE', operation);
  const outcome = z
    .looseObject({ status: z.string() })
    .parse(await lxd.api('GET', `${operation}/wait`).catch((error: unknown) => ({ status: String(error) })));
  expect(outcome.status).toMatch(/cancel/i);
});

test('[09.EXE-03] recorded output is listed, read and deleted', async () => {
  const done = await lxd.api('POST', '/1.0/instances/c1/exec', {
    command: ['sh', '-c', 'echo out; echo err >&2; exit 3'],
    'record-output': true,
  });
  const { output, return: status } = z
    .looseObject({ return: z.number(), output: z.record(z.string(), z.string()) })
    .parse(done);
  expect(status).toBe(3);
  const read = async (url: string | undefined) => send(lxd.socket, 'GET', url ?? '');
  expect((await read(output['1'])).body.toString()).toBe('out\n');
  expect((await read(output['2'])).body.toString()).toBe('err\n');
  const list = '/1.0/instances/c1/logs/exec-output';
  expect(
    z
      .array(z.string())
      .parse(await lxd.api('GET', list))
      .sort(),
  ).toEqual(Object.values(output).sort());
  await lxd.api('DELETE', output['1'] ?? '');
  expect((await read(output['1'])).status).toBe(404);
  expect(await lxd.api('GET', list)).toEqual([output['2']]);
  for (const name of ['..%2flxc.log', 'x', 'exec_..%2f.stdout'])
    expect((await read(`${list}/${name}`)).status).toBe(400);
});

test('[09.EP-05] logs are listed and read, also of an instance that did not start', async () => {
  expect(await lxc('info', 'c1', '--show-log')).toContain('Log:');
  expect(await lxd.api('GET', '/1.0/instances/c1/logs')).toContain('/1.0/instances/c1/logs/lxc.conf');
  await expect(lxd.api('DELETE', '/1.0/instances/c1/logs/lxc.log')).rejects.toThrow('may not be deleted');
  await lxc('init', 'busybox', 'broken', '--config', 'raw.lxc=lxc.hook.pre-start = /bin/false');
  await expect(lxd.api('PUT', '/1.0/instances/broken/state', { action: 'start', timeout: 30 })).rejects.toThrow(
    '--show-log broken',
  );
  expect(await lxc('info', 'broken', '--show-log')).toContain('ERROR');
  await lxc('delete', 'broken');
  const part = await send(lxd.socket, 'GET', '/1.0/instances/c1/logs/lxc.conf', undefined, {
    headers: { range: 'bytes=0-3' },
  });
  expect([part.status, part.body.length]).toEqual([206, 4]);
  await expect(lxd.api('GET', '/1.0/instances/nope/logs')).rejects.toMatchObject({ code: 404 });
});

test('[09.FIL-05] SFTP is an upgrade, with ids as inside, and ends with the instance', async () => {
  const refused = await send(lxd.socket, 'GET', '/1.0/instances/c1/sftp');
  expect([refused.status, refused.body.toString()]).toEqual([
    400,
    expect.stringContaining('Missing or invalid upgrade header'),
  ]);
  await lxc('exec', 'c1', '--', 'sh', '-c', 'echo text > /root/mine; chown 7:8 /root/mine');
  const socket = connect(lxd.socket);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write('GET /1.0/instances/c1/sftp HTTP/1.1\r\nHost: lxd\r\nUpgrade: sftp\r\nConnection: Upgrade\r\n\r\n');
  const received = (): Buffer => Buffer.concat(chunks);
  await eventually(
    async () => received().toString('latin1'),
    (text) => text.endsWith('\r\n\r\n'),
  );
  expect(received().toString('latin1')).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\nUpgrade: sftp\r\n/);
  chunks.length = 0;
  const path = Buffer.from('/root/mine');
  const request = Buffer.concat([Buffer.from([0, 0, 0, 9 + path.length, 17, 0, 0, 0, 5, 0, 0, 0, path.length]), path]);
  socket.write(request);
  await eventually(
    async () => received().length,
    (length) => length >= 41,
  );
  // Length, type and id, then flags, size of 64 bits, uid and gid.
  expect(received().readUInt8(4)).toBe(105);
  expect([received().readUInt32BE(17), received().readUInt32BE(21), received().readUInt32BE(25)]).toEqual([5, 7, 8]);
  const ended = new Promise((resolve) => socket.once('close', resolve));
  await lxc('stop', '--force', 'c1');
  await ended;
  await lxc('start', 'c1');
});
