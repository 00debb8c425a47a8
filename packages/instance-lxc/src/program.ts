import { openRoot } from '@lxd-ts/host';

/** execvp(3)'s own, when PATH is unset. */
const defaultPath = '/bin:/usr/bin';

/**
 * Finds what a shell in a container would execute for a name. The root is the container's; symlinks stay inside.
 *
 * @param initPid - of the container, on the host
 * @returns the name itself when it holds a `/`; a path where nothing is when there is no such program, so that executing it says so
 */
export const findProgram = (initPid: number, name: string, path = defaultPath): string => {
  if (name.includes('/')) return name;
  using root = openRoot(`/proc/${initPid}/root`);
  for (const directory of path.split(':').filter((part) => part.startsWith('/'))) {
    const candidate = `${directory}/${name}`;
    if (!root.exists(candidate)) continue;
    const stats = root.stat(candidate);
    if (stats.isFile() && (stats.mode & 0o111) !== 0) return candidate;
  }
  // No file has this name, and none is looked for in the working directory.
  return `/proc/self/no-such-program/${name}`;
};
