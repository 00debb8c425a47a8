import { join } from 'node:path';
import type { Programs } from './lxd.ts';

const bin = join(import.meta.dirname, '../../node_modules/.bin');

/** This project's daemon and client, as the workspace links them. */
export const ours: Programs = { name: 'lxd-ts', lxd: [join(bin, 'lxd')], lxc: [join(bin, 'lxc')] };

/** Debian's LXD 5.0.2 with its client. */
export const real: Programs = { name: 'LXD 5.0.2', lxd: ['/usr/bin/lxd'], lxc: ['/usr/bin/lxc'] };

/** The system that whole-system tests run against: ours, or with LXD_TS_TEST_SYSTEM=real the real LXD, to prove the tests. */
export const underTest: Programs = process.env.LXD_TS_TEST_SYSTEM === 'real' ? real : ours;
