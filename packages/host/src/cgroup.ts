import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CgroupLayout, cgroupLayout, processCgroups } from './cgroup-layout.ts';
import type { CgroupSetting } from './cgroup-limits.ts';
import { errnoNamed, isErrno } from './errno.ts';

/** A control group: the directory it has in each tree. A controller this host does not have gives undefined. */
export interface Cgroup {
  readonly layout: CgroupLayout;
  directory(controller: string): string | undefined;
  /** Every directory, each once: one for version 2 alone. */
  directories(): string[];
}

function group(layout: CgroupLayout, pathFor: (controller: string, version: 1 | 2) => string | undefined): Cgroup {
  const directory = (controller: string) => {
    const tree = layout.controllers.get(controller);
    const path = tree && pathFor(controller, tree.version);
    return tree && path !== undefined ? join(tree.mount, path) : undefined;
  };
  return {
    layout,
    directory,
    directories() {
      const names = [...layout.controllers.keys()];
      return [...new Set(names.map(directory).filter((each) => each !== undefined))];
    },
  };
}

/** The group of the same path, below the mount point, in every tree. It need not exist. */
export function cgroupAt(path: string, layout = cgroupLayout()): Cgroup {
  return group(layout, () => path);
}

/** The group a process is in, which can have another path in each tree of version 1. */
export function cgroupOf(pid: number, layout = cgroupLayout()): Cgroup {
  const groups = processCgroups(pid);
  return group(layout, (controller, version) => groups.get(version === 2 ? '' : controller));
}

/**
 * Reads a file of a group.
 * @returns undefined when this host, or this group, has no such file
 */
export function readCgroupFile(cgroup: Cgroup, controller: string, file: string): string | undefined {
  const directory = cgroup.directory(controller);
  if (directory === undefined) return undefined;
  try {
    return readFileSync(join(directory, file), 'utf8').trim();
  } catch (error) {
    // ENODEV: the group was removed after the file was opened. EOPNOTSUPP: files of switched-off features.
    if (isErrno(error, 'ENOENT', 'ENODEV', 'EOPNOTSUPP')) return undefined;
    throw error;
  }
}

/** Writes a setting into a running group. @throws errno-coded error: EINVAL for a refused value, ENOENT without the group */
export function applyCgroupSetting(cgroup: Cgroup, { controller, file, value }: CgroupSetting): void {
  const directory = cgroup.directory(controller);
  if (directory === undefined) throw errnoNamed('EOPNOTSUPP', 'cgroup controller', controller);
  writeFileSync(join(directory, file), value, { flag: 'r+' });
}

/**
 * Writes settings into a running group. One that is refused is tried again after the others, since some depend on one
 * another: memory and memory with swap must be raised in one order and lowered in the other.
 */
export function applyCgroupSettings(cgroup: Cgroup, settings: readonly CgroupSetting[]): void {
  const refused = settings.filter((setting) => {
    try {
      applyCgroupSetting(cgroup, setting);
      return false;
    } catch (error) {
      if (isErrno(error, 'EINVAL', 'EBUSY') && settings.length > 1) return true;
      throw error;
    }
  });
  for (const setting of refused) applyCgroupSetting(cgroup, setting);
}
