/** What takes the storage driver's time, measured for each driver: later cases use the instances of earlier ones. */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Lxd } from '../support/lxd.ts';
import type { Case } from './cases.ts';
import { api, transfer } from './connection.ts';
import { median, timed } from './measure.ts';

export interface StorageBench {
  /** `dir`, `btrfs`, `lvm`, `zfs`. */
  readonly driver: string;
  /** How often everything is done, at least 1. */
  readonly rounds: number;
}

const MiB = 1 << 20;
/** Data that cannot be compressed, so that moving it counts and not the compressor. */
const load = randomBytes(32 * MiB);
const octets = { 'content-type': 'application/octet-stream' };
const fingerprintOf = (metadata: unknown): string =>
  z.looseObject({ fingerprint: z.string() }).parse(metadata).fingerprint;

/** Names of volume groups and zpools are the host's, not one LXD's. */
const poolOf = (lxd: Lxd, driver: string): string => `${lxd.scratch.prefix}-${driver}`;

/** Room for all instances; a btrfs that is shared with nobody, so that what others delete does not count. */
const sizes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  dir: {},
  btrfs: { size: '4GiB' },
  lvm: { size: '8GiB', 'volume.size': '256MiB' },
  zfs: { size: '4GiB' },
};

export const makePool = (lxd: Lxd, { driver }: StorageBench): Promise<unknown> =>
  api(lxd, 'POST', '/1.0/storage-pools', { name: poolOf(lxd, driver), driver, config: sizes[driver] ?? {} });

/** Deletes the pool and what the cases have left in it. */
export const removePool = async (lxd: Lxd, { driver, rounds }: StorageBench): Promise<void> => {
  for (const name of [...namesOf(driver, rounds), loadedOf(driver)]) await api(lxd, 'DELETE', `/1.0/instances/${name}`);
  await api(lxd, 'DELETE', `/1.0/storage-pools/${poolOf(lxd, driver)}`);
};

const namesOf = (driver: string, rounds: number): string[] => Array.from({ length: rounds }, (_, n) => `${driver}${n}`);
const loadedOf = (driver: string): string => `${driver}-loaded`;

/** The cases of one driver, in their order. */
export const storageCases = ({ driver, rounds }: StorageBench): readonly Case[] => {
  const names = namesOf(driver, rounds);
  const [first = ''] = names;
  const loaded = loadedOf(driver);
  /** Exports by LXD and kind, for the imports. */
  const exported = new Map<string, Buffer>();

  const create = (lxd: Lxd, name: string) =>
    api(lxd, 'POST', '/1.0/instances', {
      name,
      devices: { root: { type: 'disk', path: '/', pool: poolOf(lxd, driver) } },
      source: { type: 'image', alias: 'busybox' },
    });

  /** Milliseconds of an action, the median over all rounds; what `after` does is not timed. */
  const over = async (
    action: (name: string) => Promise<unknown>,
    after?: (name: string, result: unknown) => Promise<unknown>,
  ): Promise<number> => {
    const times: number[] = [];
    for (const name of names) {
      let result: unknown;
      times.push(
        await timed(async () => {
          result = await action(name);
        }),
      );
      await after?.(name, result);
    }
    return median(times);
  };

  /** A backup is made, fetched and deleted, as `lxc export` does. */
  const exportOf = async (lxd: Lxd, kind: string, name: string, options: object): Promise<void> => {
    const backups = `/1.0/instances/${name}/backups`;
    await api(lxd, 'POST', backups, { name: 'bench', ...options });
    exported.set(`${lxd.name} ${kind}`, await transfer(lxd, 'GET', `${backups}/bench/export`));
    await api(lxd, 'DELETE', `${backups}/bench`);
  };
  const importOf = (lxd: Lxd, kind: string): Promise<number> =>
    over(
      (name) =>
        api(lxd, 'POST', '/1.0/instances', exported.get(`${lxd.name} ${kind}`), {
          ...octets,
          'X-LXD-name': `${name}-again`,
          'X-LXD-pool': poolOf(lxd, driver),
        }),
      (name) => api(lxd, 'DELETE', `/1.0/instances/${name}-again`),
    );
  const publish = (lxd: Lxd, name: string, options: object): Promise<number> =>
    over(
      () => api(lxd, 'POST', '/1.0/images', { source: { type: 'instance', name }, ...options }),
      (_, image) => api(lxd, 'DELETE', `/1.0/images/${fingerprintOf(image)}`),
    );

  const row = (name: string, run: Case['run']): Case => ({ name: `${name}, ${driver}`, unit: 'ms', run });
  const optimised = driver === 'btrfs' || driver === 'zfs';
  const none = { compression_algorithm: 'none' };
  return [
    row('create from a small image', async (lxd) => {
      await create(lxd, 'warm'); // the first use of an image may unpack it
      await api(lxd, 'DELETE', '/1.0/instances/warm');
      return over((name) => create(lxd, name));
    }),
    row('snapshot', (lxd) => over((name) => api(lxd, 'POST', `/1.0/instances/${name}/snapshots`, { name: 's' }))),
    row('restore', (lxd) => over((name) => api(lxd, 'PUT', `/1.0/instances/${name}`, { restore: 's' }))),
    row('copy', (lxd) =>
      over((name) =>
        api(lxd, 'POST', '/1.0/instances', {
          name: `${name}c`,
          devices: { root: { type: 'disk', path: '/', pool: poolOf(lxd, driver) } },
          source: { type: 'copy', source: name, instance_only: true },
        }),
      ),
    ),
    row('delete', (lxd) => over((name) => api(lxd, 'DELETE', `/1.0/instances/${name}c`))),
    row('export', (lxd) => over((name) => exportOf(lxd, 'plain', name, {}))),
    row('import', (lxd) => importOf(lxd, 'plain')),
    ...(optimised
      ? [
          row('export, optimised', (lxd: Lxd) =>
            over((name) => exportOf(lxd, 'optimised', name, { optimized_storage: true })),
          ),
          row('import, optimised', (lxd: Lxd) => importOf(lxd, 'optimised')),
        ]
      : []),
    row('publish', (lxd) => publish(lxd, first, {})),
    row('export 32 MiB uncompressed', async (lxd) => {
      await create(lxd, loaded);
      const headers = { ...octets, 'X-LXD-type': 'file', 'X-LXD-mode': '0644' };
      await transfer(lxd, 'POST', `/1.0/instances/${loaded}/files?path=/root/load`, load, { headers });
      return over(() => exportOf(lxd, 'loaded', loaded, none));
    }),
    row('import 32 MiB uncompressed', (lxd) => importOf(lxd, 'loaded')),
    row('publish 32 MiB uncompressed', (lxd) => publish(lxd, loaded, none)),
  ];
};
