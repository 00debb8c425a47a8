/** Whatever is sent, the daemon answers with a sentence, never blames itself, and lives on. */
import { requests } from '@lxd-ts/api';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { lxc } from '../support/instance.ts';
import type { Lxd } from '../support/lxd.ts';
import { startInitialised } from '../support/preseed.ts';
import { real, underTest } from '../support/programs.ts';
import { send } from '../support/rest.ts';
import { bodiesFor, brokenBodies, pathParts } from './bodies.ts';

const runs = Number(process.env.LXD_TS_TEST_FUZZ ?? 50);
/** The same requests in each run, so that a failure belongs to the change that brought it; any other number looks elsewhere. */
const seed = Number(process.env.LXD_TS_TEST_FUZZ_SEED ?? 5_15);
/** How many requests a whole run of this file sends at least. */
const atLeast = 5000;
const server = z.looseObject({ environment: z.looseObject({ server_pid: z.number() }) });
const answer = z.looseObject({
  type: z.enum(['sync', 'async', 'error']),
  error: z.string().default(''),
  error_code: z.number().default(0),
  operation: z.string().default(''),
  metadata: z.unknown(),
});
const operation = z.looseObject({ status_code: z.number(), err: z.string() });

/** Words of a program's fault, which no user's input should bring about. */
const bug =
  /TypeError|ReferenceError|RangeError|is not a function|Cannot read prop|undefined|\[object|SQLITE|constraint failed|\n\s+at /;

let lxd: Lxd;
let pid: number;
let sent = 0;
beforeAll(async () => {
  lxd = await startInitialised(underTest);
  await lxc(lxd, 'init', 'busybox', 'c1');
  await lxc(lxd, 'snapshot', 'c1', 's1');
  pid = server.parse(await lxd.api('GET', '/1.0')).environment.server_pid;
});
afterAll(() => lxd[Symbol.asyncDispose]());

/** Sends a request, and tells what is wrong with the answer; undefined when nothing is. */
const faultOf = async (method: string, path: string, body?: unknown): Promise<string | undefined> => {
  sent++;
  const reply = await send(lxd.socket, method, path, body, { headers: { 'content-type': 'application/json' } });
  const parsed = answer.safeParse(JSON.parse(reply.body.toString()));
  if (!parsed.success) return `no answer of the API: ${reply.body.toString().slice(0, 300)}`;
  const { type, error, error_code } = parsed.data;
  if (type === 'async') {
    const waited = await send(lxd.socket, 'GET', `${parsed.data.operation}/wait?timeout=3`);
    const ended = operation.safeParse(answer.parse(JSON.parse(waited.body.toString())).metadata);
    return ended.success && bug.test(ended.data.err) ? `the operation says: ${ended.data.err}` : undefined;
  }
  if (type === 'sync') return undefined;
  if (error_code !== reply.status) return `the status is ${reply.status}, the error code ${error_code}`;
  if (underTest === real) return undefined;
  if (reply.status >= 500 && reply.status !== 501 && reply.status !== 503) return `status ${reply.status}: ${error}`;
  if (error.trim().length < 5 || bug.test(error)) return `no sentence for people: ${error}`;
  return undefined;
};

const expectAlive = async () =>
  expect(server.parse(await lxd.api('GET', '/1.0')).environment.server_pid, lxd.log().slice(-2000)).toBe(pid);

const places = (path: string) => [...path.matchAll(/\{\w+\}/g)].length;
const fill = (path: string, parts: readonly string[]): string => {
  let n = 0;
  return `/1.0${path.replaceAll(/\{\w+\}/g, () => encodeURIComponent(parts[n++] ?? 'x'))}`;
};

// A cluster is not formed by accident here: it would end the test's own server.
const fuzzed = requests.filter((one) => !one.path.startsWith('/cluster'));

describe('a nearly right body gets a clear answer', () => {
  test.each(fuzzed)('$method $path', { timeout: 120_000 }, async ({ method, path, body }) => {
    const parts = fc.array(pathParts, { minLength: places(path), maxLength: places(path) });
    await fc.assert(
      fc.asyncProperty(parts, bodiesFor(body), async (names, content) => {
        expect(await faultOf(method, fill(path, names), content)).toBeUndefined();
      }),
      { seed, numRuns: runs, endOnFailure: true },
    );
    await expectAlive();
  });
});

describe('a body that is none gets a clear answer', () => {
  test.each(brokenBodies)('%s', async (_, content) => {
    for (const { method, path } of fuzzed) {
      const fault = await faultOf(method, fill(path, ['c1', 's1', 'x']), content);
      expect(fault, `${method} ${path}`).toBeUndefined();
    }
    await expectAlive();
  });
});

describe('odd queries get a clear answer', () => {
  const paths = [
    '/instances',
    '/images',
    '/networks',
    '/profiles',
    '/storage-pools',
    '/operations',
    '/projects',
    '/warnings',
  ];
  const queries = [
    'recursion=x',
    'recursion=-1',
    'recursion=99999999999',
    'project=nothing',
    'project=%00',
    'filter=name+eq',
    'filter=(((',
    'filter=a+eq+b+or',
    `filter=${'a+eq+b+and+'.repeat(500)}a+eq+b`,
    'all-projects=maybe',
    'target=nothing',
    '%zz',
    '&&&==',
    'recursion=1&recursion=2',
  ];
  test.each(queries)('%s', async (query) => {
    for (const path of paths) expect(await faultOf('GET', `/1.0${path}?${query}`), path).toBeUndefined();
    await expectAlive();
  });
});

test('the requests above were many', () => {
  expect(sent).toBeGreaterThanOrEqual(atLeast);
});
