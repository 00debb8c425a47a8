import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { has, say } from './run.mjs';

const folder = '/var/lib/lxcfs';
const mounted = () => readFileSync('/proc/mounts', 'utf8').includes(` ${folder} fuse.lxcfs `);

/** A killed lxcfs leaves its mount behind, on which every call fails. */
const serving = () => {
  try {
    statSync(`${folder}/proc`);
    return true;
  } catch (error) {
    if (error.code !== 'ENOTCONN') throw error;
    return false;
  }
};

/** Starts lxcfs where no init system did, again if it was killed. It outlives us. */
export const ensureLxcfs = async () => {
  if (!has('lxcfs')) return;
  while (mounted()) {
    if (serving()) return;
    const { status, stderr } = spawnSync('umount', ['-l', folder], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`The mount of a dead lxcfs stays: ${stderr}`);
  }
  say('Starting lxcfs');
  mkdirSync(folder, { recursive: true });
  spawn('lxcfs', [folder], { detached: true, stdio: 'ignore' }).unref();
  for (let tries = 0; !mounted(); tries++) {
    if (tries === 100) throw new Error(`lxcfs did not mount ${folder} within 5 seconds`);
    await sleep(50);
  }
};
