import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoNamed } from './errno.ts';
import { mountInfo } from './mount-info.ts';

/** Where the control groups of this host are mounted (cgroups(7)). */
export interface CgroupLayout {
  /** `hybrid`: controllers on version 1, with a version 2 tree beside them. */
  kind: 'v1' | 'hybrid' | 'v2';
  /** Mount point of the version 2 tree. */
  unified: string | undefined;
  /** Each controller's version and mount point. `freezer` of version 2 is part of its core and always there. */
  controllers: ReadonlyMap<string, { version: 1 | 2; mount: string }>;
}

/** Reads the layout from the mounts of this process. */
export function readCgroupLayout(): CgroupLayout {
  const mounts = mountInfo();
  const unified = mounts.find(({ type }) => type === 'cgroup2')?.target;
  const controllers = new Map<string, { version: 1 | 2; mount: string }>();
  if (unified !== undefined) {
    const names = readFileSync(join(unified, 'cgroup.controllers'), 'utf8').split(/\s+/).filter(Boolean);
    for (const name of [...names, 'freezer']) controllers.set(name, { version: 2, mount: unified });
    // Version 2 has one controller for cpu and cpuacct, and another name for blkio.
    if (names.includes('cpu')) controllers.set('cpuacct', { version: 2, mount: unified });
    if (names.includes('io')) controllers.set('blkio', { version: 2, mount: unified });
  }
  for (const { type, superOptions, target } of mounts) {
    if (type !== 'cgroup') continue;
    for (const name of superOptions) controllers.set(name, { version: 1, mount: target });
  }
  for (const option of ['rw', 'ro']) controllers.delete(option);
  const hasV1 = [...controllers].some(([name, { version }]) => version === 1 && !name.startsWith('name='));
  return { kind: unified === undefined ? 'v1' : hasV1 ? 'hybrid' : 'v2', unified, controllers };
}

let cached: CgroupLayout | undefined;

/** The layout of this host, read once. */
export function cgroupLayout(): CgroupLayout {
  cached ??= readCgroupLayout();
  return cached;
}

/** The version a controller is on. @throws EOPNOTSUPP when this host has it on neither */
export function controllerVersion(controller: string, layout = cgroupLayout()): 1 | 2 {
  const found = layout.controllers.get(controller);
  if (!found) throw errnoNamed('EOPNOTSUPP', 'cgroup controller', controller);
  return found.version;
}

/**
 * The groups a process is in: the path per controller of version 1 (also `name=systemd`), and under the empty name that
 * of version 2 (/proc/<pid>/cgroup).
 */
export function processCgroups(pid: number | 'self'): Map<string, string> {
  const groups = new Map<string, string>();
  for (const line of readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    for (const controller of controllers.split(',')) groups.set(controller, path);
  }
  return groups;
}
