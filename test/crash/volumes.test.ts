/** The daemon is killed at random moments of everything that is done with custom volumes; nothing may be lost or left, and a retry works. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Lxd } from '../support/lxd.ts';
import { debianLxc, startWithPools } from '../support/pools.ts';
import { randomFrom } from './random.ts';

/** Moments for each kind of operation. */
const moments = Number(process.env.LXD_TS_TEST_KILLS ?? 8);
/** The seed makes the moments of a failed run come back: LXD_TS_TEST_SEED. */
const seed = Number(process.env.LXD_TS_TEST_SEED ?? Date.now() % 1_000_000);
const pools = ['plain', 'tree'] as const;
type Pool = (typeof pools)[number];

const volumeList = z.array(z.looseObject({ name: z.string(), config: z.record(z.string(), z.string()) }));
const urls = z.array(z.string());
const base = (pool: Pool): string => `/1.0/storage-pools/${pool}/volumes/custom`;

let lxd: Lxd;
let backup: Buffer;
beforeAll(async () => {
  lxd = await startWithPools();
  for (const pool of pools) {
    await lxd.api('POST', base(pool), { name: 'base' });
    const folder = inside(`storage-pools/${pool}/custom/default_base`);
    for (const snapshot of ['s0', 's1']) {
      for (let at = 0; at < 40; at++) writeFileSync(join(folder, `${snapshot}-${at}`), Buffer.alloc(20_000, at));
      await lxd.api('POST', `${base(pool)}/base/snapshots`, { name: snapshot });
    }
  }
  await debianLxc(lxd, 'storage', 'volume', 'export', 'plain', 'base', join(lxd.scratch.folder, 'base.tar.gz'));
  backup = readFileSync(join(lxd.scratch.folder, 'base.tar.gz'));
});
afterAll(() => lxd[Symbol.asyncDispose]());

/** A path of the daemon, in its mount namespace. */
const inside = (path: string): string => join(`/proc/${lxd.pid()}/root`, lxd.folder, path);

const namesIn = (folder: string): string[] => (existsSync(inside(folder)) ? readdirSync(inside(folder)) : []);

/** Compares two sets of names; a line for each that only one of them has. */
const compare = (kind: string, accounted: Iterable<string>, present: Iterable<string>): string[] => {
  const [wanted, found] = [new Set(accounted), new Set(present)];
  return [
    ...[...found].filter((name) => !wanted.has(name)).map((name) => `${kind} ${name} belongs to nothing`),
    ...[...wanted].filter((name) => !found.has(name)).map((name) => `${kind} ${name} is missing`),
  ];
};

const listed = async (pool: Pool) => volumeList.parse(await lxd.api('GET', `${base(pool)}?recursion=1`));

/** Everything that does not fit together, as sentences. */
const faults = async (): Promise<string[]> => {
  const all = await Promise.all(
    pools.map(async (pool) => {
      const rows = await listed(pool);
      const names = rows.map(({ name }) => name);
      const isSnapshot = (name: string): boolean => name.includes('/');
      const root = `storage-pools/${pool}`;
      const saved = namesIn(`${root}/custom-snapshots`).flatMap((volume) =>
        namesIn(`${root}/custom-snapshots/${volume}`).map((snapshot) => `${volume}/${snapshot}`),
      );
      const kept = await Promise.all(
        names
          .filter((name) => !isSnapshot(name))
          .map(async (name) =>
            urls
              .parse(await lxd.api('GET', `${base(pool)}/${name}/backups`))
              .map((url) => `default_${name}/${url.split('/').at(-1)}`),
          ),
      );
      const files = namesIn(`backups/custom/${pool}`).flatMap((volume) =>
        namesIn(`backups/custom/${pool}/${volume}`).map((file) => `${volume}/${file}`),
      );
      const disk = (name: string): string => `default_${name}`;
      return [
        ...compare(`${pool}: folder`, names.filter((name) => !isSnapshot(name)).map(disk), namesIn(`${root}/custom`)),
        ...compare(`${pool}: snapshot`, names.filter(isSnapshot).map(disk), saved),
        ...compare(`${pool}: backup`, kept.flat(), files),
        ...namesIn(`${root}/.incomplete`).map((name) => `${pool}: ${name} is left half made`),
        ...rows
          .filter(({ config }) => Object.keys(config).some((key) => key.startsWith('volatile.')))
          .map(({ name, config }) => `${pool}: ${name} has ${JSON.stringify(config)}`),
      ];
    }),
  );
  const mounts = readFileSync(`/proc/${lxd.pid()}/mountinfo`, 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${lxd.folder}/storage-pools/`) && point.includes('/custom'));
  return [
    ...all.flat(),
    ...mounts.map((point) => `mount ${point} is left`),
    ...namesIn('backups')
      .filter((name) => name.startsWith('upload-'))
      .map((name) => `${name} is left`),
  ];
};

/** Something that is done with volumes, in the midst of which the daemon may die. */
interface Action {
  /** Makes what it needs. */
  readonly prepare?: () => Promise<unknown>;
  readonly run: () => Promise<unknown>;
  /** Whether it has been done: then it is not done again. */
  readonly done: () => Promise<boolean>;
  /** Takes away what it made. */
  readonly clear?: () => Promise<unknown>;
}

const exists = (url: string): Promise<boolean> =>
  lxd.api('GET', url).then(
    () => true,
    () => false,
  );

const actions = (pool: Pool, other: Pool): Readonly<Record<string, Action>> => {
  const here = base(pool);
  const copy = (name: string, refresh = false, from: Pool = pool) =>
    lxd.api('POST', here, { name, source: { type: 'copy', name: 'base', pool: from, refresh } });
  const remove = (name: string) => async () => lxd.api('DELETE', `${here}/${name}`);
  const has = (path: string) => () => exists(`${here}/${path}`);
  const hasNot = (path: string) => async () => !(await exists(`${here}/${path}`));
  const snapshot = (name: string) => () => lxd.api('POST', `${here}/base/snapshots`, { name });
  const save = () => lxd.api('POST', `${here}/base/backups`, { name: 'saved' });
  const headers = { 'content-type': 'application/octet-stream', 'X-LXD-name': 'new' };
  return {
    create: { run: () => lxd.api('POST', here, { name: 'new' }), done: has('new'), clear: remove('new') },
    delete: { prepare: () => copy('old'), run: remove('old'), done: hasNot('old') },
    copy: { run: () => copy('new'), done: has('new'), clear: remove('new') },
    'copy across': { run: () => copy('new', false, other), done: has('new'), clear: remove('new') },
    refresh: {
      async prepare() {
        await copy('old', false, other);
        await lxd.api('DELETE', `${here}/old/snapshots/s1`);
        await lxd.api('POST', `${here}/old/snapshots`, { name: 'own' });
      },
      run: () => copy('old', true, other),
      done: async () => (await exists(`${here}/old/snapshots/s1`)) && !(await exists(`${here}/old/snapshots/own`)),
      clear: remove('old'),
    },
    rename: {
      prepare: () => copy('old'),
      run: () => lxd.api('POST', `${here}/old`, { name: 'new' }),
      done: has('new'),
      clear: remove('new'),
    },
    move: {
      prepare: () => lxd.api('POST', base(other), { name: 'old', source: { type: 'copy', name: 'base' } }),
      run: () => lxd.api('POST', `${base(other)}/old`, { name: 'new', pool }),
      done: has('new'),
      clear: remove('new'),
    },
    snapshot: {
      run: snapshot('new'),
      done: has('base/snapshots/new'),
      clear: remove('base/snapshots/new'),
    },
    'delete snapshot': {
      prepare: snapshot('old'),
      run: remove('base/snapshots/old'),
      done: hasNot('base/snapshots/old'),
    },
    'rename snapshot': {
      prepare: snapshot('old'),
      run: () => lxd.api('POST', `${here}/base/snapshots/old`, { name: 'new' }),
      done: has('base/snapshots/new'),
      clear: remove('base/snapshots/new'),
    },
    restore: {
      run: () => lxd.api('PUT', `${here}/base`, { restore: 's1' }),
      done: () => Promise.resolve(false),
    },
    backup: { run: save, done: has('base/backups/saved'), clear: remove('base/backups/saved') },
    'delete backup': { prepare: save, run: remove('base/backups/saved'), done: hasNot('base/backups/saved') },
    import: {
      run: () => lxd.api('POST', here, backup, { headers }),
      done: has('new'),
      clear: remove('new'),
    },
  };
};

const kinds = Object.keys(actions('plain', 'tree'));

test.each(kinds)(
  `%s: killed ${moments} times, nothing is lost or left (seed ${seed})`,
  {
    timeout: (moments + 2) * 30_000,
  },
  async (kind) => {
    const random = randomFrom(seed);
    const found: string[] = [];
    let takes = 0;
    for (let n = -2; n < moments && found.length === 0; n++) {
      const pool: Pool = n % 2 === 0 ? 'plain' : 'tree';
      const action = actions(pool, pool === 'plain' ? 'tree' : 'plain')[kind];
      if (!action) throw new Error(`There is no action ${kind}`);
      await action.prepare?.();
      if (n < 0) {
        // Once in each pool without a kill: it works, and this is how long it takes.
        const started = performance.now();
        await action.run();
        takes = Math.max(takes, performance.now() - started);
        await action.clear?.();
        continue;
      }
      const delay = random() * 1.2 * takes;
      const ended = action.run().then(
        () => true,
        () => false,
      );
      const acknowledged = await Promise.race([ended, sleep(delay).then(() => false)]);
      await lxd.kill();
      await ended;
      await lxd.start();
      const where = `moment ${n} in ${pool}, killed after ${delay.toFixed(1)} ms`;
      const done = await action.done();
      if (acknowledged && kind !== 'restore' && !done) found.push(`${where}: it was acknowledged and is lost`);
      found.push(...(await faults()).map((fault) => `${where}: ${fault}`));
      if (!done) await action.run();
      await action.clear?.();
      found.push(...(await faults()).map((fault) => `${where}, after a retry: ${fault}`));
    }
    expect(found).toEqual([]);
    for (const pool of pools) {
      const names = (await listed(pool)).map(({ name }) => name);
      expect(names.sort()).toEqual(['base', 'base/s0', 'base/s1']);
      expect(readdirSync(inside(`storage-pools/${pool}/custom/default_base`))).toHaveLength(80);
    }
  },
);
