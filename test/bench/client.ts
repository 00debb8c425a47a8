import type { Lxd, Programs } from '../support/lxd.ts';
import { succeed } from '../support/output.ts';
import { each } from './measure.ts';

const rounds = Array.from({ length: 21 }, (_, n) => n);

/** Median milliseconds of one whole `lxc` command against an LXD. */
export const clientLatency = (lxd: Lxd, client: Programs, args: readonly string[]): Promise<number> =>
  each(rounds, () => succeed([...client.lxc, ...args], { env: lxd.environment }));
