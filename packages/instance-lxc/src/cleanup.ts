import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { internal, type Machine } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import { hierarchies } from './hierarchies.ts';
import { type Place, placeOf } from './place.ts';

const RETRY_MS = 10;
const ATTEMPTS = 300;

/** A cgroup and those below it, the deepest first. */
const cgroupTree = async (directory: string): Promise<string[]> => {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    const below = await Promise.all(
      entries.filter((entry) => entry.isDirectory()).map((entry) => cgroupTree(join(directory, entry.name))),
    );
    return [...below.flat(), directory];
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
};

const killMembers = async (cgroup: string): Promise<void> => {
  const members = await readFile(`${cgroup}/cgroup.procs`, 'utf8').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT', 'ENODEV')) return '';
    throw error;
  });
  // 0 is a process of a pid namespace that cannot be seen from here.
  for (const pid of members
    .split('\n')
    .map(Number)
    .filter((number) => number > 0)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) throw error;
    }
  }
};

const removeCgroup = async (cgroup: string): Promise<boolean> => {
  try {
    await rmdir(cgroup);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return true;
    if (isErrno(error, 'EBUSY')) return false;
    throw error;
  }
};

/**
 * Ends what is left in a container's cgroups and removes these. A killed process leaves its cgroup a moment later and
 * version 1 tells nobody, so the removal is tried again for a while; that happens only after a crash.
 */
const clearCgroups = async (place: Place): Promise<void> => {
  const roots = (await hierarchies()).flatMap(({ path }) => [
    join(path, place.payloadCgroup),
    join(path, place.monitorCgroup),
  ]);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const cgroups = (await Promise.all(roots.map(cgroupTree))).flat();
    if (cgroups.length === 0) return;
    let busy = false;
    for (const cgroup of cgroups) {
      if (await removeCgroup(cgroup)) continue;
      busy = true;
      await killMembers(cgroup);
    }
    if (busy) await sleep(RETRY_MS);
  }
  throw internal(`Processes of instance "${place.name}" cannot be ended: its cgroups stay in use`);
};

/** Removes all that a container that does not run may have left behind. Repeatable. */
export const cleanUp = async (machine: Machine): Promise<void> => {
  const place = placeOf(machine);
  const nodes = await readdir(machine.devices).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  });
  await Promise.all([
    clearCgroups(place),
    ...[place.startedMark, place.rebootMark, place.seccomp].map((path) => rm(path, { force: true })),
    ...nodes.filter((name) => name.startsWith('unix.')).map((name) => rm(join(machine.devices, name), { force: true })),
  ]);
};
