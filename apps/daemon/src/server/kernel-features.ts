import { readFile } from 'node:fs/promises';
import { canMapIds } from '../core/id-mapped-mounts.ts';

/** The first kernel with a feature that cannot be tried cheaply. */
const since: Readonly<Record<string, readonly [number, number]>> = {
  netnsid_getifaddrs: [4, 20],
  seccomp_listener_continue: [5, 5],
  uevent_injection: [4, 18],
  unpriv_fscaps: [4, 14],
};

const isAtLeast = (release: string, [major, minor]: readonly [number, number]): boolean => {
  const [a = 0, b = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  return a > major || (a === major && b >= minor);
};

/**
 * What the kernel can, as `environment.kernel_features` tells: tried where that is cheap, else by version.
 *
 * @param directory - the data directory: id-mapped mounts depend on its file system
 * @param release - as uname(2) gives it
 */
export const kernelFeatures = async (directory: string, release: string): Promise<Readonly<Record<string, string>>> => {
  const actions = await readFile('/proc/sys/kernel/seccomp/actions_avail', 'utf8').catch(() => '');
  const listener = actions.includes('user_notif');
  const byVersion = Object.entries(since).map(([name, version]): [string, boolean] => [
    name,
    isAtLeast(release, version),
  ]);
  const all = {
    ...Object.fromEntries(byVersion),
    idmapped_mounts: await canMapIds(directory),
    seccomp_listener: listener,
    shiftfs: false,
  };
  return Object.fromEntries(
    Object.entries(all)
      .sort()
      .map(([name, on]) => [name, String(on)]),
  );
};
