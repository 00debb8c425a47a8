/**
 * The daemon is killed at random moments of attaching custom volumes to instances and detaching them; an instance has the volumes that
 * its record says, and a retry works.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Lxd } from '../support/lxd.ts';
import { startWithPools } from '../support/pools.ts';
import { type Action, killAtMoments, moments, seed, timeout } from './moments.ts';
import { insideDaemon, loopFaults, volumeFaults, volumesUrl } from './volume-faults.ts';

const pools = ['plain', 'tree'] as const;
const url = '/1.0/instances/user';
const record = z.looseObject({ devices: z.record(z.string(), z.record(z.string(), z.string())) });
const state = z.looseObject({ pid: z.number(), status: z.string() });

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
  for (const pool of pools) {
    await lxd.api('POST', volumesUrl(pool), { name: 'base' });
    writeFileSync(insideDaemon(lxd, `storage-pools/${pool}/custom/default_base/data`), 'here');
  }
  await lxd.api('POST', '/1.0/instances', { name: 'user', source: { type: 'image', alias: 'busybox' } });
  await lxd.api('PUT', `${url}/state`, { action: 'start' });
});
afterAll(() => lxd[Symbol.asyncDispose]());

const devices = async () => record.parse(await lxd.api('GET', url)).devices;
const change = (next: Record<string, Record<string, string>>) => lxd.api('PATCH', url, { devices: next });
const has = async (): Promise<boolean> => (await devices())['data'] !== undefined;
/** The instance's record is replaced: PATCH keeps the devices that it does not name. */
const detach = async (): Promise<unknown> => {
  const before = z
    .looseObject({ config: z.record(z.string(), z.string()), profiles: z.array(z.string()) })
    .parse(await lxd.api('GET', url));
  return lxd.api('PUT', url, { config: before.config, profiles: before.profiles, devices: {} });
};

const faults = async (): Promise<string[]> => {
  const { pid, status } = state.parse(await lxd.api('GET', `${url}/state`));
  if (status !== 'Running') return [`The instance is ${status}`];
  const mounted = readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .split('\n')
    .filter((line) => line.split(' ')[4] === '/data').length;
  const wanted = (await has()) ? 1 : 0;
  const wrong = mounted === wanted ? [] : [`mounted ${mounted} times where the record says ${wanted}`];
  const unread =
    mounted > 0 && readFileSync(join(`/proc/${pid}/root`, 'data/data'), 'utf8') !== 'here' ? ['wrong files'] : [];
  return [...wrong, ...unread, ...(await volumeFaults(lxd, pools)), ...loopFaults(lxd, ['tree', 'tree2'])];
};

const actions = (pool: string): Readonly<Record<string, Action>> => {
  const attach = () => change({ data: { type: 'disk', pool, source: 'base', path: '/data' } });
  return {
    attach: { run: attach, done: has, clear: detach },
    detach: { prepare: attach, run: detach, done: async () => !(await has()) },
  };
};

test.each(Object.keys(actions('plain')))(
  `%s: killed ${moments} times, a running instance has what its record says (seed ${seed})`,
  { timeout },
  async (kind) => {
    expect(await killAtMoments(lxd, { places: pools, actions, kind, faults })).toEqual([]);
  },
);
