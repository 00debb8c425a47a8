import { readdir } from 'node:fs/promises';
import { findMount, isErrno } from '@lxd-ts/host';

/** Files of lxcfs(1) that show a container its own figures. */
export interface LxcfsFiles {
  readonly root: string;
  /** Relative to the root, and to `/` of a container: `proc/meminfo`. */
  readonly files: readonly string[];
}

const root = '/var/lib/lxcfs';
const cpus = 'sys/devices/system/cpu';

const listing = async (directory: string): Promise<string[]> =>
  (await readdir(`${root}/${directory}`)).map((name) => `${directory}/${name}`);

/**
 * What lxcfs offers on this host. Mounting these files over proc and sysfs is what its own hook for liblxc does,
 * with some thirty processes at each start; as mount entries they cost none. Its other hook waits half a second after each
 * stop, for containers that liblxc restarts within one monitor: here a reboot is a start of its own, so there is nothing to wait for.
 *
 * @returns undefined when lxcfs is not running: not mounted, or killed, which leaves a mount that answers ENOTCONN
 */
export const lxcfsFiles = async (): Promise<LxcfsFiles | undefined> => {
  const mount = await findMount(root);
  if (mount?.type !== 'fuse.lxcfs') return undefined;
  try {
    const [proc, cpu] = await Promise.all([listing('proc'), listing(cpus)]);
    return { root, files: [...proc, ...(cpu.includes(`${cpus}/uevent`) ? [cpus] : cpu)] };
  } catch (error) {
    if (isErrno(error, 'ENOTCONN')) return undefined;
    throw error;
  }
};
