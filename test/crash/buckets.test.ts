/** The daemon is killed at random moments of everything that is done with buckets; nothing may be lost or left, and a retry works. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Lxd } from '../support/lxd.ts';
import { startWithPools } from '../support/pools.ts';
import { type Action, compare, killAtMoments, moments, seed, timeout } from './moments.ts';
import { insideDaemon, loopFaults, mountFaults, namesInside } from './volume-faults.ts';

const pools = ['plain', 'tree'] as const;
const bucketList = z.array(z.looseObject({ name: z.string() }));
const keyList = z.array(z.looseObject({ name: z.string() }));
const urlOf = (pool: string): string => `/1.0/storage-pools/${pool}/buckets`;

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
  await lxd.api('PATCH', '/1.0', { config: { 'core.storage_buckets_address': '127.0.0.1:8555' } });
});
afterAll(() => lxd[Symbol.asyncDispose]());

const listed = async (pool: string): Promise<string[]> =>
  bucketList.parse(await lxd.api('GET', `${urlOf(pool)}?recursion=1`)).map(({ name }) => name);
const keysOf = async (pool: string, name: string): Promise<string[]> =>
  keyList.parse(await lxd.api('GET', `${urlOf(pool)}/${name}/keys?recursion=1`)).map((key) => key.name);

/** Everything that does not fit together, as sentences. */
const faults = async (): Promise<string[]> => {
  const all = await Promise.all(
    pools.map(async (pool) => {
      const names = await listed(pool);
      const folders = namesInside(lxd, `storage-pools/${pool}/buckets`);
      const keys = await Promise.all(names.map(async (name) => ({ name, keys: await keysOf(pool, name) })));
      return [
        ...compare(
          `${pool}: bucket`,
          names.map((name) => `default_${name}`),
          folders,
        ),
        ...keys
          .filter((one) => !one.keys.includes('admin'))
          .map(({ name }) => `${pool}: bucket ${name} has no key "admin"`),
        ...namesInside(lxd, `storage-pools/${pool}/.incomplete`).map((name) => `${pool}: ${name} is left half made`),
      ];
    }),
  );
  return [...all.flat(), ...mountFaults(lxd, 'buckets'), ...loopFaults(lxd, ['tree', 'tree2'])];
};

const actions = (pool: string): Readonly<Record<string, Action>> => {
  const here = urlOf(pool);
  const config = pool === 'tree' ? { size: '8MiB' } : {};
  const make = (name: string) => () => lxd.api('POST', here, { name, config });
  const remove = (name: string) => () => lxd.api('DELETE', `${here}/${name}`);
  const has = (name: string) => async () => (await listed(pool)).includes(name);
  return {
    create: { run: make('fresh'), done: has('fresh'), clear: remove('fresh') },
    delete: {
      async prepare() {
        await make('old')();
        const folder = join(insideDaemon(lxd, `storage-pools/${pool}/buckets/default_old`), 'many');
        mkdirSync(folder);
        for (let at = 0; at < 200; at++) writeFileSync(join(folder, `${at}`), 'some bytes');
      },
      run: remove('old'),
      done: async () => !(await has('old')()),
    },
    'create a key': {
      prepare: make('keyed'),
      run: () => lxd.api('POST', `${here}/keyed/keys`, { name: 'reader', role: 'read-only' }),
      done: async () => (await keysOf(pool, 'keyed')).includes('reader'),
      clear: remove('keyed'),
    },
    'delete a key': {
      async prepare() {
        await make('keyed')();
        await lxd.api('POST', `${here}/keyed/keys`, { name: 'reader', role: 'read-only' });
      },
      run: () => lxd.api('DELETE', `${here}/keyed/keys/reader`),
      done: async () => !(await keysOf(pool, 'keyed')).includes('reader'),
      clear: remove('keyed'),
    },
  };
};

test.each(Object.keys(actions('plain')))(
  `%s: killed ${moments} times, no bucket is lost or left (seed ${seed})`,
  { timeout },
  async (kind) => {
    expect(await killAtMoments(lxd, { places: pools, actions, kind, faults })).toEqual([]);
  },
);

test(`resize: killed ${moments} times, nothing is lost or left (seed ${seed})`, { timeout }, async () => {
  const url = `${urlOf('tree')}/sized`;
  const resize: Action = {
    prepare: () => lxd.api('POST', urlOf('tree'), { name: 'sized', config: { size: '8MiB' } }),
    run: () => lxd.api('PATCH', url, { config: { size: '16MiB' } }),
    clear: () => lxd.api('DELETE', url),
  };
  expect(await killAtMoments(lxd, { places: ['tree'], actions: () => ({ resize }), kind: 'resize', faults })).toEqual(
    [],
  );
});
