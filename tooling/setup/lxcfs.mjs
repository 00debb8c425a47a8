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
    if (error instanceof Error && 'code' in error && error.code === 'ENOTCONN') return false;
    throw error;
  }
};

/**
 * Starts lxcfs where no init system did, again if it was killed. It outlives us. Where it cannot run, containers see the
 * figures of the host, which is no reason to stop.
 */
export const ensureLxcfs = async () => {
  if (!has('lxcfs')) return;
  while (mounted()) {
    if (serving()) return;
    const { status, stderr } = spawnSync('umount', ['-l', folder], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`The mount of a dead lxcfs stays: ${stderr}`);
  }
  say('Starting lxcfs');
  mkdirSync(folder, { recursive: true });
  const lxcfs = spawn('lxcfs', [folder], { detached: true, stdio: 'ignore' });
  lxcfs.unref();
  for (let tries = 0; !mounted(); tries++) {
    if (tries === 100 || lxcfs.exitCode !== null) {
      say(
        `Warning: lxcfs does not run here (try: lxcfs ${folder}); containers will see the memory and CPUs of the host`,
      );
      return;
    }
    await sleep(50);
  }
};
