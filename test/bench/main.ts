/**
 * Times our daemon and client beside the real ones, in turn in the same run, over the Unix socket with the same small
 * client, and liblxc's bare tools as the limit:
 *
 *     pnpm bench [--only=real|ours]                        everything, storage with dir and btrfs
 *     pnpm bench --drivers=dir,btrfs,lvm,zfs [--rounds=N]  storage alone, with these drivers
 *     pnpm lab run -- pnpm bench --drivers=lvm,zfs --rounds=3
 *
 * The table goes to standard output, the numbers into .cache/bench.json too (bench-storage.json with --drivers).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lxd, Programs } from '../support/lxd.ts';
import { startInitialised } from '../support/preseed.ts';
import { ours, real } from '../support/programs.ts';
import { bareLimits } from './bare.ts';
import { type Case, cases } from './cases.ts';
import { clientLatency } from './client.ts';
import { readOptions } from './options.ts';
import { makePool, removePool, storageCases } from './storage.ts';
import { type Row, table } from './table.ts';

const { only, drivers, storageOnly, rounds } = readOptions(process.argv.slice(2));
const rows: Row[] = [];

/** Runs `action` for each LXD that takes part; NaN stands for the one that does not. */
const both = async (lxds: { real: Lxd | undefined; ours: Lxd | undefined }, action: (lxd: Lxd) => Promise<number>) => ({
  real: lxds.real ? await action(lxds.real) : Number.NaN,
  ours: lxds.ours ? await action(lxds.ours) : Number.NaN,
});

/** Instances without a network card, as a lone root disk is what all have in common. */
const withoutNetwork = async (lxd: Lxd): Promise<Lxd> => {
  const devices = { root: { type: 'disk', path: '/', pool: 'default' } };
  await lxd.api('PUT', '/1.0/profiles/default', { config: {}, description: '', devices });
  return lxd;
};

/** Starts the LXDs that take part, each set up. Disposing of them removes all. */
const startBoth = async () => {
  const stack = new AsyncDisposableStack();
  try {
    const start = async (programs: Programs) => withoutNetwork(stack.use(await startInitialised(programs)));
    const reference = only === 'ours' ? undefined : await start(real);
    const daemon = only === 'real' ? undefined : await start(ours);
    return { lxds: { real: reference, ours: daemon }, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
};

type Lxds = Awaited<ReturnType<typeof startBoth>>['lxds'];

const measure = async (lxds: Lxds, { name, unit, run }: Case, limit?: number): Promise<void> => {
  const row = { name, unit, ...(await both(lxds, run)), ...(limit === undefined ? {} : { limit }) };
  console.log(table([row]).split('\n')[1]);
  rows.push(row);
};

const measureAll = async (lxds: Lxds): Promise<void> => {
  const lender = lxds.ours ?? lxds.real;
  if (!lender) throw new Error('Nobody takes part');
  const limits = await bareLimits(lender.scratch);
  for (const args of [['version'], ['list']]) {
    rows.push({
      name: `lxc ${args.join(' ')}`,
      unit: 'ms',
      real: await clientLatency(lxds.real ?? lender, real, args),
      ours: only === 'real' ? Number.NaN : await clientLatency(lender, ours, args),
    });
  }
  for (const one of cases) await measure(lxds, one, one.limit && limits[one.limit]);
};

const measureStorage = async (lxds: Lxds, driver: string): Promise<void> => {
  const bench = { driver, rounds };
  const each = async (action: (lxd: Lxd) => Promise<unknown>): Promise<void> => {
    for (const lxd of [lxds.real, lxds.ours]) if (lxd) await action(lxd);
  };
  await each((lxd) => makePool(lxd, bench));
  for (const one of storageCases(bench)) await measure(lxds, one);
  await each((lxd) => removePool(lxd, bench));
};

try {
  if (!storageOnly) {
    await using running = await startBoth();
    await measureAll(running.lxds);
  }
  {
    // Daemons of their own: what backups and images leave in memory is not to be seen in the rows above.
    await using running = await startBoth();
    for (const driver of drivers) await measureStorage(running.lxds, driver);
  }
} finally {
  // Also of a run that comes to nothing in the end.
  console.log(`\n${table(rows)}`);
}
const cache = join(import.meta.dirname, '../../.cache');
mkdirSync(cache, { recursive: true });
writeFileSync(join(cache, storageOnly ? 'bench-storage.json' : 'bench.json'), `${JSON.stringify(rows, null, 2)}\n`);
