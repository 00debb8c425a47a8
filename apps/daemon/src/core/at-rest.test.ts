import { once } from 'node:events';
import { createServer, get } from 'node:http';
import pino from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { whenAtRest } from './at-rest.ts';

const server = createServer((_, response) => response.end());
beforeEach(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
  server.close();
});

const ask = async (): Promise<void> => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen');
  const [response] = await once(get({ port: address.port, host: '127.0.0.1', agent: false }), 'response');
  response.resume();
  await once(response, 'end');
};

test('work is done at once, and whenever nobody has asked for a while; its failure is logged', async () => {
  const errors: string[] = [];
  const log = pino({}, { write: (line: string) => errors.push(line) });
  const work = vi.fn(async () => {
    throw new Error('went wrong');
  });
  await using _resting = whenAtRest({ quietMs: 10_000, longestMs: 60_000 }, 'do it', work, log);
  expect(work).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(9_000);
  await ask();
  await vi.advanceTimersByTimeAsync(9_000);
  expect(work).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1_001);
  expect(work).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(work).toHaveBeenCalledTimes(2);
  await ask();
  await vi.advanceTimersByTimeAsync(10_001);
  expect(work).toHaveBeenCalledTimes(3);
  expect(errors).toHaveLength(3);
  expect(errors[0]).toContain('Could not do it: went wrong');
});

test('work is done once in a while when somebody asks all the time', async () => {
  const work = vi.fn(async () => undefined);
  await using _resting = whenAtRest({ quietMs: 10_000, longestMs: 60_000 }, 'do it', work, pino({ enabled: false }));
  for (let second = 0; second < 150; second += 5) {
    await ask();
    await vi.advanceTimersByTimeAsync(5_000);
  }
  expect(work).toHaveBeenCalledTimes(3);
});
