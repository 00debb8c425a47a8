import { watch } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { applyCgroupSetting, type Cgroup, readCgroupFile } from './cgroup.ts';
import { controllerVersion } from './cgroup-layout.ts';

const FREEZER_RETRY_MS = 5;

/**
 * Stops all processes of a group and those below, until thawed. Resolves when all of them stand still.
 * @throws the signal's reason; the group is left half frozen then
 */
export async function freezeCgroup(cgroup: Cgroup, signal?: AbortSignal): Promise<void> {
  await setFrozen(cgroup, true, signal);
}

/** Lets the processes of a group run again. */
export async function thawCgroup(cgroup: Cgroup, signal?: AbortSignal): Promise<void> {
  await setFrozen(cgroup, false, signal);
}

export function isFrozen(cgroup: Cgroup): boolean {
  if (controllerVersion('freezer', cgroup.layout) === 1)
    return readCgroupFile(cgroup, 'freezer', 'freezer.state') === 'FROZEN';
  return /^frozen 1$/m.test(readCgroupFile(cgroup, 'freezer', 'cgroup.events') ?? '');
}

async function setFrozen(cgroup: Cgroup, frozen: boolean, signal: AbortSignal | undefined): Promise<void> {
  if (controllerVersion('freezer', cgroup.layout) === 2) return setFrozenUnified(cgroup, frozen, signal);
  const setting = {
    controller: 'freezer',
    version: 1,
    file: 'freezer.state',
    value: frozen ? 'FROZEN' : 'THAWED',
  } as const;
  applyCgroupSetting(cgroup, setting);
  // Version 1 has no event for this, and wants to be told again while a process resists.
  while (isFrozen(cgroup) !== frozen) {
    await setTimeout(FREEZER_RETRY_MS, undefined, { signal });
    applyCgroupSetting(cgroup, setting);
  }
}

async function setFrozenUnified(cgroup: Cgroup, frozen: boolean, signal: AbortSignal | undefined): Promise<void> {
  const events = join(cgroup.directory('freezer') ?? '', 'cgroup.events');
  await new Promise<void>((resolve, reject) => {
    const watcher = watch(events, signal ? { signal } : {}, look);
    function look(): void {
      if (isFrozen(cgroup) !== frozen) return;
      watcher.close();
      resolve();
    }
    watcher.on('error', reject);
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    applyCgroupSetting(cgroup, { controller: 'freezer', version: 2, file: 'cgroup.freeze', value: frozen ? '1' : '0' });
    look();
  });
}
