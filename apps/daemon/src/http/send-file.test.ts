import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

test('a client may hang up in the middle of a file; then the file is closed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'send-file-'));
  writeFileSync(join(folder, 'big'), Buffer.alloc(64 * 1024 * 1024));
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
      const reply = await sendFile(request, join(folder, 'big'), 'big');
      if (reply.kind !== 'stream') throw new Error(`The answer is ${reply.kind}`);
      await reply.write(response);
    })().then(outcome.resolve, outcome.reject);
  });
  try {
    server.listen(join(folder, 'socket'));
    await once(server, 'listening');
    const [response] = await once(get({ socketPath: join(folder, 'socket'), path: '/' }), 'response');
    response.once('error', () => undefined);
    await once(response, 'readable');
    response.destroy();
    await outcome.promise;
    const open = readdirSync('/proc/self/fd').map((fd) => {
      const link = join('/proc/self/fd', fd);
      return existsSync(link) ? readlinkSync(link) : '';
    });
    expect(open).not.toContain(join(folder, 'big'));
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});
