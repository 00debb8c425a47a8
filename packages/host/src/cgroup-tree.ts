import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Cgroup } from './cgroup.ts';
import { isErrno } from './errno.ts';

function firstLine(file: string): string {
  return readFileSync(file, 'utf8').trim();
}

/** A cpuset of version 1 starts empty, and takes no process before it has CPUs and memory. */
function inheritCpuset(directory: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const own = join(directory, file);
    if (firstLine(own) === '') writeFileSync(own, firstLine(join(dirname(directory), file)));
  }
}

/** Makes a version 2 parent hand its controllers down. */
function handDown(parent: string): void {
  for (const controller of firstLine(join(parent, 'cgroup.controllers')).split(' ').filter(Boolean)) {
    try {
      writeFileSync(join(parent, 'cgroup.subtree_control'), `+${controller}`);
    } catch (error) {
      // EBUSY: the parent has processes of its own, so its children do without.
      if (!isErrno(error, 'EBUSY', 'EINVAL', 'EOPNOTSUPP')) throw error;
    }
  }
}

function createIn(mount: string, path: string, prepare: (directory: string) => void): void {
  let directory = mount;
  for (const name of path.split('/').filter(Boolean)) {
    directory = join(directory, name);
    mkdirSync(directory, { recursive: true });
    prepare(directory);
  }
}

/** Makes a group in all trees, ready to take processes; one that exists is no error. */
export function createCgroup(cgroup: Cgroup): void {
  const done = new Set<string>();
  for (const [controller, { version, mount }] of cgroup.layout.controllers) {
    const directory = cgroup.directory(controller);
    if (directory === undefined || done.has(directory)) continue;
    done.add(directory);
    const cpuset = cgroup.directory('cpuset') === directory;
    createIn(mount, directory.slice(mount.length), (level) => {
      if (version === 2) handDown(dirname(level));
      else if (cpuset) inheritCpuset(level);
    });
  }
}

/** Removes a group and those below it in all trees. One that is not there is no error; EBUSY while processes are in it. */
export function removeCgroup(cgroup: Cgroup): void {
  for (const directory of cgroup.directories()) removeDirectory(directory);
}

function subdirectories(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(directory, name));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

function removeDirectory(directory: string): void {
  for (const below of subdirectories(directory)) removeDirectory(below);
  try {
    rmdirSync(directory);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

/** Puts a process into a group, in all trees. */
export function joinCgroup(cgroup: Cgroup, pid: number): void {
  for (const directory of cgroup.directories()) writeFileSync(join(directory, 'cgroup.procs'), `${pid}`);
}

/** The processes in a group and in those below it, as this process numbers them. */
export function cgroupProcesses(cgroup: Cgroup): number[] {
  const start = cgroup.directory('pids') ?? cgroup.directories()[0];
  if (start === undefined) return [];
  const inside = (directory: string): number[] => {
    let text = '';
    try {
      text = readFileSync(join(directory, 'cgroup.procs'), 'utf8');
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENODEV')) throw error;
    }
    const own = text.split('\n').filter(Boolean).map(Number);
    return [...own, ...subdirectories(directory).flatMap(inside)];
  };
  return inside(start);
}
