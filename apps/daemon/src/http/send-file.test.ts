import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import type { ApiRequest } from './request.ts';
import { rangeOf, sendFile } from './send-file.ts';

test.each([
  ['bytes=0-5', { start: 0, end: 5 }],
  ['bytes=5-', { start: 5, end: 9 }],
  ['bytes=-3', { start: 7, end: 9 }],
  ['bytes=-30', { start: 0, end: 9 }],
  ['bytes=3-300', { start: 3, end: 9 }],
  ['bytes=10-', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=5-3', undefined],
  ['bytes=0-1,3-4', undefined],
  ['bytes=-', undefined],
  ['lines=0-5', undefined],
  [undefined, undefined],
])('a range %s of ten bytes', (header, expected) => {
  expect(rangeOf(header, 10)).toEqual(expected);
});

/** Serves a file to each request, and hands over where it is reached; `outcome` settles when the first answer is given. */
const serve = async (content: Buffer) => {
  const folder = mkdtempSync(join(tmpdir(), 'send-file-'));
  const file = join(folder, 'big');
  writeFileSync(file, content);
  const outcome = Promise.withResolvers<void>();
  const server = createServer((incoming, response) => {
    const request = {
      method: 'GET',
      path: '/',
      params: {},
      query: new URLSearchParams(),
      project: 'default',
      identity: { method: 'unix', name: 'root', address: '@' },
      ifMatch: undefined,
      incoming,
    } satisfies ApiRequest;
    void (async () => {
      const reply = await sendFile(request, file, 'big');
      if (reply.kind !== 'stream') throw new Error(`The answer is ${reply.kind}`);
      await reply.write(response);
    })().then(outcome.resolve, outcome.reject);
  });
  const socketPath = join(folder, 'socket');
  server.listen(socketPath);
  await once(server, 'listening');
  return {
    file,
    socketPath,
    outcome: outcome.promise,
    [Symbol.dispose]: () => {
      server.close();
      rmSync(folder, { recursive: true });
    },
  };
};

test('a file arrives as it is, whole and in parts', async () => {
  const content = randomBytes(3_500_000);
  using served = await serve(content);
  const ask = async (range: string | undefined): Promise<Buffer> => {
    const headers = range === undefined ? {} : { range };
    const [response] = await once(get({ socketPath: served.socketPath, path: '/', headers }), 'response');
    return buffer(response);
  };
  expect((await ask(undefined)).equals(content)).toBe(true);
  expect((await ask('bytes=1000000-2500000')).equals(content.subarray(1_000_000, 2_500_001))).toBe(true);
  expect((await ask('bytes=-1')).equals(content.subarray(-1))).toBe(true);
});

test('a file that becomes shorter while it is sent breaks the answer off', async () => {
  using served = await serve(Buffer.alloc(64 * 1024 * 1024));
  const [response] = await once(get({ socketPath: served.socketPath, path: '/' }), 'response');
  await once(response, 'readable');
  truncateSync(served.file, 1024);
  await expect(buffer(response)).rejects.toThrow('aborted');
  await served.outcome;
});

test('a client may hang up in the middle of a file; then the file is closed', async () => {
  using served = await serve(Buffer.alloc(64 * 1024 * 1024));
  const [response] = await once(get({ socketPath: served.socketPath, path: '/' }), 'response');
  response.once('error', () => undefined);
  await once(response, 'readable');
  response.destroy();
  await served.outcome;
  const open = readdirSync('/proc/self/fd').map((fd) => {
    const link = join('/proc/self/fd', fd);
    return existsSync(link) ? readlinkSync(link) : '';
  });
  expect(open).not.toContain(served.file);
});
