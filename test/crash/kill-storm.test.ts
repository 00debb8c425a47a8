/** The daemon is killed at random moments of everything that makes or removes instances; nothing may be lost or left. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { lxc } from '../support/instance.ts';
import type { Lxd } from '../support/lxd.ts';
import { startInitialised } from '../support/preseed.ts';
import { underTest } from '../support/programs.ts';
import { call } from '../support/rest.ts';
import { eventually } from '../support/wait.ts';
import { killDuring } from './moments.ts';
import { orphans } from './orphans.ts';
import { randomFrom } from './random.ts';

const rounds = Number(process.env.LXD_TS_TEST_KILLS ?? 200);
/** The seed makes the moments of a failed run come back: LXD_TS_TEST_SEED. */
const seed = Number(process.env.LXD_TS_TEST_SEED ?? Date.now() % 1_000_000);

let lxd: Lxd;
let backup: Buffer;
beforeAll(async () => {
  lxd = await startInitialised(underTest);
  await lxc(lxd, 'init', 'busybox', 'base');
  await lxc(lxd, 'snapshot', 'base', 'first');
  await lxc(lxd, 'init', 'busybox', 'packed');
  await lxc(lxd, 'export', 'packed', join(lxd.scratch.folder, 'packed.tar.gz'));
  await lxc(lxd, 'delete', 'packed');
  backup = readFileSync(join(lxd.scratch.folder, 'packed.tar.gz'));
});
afterAll(() => lxd[Symbol.asyncDispose]());

/** What an action leaves when it was acknowledged: the instance or snapshot is there, or gone. */
interface Action {
  readonly what: string;
  readonly run: () => Promise<unknown>;
  readonly makes?: string;
  readonly removes?: string;
}

/** All that can be done with a fresh name; removing needs a victim. */
const actions = (name: string, victim: string | undefined): Action[] => {
  return [
    {
      what: 'create',
      makes: name,
      run: () => lxd.api('POST', '/1.0/instances', { name, source: { type: 'image', alias: 'busybox' } }),
    },
    {
      what: 'copy',
      makes: name,
      run: () =>
        lxd.api('POST', '/1.0/instances', { name, profiles: ['default'], source: { type: 'copy', source: 'base' } }),
    },
    {
      what: 'snapshot',
      makes: `base/${name}`,
      run: () => lxd.api('POST', '/1.0/instances/base/snapshots', { name }),
    },
    {
      what: 'import',
      makes: name,
      run: () =>
        call(lxd.socket, 'POST', '/1.0/instances', backup, {
          headers: { 'content-type': 'application/octet-stream', 'X-LXD-name': name },
        }),
    },
    ...(victim === undefined ? [] : [{ what: 'delete', removes: victim, run: () => lxd.api('DELETE', urlOf(victim)) }]),
  ];
};

/** One of the items. @throws Error when there is none */
const pick = <Item>(items: readonly Item[], random: () => number): Item => {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error('There is nothing to choose from');
  return item;
};

const urlOf = (name: string): string => `/1.0/instances/${name.replace('/', '/snapshots/')}`;

const exists = (name: string): Promise<boolean> =>
  lxd.api('GET', urlOf(name)).then(
    () => true,
    () => false,
  );

test(`killed ${rounds} times, the daemon keeps what it acknowledged and leaves nothing half done (seed ${seed})`, {
  timeout: rounds * 6000,
}, async () => {
  const random = randomFrom(seed);
  expect(await orphans(lxd)).toEqual([]);
  const existing: string[] = [];
  const faults: string[] = [];
  // Once without a kill: all of it works, and this is how long it takes.
  const takes = new Map<string, number>();
  for (const what of ['create', 'copy', 'snapshot', 'import', 'delete']) {
    const action = actions(`first-${what}`, existing[0]).find((one) => one.what === what);
    const started = performance.now();
    await action?.run();
    takes.set(what, performance.now() - started);
    if (action?.makes !== undefined) existing.push(action.makes);
    if (action?.removes !== undefined) existing.shift();
  }
  for (let n = 0; n < rounds; n++) {
    const victim = existing.length > 0 ? pick(existing, random) : undefined;
    const action = pick(actions(`k${n}`, victim), random);
    const delay = random() * 1.2 * (takes.get(action.what) ?? 0);
    const acknowledged = await killDuring(lxd, action.run, delay);

    const where = `round ${n}, ${action.what} killed after ${delay.toFixed(1)} ms`;
    if (action.makes !== undefined) {
      const there = await exists(action.makes);
      if (acknowledged && !there) faults.push(`${where}: ${action.makes} was acknowledged and is lost`);
      if (there) existing.push(action.makes);
    }
    if (action.removes !== undefined) {
      const there = await exists(action.removes);
      if (acknowledged && there) faults.push(`${where}: ${action.removes} was removed and is back`);
      if (!there) existing.splice(existing.indexOf(action.removes), 1);
    }
    // What a start finds half done may be cleaned up after the daemon is ready.
    const left = await eventually(
      () => orphans(lxd),
      (found) => found.length === 0,
      5000,
    ).catch(() => orphans(lxd));
    faults.push(...left.map((one) => `${where}: ${one}`));
    if (faults.length > 10) break;
  }
  expect(faults).toEqual([]);

  for (const name of existing.filter((one) => !one.startsWith('base/'))) await lxd.api('DELETE', urlOf(name));
  await lxd.api('DELETE', '/1.0/instances/base');
  expect(await orphans(lxd)).toEqual([]);
});

test('instances that ran while the daemon was killed run on and are found again', async () => {
  await lxc(lxd, 'launch', 'busybox', 'runner');
  const { pid } = z.looseObject({ pid: z.number() }).parse(await lxd.api('GET', '/1.0/instances/runner/state'));
  await lxd.kill();
  expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toContain('init');
  await lxd.start();
  expect(await lxd.api('GET', '/1.0/instances/runner/state')).toMatchObject({ status: 'Running', pid });
  await lxc(lxd, 'exec', 'runner', '--', 'true');
  await lxc(lxd, 'delete', '--force', 'runner');
});
