import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { has, say } from './run.mjs';

const folder = '/var/lib/lxcfs';
const mounted = () => readFileSync('/proc/mounts', 'utf8').includes(` ${folder} fuse.lxcfs `);

/** Starts lxcfs where no init system did. It outlives us. */
export const ensureLxcfs = async () => {
  if (mounted() || !has('lxcfs')) return;
  say('Starting lxcfs');
  mkdirSync(folder, { recursive: true });
  spawn('lxcfs', [folder], { detached: true, stdio: 'ignore' }).unref();
  for (let tries = 0; !mounted(); tries++) {
    if (tries === 100) throw new Error(`lxcfs did not mount ${folder} within 5 seconds`);
    await sleep(50);
  }
};
