import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { internal, type Machine } from '@lxd-ts/driver-kit';
import { type Cgroup, cgroupProcesses, isErrno, isFrozen, removeCgroup, thawCgroup } from '@lxd-ts/host';
import { allCgroups } from './cgroups.ts';
import { nodePrefix } from './device-node.ts';
import { type Place, placeOf } from './place.ts';
import { unstage } from './staging.ts';

const RETRY_MS = 10;
const ATTEMPTS = 500;

const killMembers = async (cgroup: Cgroup): Promise<void> => {
  for (const pid of cgroupProcesses(cgroup)) {
    try {
      // 0 is a process of a pid namespace that cannot be seen from here.
      if (pid > 0) process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) throw error;
    }
  }
  if (isFrozen(cgroup)) await thawCgroup(cgroup);
};

/**
 * Removes a cgroup, with the processes in it. A killed process leaves its cgroup a moment later and version 1 tells
 * nobody, so the removal is tried again for a while; that happens only after a crash.
 */
const clear = async (place: Place, cgroup: Cgroup): Promise<void> => {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      removeCgroup(cgroup);
      return;
    } catch (error) {
      if (!isErrno(error, 'EBUSY')) throw error;
    }
    await killMembers(cgroup);
    await sleep(RETRY_MS);
  }
  throw internal(`Processes of instance "${place.name}" cannot be ended: its cgroups stay in use`);
};

/** Removes all that a container that does not run may have left behind. Repeatable. */
export const cleanUp = async (machine: Machine): Promise<void> => {
  const place = placeOf(machine);
  const files = await readdir(machine.devices).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  });
  await Promise.all([
    ...allCgroups(place).map((cgroup) => clear(place, cgroup)),
    ...[place.startedMark, place.rebootMark, place.seccomp, place.calls].map((path) => rm(path, { force: true })),
    unstage(machine, files),
    ...files
      .filter((name) => name.startsWith(nodePrefix))
      .map((name) => rm(join(machine.devices, name), { force: true })),
  ]);
};
