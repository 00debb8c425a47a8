/**
 * Times our daemon and client beside the real ones, in turn in the same run, over the Unix socket with the same small
 * client, and liblxc's bare tools as the limit: `pnpm bench [--only=real|ours]`. The table goes to standard output, the
 * numbers into .cache/bench.json too.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lxd } from '../support/lxd.ts';
import { startInitialised } from '../support/preseed.ts';
import { ours, real } from '../support/programs.ts';
import { bareLimits } from './bare.ts';
import { cases } from './cases.ts';
import { clientLatency } from './client.ts';
import { type Row, table } from './table.ts';

const only = process.argv.find((one) => one.startsWith('--only='))?.slice('--only='.length);
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

{
  await using reference = only === 'ours' ? undefined : await startInitialised(real);
  await using daemon = only === 'real' ? undefined : await startInitialised(ours);
  const lxds = {
    real: reference && (await withoutNetwork(reference)),
    ours: daemon && (await withoutNetwork(daemon)),
  };
  const lender = lxds.ours ?? lxds.real;
  if (!lender) throw new Error('--only takes real or ours');
  const limits = await bareLimits(lender.scratch);

  for (const args of [['version'], ['list']]) {
    rows.push({
      name: `lxc ${args.join(' ')}`,
      unit: 'ms',
      real: await clientLatency(lxds.real ?? lender, real, args),
      ours: only === 'real' ? Number.NaN : await clientLatency(lender, ours, args),
    });
  }
  for (const { name, unit, run, limit } of cases) {
    const row = { name, unit, ...(await both(lxds, run)), ...(limit ? { limit: limits[limit] } : {}) };
    console.log(table([row]).split('\n')[1]);
    rows.push(row);
  }
}

console.log(`\n${table(rows)}`);
const cache = join(import.meta.dirname, '../../.cache');
mkdirSync(cache, { recursive: true });
writeFileSync(join(cache, 'bench.json'), `${JSON.stringify(rows, null, 2)}\n`);
