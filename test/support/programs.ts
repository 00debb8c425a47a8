import { join } from 'node:path';
import type { Programs } from './lxd.ts';

const bin = join(import.meta.dirname, '../../node_modules/.bin');

/** This project's daemon and client, as the workspace links them. */
export const ours: Programs = { name: 'lxd-ts', lxd: [join(bin, 'lxd')], lxc: [join(bin, 'lxc')] };

/** Debian's LXD 5.0.2 with its client. */
export const real: Programs = { name: 'LXD 5.0.2', lxd: ['/usr/bin/lxd'], lxc: ['/usr/bin/lxc'] };

/**
 * The system that whole-system tests run against: ours. To prove a test, LXD_TS_TEST_SYSTEM=real takes the real LXD;
 * LXD_TS_TEST_CLIENT=real takes Debian's client with our daemon.
 */
export const underTest: Programs =
  process.env.LXD_TS_TEST_SYSTEM === 'real'
    ? real
    : process.env.LXD_TS_TEST_CLIENT === 'real'
      ? { ...ours, lxc: real.lxc }
      : ours;
