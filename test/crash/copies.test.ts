/** The daemon is killed at random moments of everything that copies, moves or turns back instances; every pool fits the records after. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Lxd } from '../support/lxd.ts';
import { startWithPools } from '../support/pools.ts';
import { randomFrom } from './random.ts';

const rounds = Number(process.env.LXD_TS_TEST_KILLS ?? 60);
/** The seed makes the actions of a failed run come back: LXD_TS_TEST_SEED. */
const seed = Number(process.env.LXD_TS_TEST_SEED ?? Date.now() % 1_000_000);
const pools = ['plain', 'plain2', 'tree', 'tree2'] as const;

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
  const source = { type: 'image', alias: 'busybox' };
  await lxd.api('POST', '/1.0/instances', { name: 'base', source });
  for (const name of ['s0', 's1']) await lxd.api('POST', '/1.0/instances/base/snapshots', { name });
});
afterAll(() => lxd[Symbol.asyncDispose]());

const shape = z.array(
  z.looseObject({
    name: z.string(),
    status: z.string(),
    config: z.record(z.string(), z.string()),
    expanded_devices: z.record(z.string(), z.record(z.string(), z.string())),
    snapshots: z.array(z.looseObject({ name: z.string(), config: z.record(z.string(), z.string()) })).nullable(),
  }),
);
const listed = async () => shape.parse(await lxd.api('GET', '/1.0/instances?recursion=2'));

const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

/** What differs between the records and what is in the pools, as sentences. */
const faults = async (): Promise<string[]> => {
  const all = await listed();
  const wanted = new Set<string>();
  for (const { name, expanded_devices, snapshots } of all) {
    const pool = expanded_devices['root']?.['pool'] ?? 'none';
    wanted.add(`${pool}: ${name}`);
    for (const snapshot of snapshots ?? []) wanted.add(`${pool}: ${name}/${snapshot.name}`);
  }
  const inside = (path: string): string => `/proc/${lxd.pid()}/root${join(lxd.folder, 'storage-pools', path)}`;
  const found = new Set(
    pools.flatMap((pool) => [
      ...namesIn(inside(`${pool}/containers`)).map((name) => `${pool}: ${name}`),
      ...namesIn(inside(`${pool}/containers-snapshots`)).flatMap((name) =>
        namesIn(inside(`${pool}/containers-snapshots/${name}`)).map((snapshot) => `${pool}: ${name}/${snapshot}`),
      ),
    ]),
  );
  const marks = /^volatile\.(?:rename|restore|rebuild|last_state\.frozen)$/;
  return [
    ...[...found].filter((one) => !wanted.has(one)).map((one) => `${one} belongs to nothing`),
    ...[...wanted].filter((one) => !found.has(one)).map((one) => `${one} is missing`),
    ...all.flatMap(({ name, config, snapshots }) =>
      [config, ...(snapshots ?? []).map((one) => one.config)]
        .flatMap((one) => Object.keys(one))
        .filter((key) => marks.test(key))
        .map((key) => `${name} is still marked with ${key}`),
    ),
  ];
};

type Instances = Awaited<ReturnType<typeof listed>>;

/** A random change, as a request. */
const change = (n: number, all: Instances, random: () => number): [what: string, run: () => Promise<unknown>] => {
  const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(random() * items.length)];
  const others = all.filter((one) => one.name !== 'base');
  const victim = pick(others);
  const snapshot = pick(victim?.snapshots ?? [])?.name;
  const pool = pick(pools) ?? 'plain';
  const url = `/1.0/instances/${victim?.name}`;
  const copy = (name: string, refresh: boolean) => () =>
    lxd.api('POST', '/1.0/instances', {
      name,
      ...(refresh ? {} : { devices: { root: { type: 'disk', path: '/', pool } } }),
      source: { type: 'copy', source: 'base', refresh },
    });
  const choices: [string, () => Promise<unknown>][] = [
    [`copy base to k${n} in ${pool}`, copy(`k${n}`, false)],
    ['snapshot base', () => lxd.api('POST', '/1.0/instances/base/snapshots', { name: `t${n}` })],
  ];
  if (victim) {
    choices.push(
      [`refresh ${victim.name}`, copy(victim.name, true)],
      [`move ${victim.name} to ${pool}`, () => lxd.api('POST', url, { name: victim.name, migration: true, pool })],
      [`snapshot ${victim.name}`, () => lxd.api('POST', `${url}/snapshots`, { name: `s${n}` })],
      [`rename ${victim.name}`, () => lxd.api('POST', url, { name: `r${n}` })],
    );
    if (others.length > 4) choices.push([`delete ${victim.name}`, () => lxd.api('DELETE', url)]);
    if (snapshot) {
      choices.push(
        [`restore ${victim.name}/${snapshot}`, () => lxd.api('PUT', url, { restore: snapshot })],
        [`delete ${victim.name}/${snapshot}`, () => lxd.api('DELETE', `${url}/snapshots/${snapshot}`)],
        [`rename ${victim.name}/${snapshot}`, () => lxd.api('POST', `${url}/snapshots/${snapshot}`, { name: `q${n}` })],
      );
    } else {
      const source = { type: 'image', alias: 'busybox' };
      choices.push([`rebuild ${victim.name}`, () => lxd.api('POST', `${url}/rebuild`, { source })]);
    }
  }
  return pick(choices) ?? ['nothing', async () => undefined];
};

test(`killed ${rounds} times, the daemon leaves no copy, snapshot or move half done (seed ${seed})`, {
  timeout: rounds * 10_000,
}, async () => {
  const random = randomFrom(seed);
  const found: string[] = [];
  let interrupted = 0;
  for (let n = 0; n < rounds && found.length === 0; n++) {
    const [what, run] = change(n, await listed(), random);
    const delay = random() * random() * 250;
    let ended = false;
    const running = run().then(
      () => {
        ended = true;
      },
      () => undefined,
    );
    await Promise.race([running, sleep(delay)]);
    if (!ended) interrupted++;
    await lxd.kill();
    await running;
    await lxd.start();
    found.push(...(await faults()).map((one) => `round ${n}, ${what} killed after ${delay.toFixed(1)} ms: ${one}`));
  }
  expect(found).toEqual([]);
  expect(interrupted).toBeGreaterThan(rounds / 4);

  for (const { name, snapshots } of await listed()) {
    const url = `/1.0/instances/${name}`;
    for (const snapshot of snapshots ?? []) await lxd.api('PUT', url, { restore: snapshot.name });
    await lxd.api('PUT', `${url}/state`, { action: 'start' });
    await lxd.api('PUT', `${url}/state`, { action: 'stop', force: true });
    await lxd.api('DELETE', url);
  }
  expect(await faults()).toEqual([]);
});

test('an instance that was frozen for a snapshot runs on when the daemon comes back', async () => {
  const source = { type: 'image', alias: 'busybox' };
  await lxd.api('POST', '/1.0/instances', { name: 'frozen', source });
  await lxd.api('PUT', '/1.0/instances/frozen/state', { action: 'start' });
  for (let delay = 0; delay < 60; delay += 6) {
    const taken = lxd.api('POST', '/1.0/instances/frozen/snapshots', {}).catch(() => undefined);
    await sleep(delay);
    await lxd.kill();
    await taken;
    await lxd.start();
    const { status } = z.looseObject({ status: z.string() }).parse(await lxd.api('GET', '/1.0/instances/frozen'));
    expect(status).toBe('Running');
    expect(await lxd.lxc(['exec', 'frozen', 'true'], { client: ['/usr/bin/lxc'], timeout: 5000 })).toMatchObject({
      code: 0,
    });
    expect(await faults()).toEqual([]);
  }
  await lxd.api('PUT', '/1.0/instances/frozen/state', { action: 'stop', force: true });
  await lxd.api('DELETE', '/1.0/instances/frozen');
});
