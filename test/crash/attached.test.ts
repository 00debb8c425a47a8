/**
 * The daemon is killed at random moments of attaching custom volumes to instances and detaching them, and of the same and a limit in their
 * profile; an instance has the volumes and limits that its record says, and a retry works.
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
const names = ['user', 'second'] as const;
const url = '/1.0/instances/user';
const profile = '/1.0/profiles/shared';
const config = z.record(z.string(), z.string());
const record = z.looseObject({ expanded_config: config, expanded_devices: z.record(z.string(), config) });
const state = z.looseObject({ pid: z.number(), status: z.string() });

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
  for (const pool of pools) {
    await lxd.api('POST', volumesUrl(pool), { name: 'base' });
    writeFileSync(insideDaemon(lxd, `storage-pools/${pool}/custom/default_base/data`), 'here');
  }
  await lxd.api('POST', '/1.0/profiles', { name: 'shared' });
  for (const name of names) {
    const source = { type: 'image', alias: 'busybox' };
    await lxd.api('POST', '/1.0/instances', { name, source, profiles: ['default', 'shared'] });
    await lxd.api('PUT', `/1.0/instances/${name}/state`, { action: 'start' });
  }
});
afterAll(() => lxd[Symbol.asyncDispose]());

const recordOf = async (name: string) => record.parse(await lxd.api('GET', `/1.0/instances/${name}`));
const has = async (): Promise<boolean> => (await recordOf('user')).expanded_devices['data'] !== undefined;
/** The instance's record is replaced: PATCH keeps the devices that it does not name. */
const detach = async (): Promise<unknown> => {
  const before = z.looseObject({ config, profiles: z.array(z.string()) }).parse(await lxd.api('GET', url));
  return lxd.api('PUT', url, { config: before.config, profiles: before.profiles, devices: {} });
};

/** How many processes a container may have, as its cgroup says. */
const processLimit = (pid: number): string => {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n');
  const [, own] = /^[0-9]+:pids:(.*)$/.exec(lines.find((line) => line.includes(':pids:')) ?? '') ?? [];
  const [, unified] = /^0::(.*)$/.exec(lines.find((line) => line.startsWith('0::')) ?? '') ?? [];
  const file = own === undefined ? `/sys/fs/cgroup/${unified}` : `/sys/fs/cgroup/pids/${own}`;
  return readFileSync(join(file, 'pids.max'), 'utf8').trim();
};

const faultsOf = async (name: string): Promise<string[]> => {
  const { pid, status } = state.parse(await lxd.api('GET', `/1.0/instances/${name}/state`));
  if (status !== 'Running') return [`${name} is ${status}`];
  const mounted = readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .split('\n')
    .filter((line) => line.split(' ')[4] === '/data').length;
  const { expanded_devices, expanded_config } = await recordOf(name);
  const wanted = expanded_devices['data'] ? 1 : 0;
  const limit = expanded_config['limits.processes'] ?? 'max';
  const isRead = mounted === 0 || readFileSync(join(`/proc/${pid}/root`, 'data/data'), 'utf8') === 'here';
  return [
    ...(mounted === wanted ? [] : [`${name}: mounted ${mounted} times where the record says ${wanted}`]),
    ...(isRead ? [] : [`${name}: wrong files`]),
    ...(processLimit(pid) === limit ? [] : [`${name}: ${processLimit(pid)} processes instead of ${limit}`]),
  ];
};

const faults = async (): Promise<string[]> => [
  ...(await Promise.all(names.map(faultsOf))).flat(),
  ...(await volumeFaults(lxd, pools)),
  ...loopFaults(lxd, ['tree', 'tree2']),
];

const actions = (pool: string): Readonly<Record<string, Action>> => {
  const data = { type: 'disk', pool, source: 'base', path: '/data' };
  const attach = () => lxd.api('PATCH', url, { devices: { data } });
  const share = () => lxd.api('PATCH', profile, { devices: { data }, config: { 'limits.processes': '300' } });
  const withdraw = () => lxd.api('PUT', profile, { description: '', devices: {}, config: {} });
  const hasNot = async () => !(await has());
  return {
    attach: { run: attach, done: has, clear: detach },
    detach: { prepare: attach, run: detach, done: hasNot },
    'change of a profile': { run: share, done: has, clear: withdraw },
    'change of a profile back': { prepare: share, run: withdraw, done: hasNot },
  };
};

test.each(Object.keys(actions('plain')))(
  `%s: killed ${moments} times, a running instance has what its record says (seed ${seed})`,
  { timeout },
  async (kind) => {
    expect(await killAtMoments(lxd, { places: pools, actions, kind, faults })).toEqual([]);
  },
);
