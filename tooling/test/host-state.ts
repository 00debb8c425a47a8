/** What a test run may leave behind on the host: links, mounts, loop devices, network namespaces, cgroups, processes. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { commandLine, strangers } from './run-mark.ts';

export type HostState = Readonly<Record<string, ReadonlySet<string>>>;

/** The names in a folder; none when it is not there (any more). */
export const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return [];
    throw error;
  }
};

export const links = (): string[] => namesIn('/sys/class/net');

/** Mount points of our own mount namespace. */
export const mounts = (): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(' ').at(4) ?? line);

/** What is in a file; undefined when it, or the device that it tells of, is not there (any more). */
export const textIn = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const gone = ['ENOENT', 'ENXIO', 'ENODEV'];
    if (error instanceof Error && 'code' in error && gone.includes(String(error.code))) return undefined;
    throw error;
  }
};

/** Loop devices in use, with their files. */
export const loops = (): string[] =>
  namesIn('/sys/block').flatMap((name) => {
    const file = textIn(`/sys/block/${name}/loop/backing_file`);
    return file === undefined ? [] : [`${name} ${file.trim()}`];
  });

export const namespaces = (): string[] => namesIn('/run/netns');

/** Control groups, of each file system of version 1 and of version 2; the deepest first. */
export const controlGroups = (folder = '/sys/fs/cgroup'): string[] =>
  namesIn(folder)
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory())
    .flatMap((path) => [...controlGroups(path), path]);

/** What stays on a host once anything of its kind was used: the folder of network namespaces, mounted by ip-netns(8). */
const lasting = new Set(['/run/netns']);

/** Control groups of containers; liblxc's own `lxc.pivot` stays. */
const ofContainers = (path: string): boolean => /\/lxc\.(?:monitor|payload)\./.test(path);

const firewallTables = (): string[] =>
  execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }).split('\n').filter(Boolean);

/** The state of the host now. `run` is the mark's value for the processes that count. */
export const hostState = (run: string): HostState => ({
  link: new Set(links()),
  mount: new Set(mounts().filter((point) => !lasting.has(point))),
  'loop device': new Set(loops()),
  'network namespace': new Set(namespaces()),
  cgroup: new Set(controlGroups().filter(ofContainers)),
  'firewall table': new Set(firewallTables()),
  process: new Set(strangers(run).map((pid) => `${pid} ${commandLine(pid)}`)),
});

/** What is in `after` and not in `before`, as one line each. */
export const leaks = (before: HostState, after: HostState): string[] =>
  Object.entries(after).flatMap(([kind, names]) =>
    [...names].filter((name) => !before[kind]?.has(name)).map((name) => `${kind} ${name}`),
  );
