import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { internal, notImplemented } from '@lxd-ts/driver-kit';
import { hierarchyOf, unified } from './hierarchies.ts';
import type { Place } from './place.ts';

const RETRY_MS = 2;
const ATTEMPTS = 2500;

/** The file that freezes a container's cgroup, what to write to it, and how to see that it has happened. */
interface Freezer {
  readonly file: string;
  readonly freeze: string;
  readonly thaw: string;
  frozen(): Promise<boolean>;
}

const freezerOf = async (place: Place): Promise<Freezer> => {
  const legacy = await hierarchyOf('freezer');
  if (legacy) {
    const file = join(legacy.path, place.payloadCgroup, 'freezer.state');
    const frozen = async () => (await readFile(file, 'utf8')).trim() === 'FROZEN';
    return { file, freeze: 'FROZEN', thaw: 'THAWED', frozen };
  }
  const hierarchy = await unified();
  if (!hierarchy) throw notImplemented('This host has no freezer cgroup: an instance cannot be frozen');
  const directory = join(hierarchy.path, place.payloadCgroup);
  const frozen = async () => (await readFile(join(directory, 'cgroup.events'), 'utf8')).includes('frozen 1');
  return { file: join(directory, 'cgroup.freeze'), freeze: '1', thaw: '0', frozen };
};

export const isFrozen = async (place: Place): Promise<boolean> => (await freezerOf(place)).frozen();

/** Stops all processes. The kernel takes a moment for those in the middle of a system call, and version 1 tells nobody. */
export const freeze = async (place: Place): Promise<void> => {
  const freezer = await freezerOf(place);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    // Written anew each time: version 1 tries once per write to stop those that would not.
    await writeFile(freezer.file, freezer.freeze);
    if (await freezer.frozen()) return;
    await sleep(RETRY_MS);
  }
  await writeFile(freezer.file, freezer.thaw);
  throw internal(`Instance "${place.name}" could not be frozen: a process does not leave the kernel`);
};

export const thaw = async (place: Place): Promise<void> => {
  const freezer = await freezerOf(place);
  await writeFile(freezer.file, freezer.thaw);
};
