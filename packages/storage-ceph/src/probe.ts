import { existsSync } from 'node:fs';
import { messageOf, notImplemented } from '@lxd-ts/driver-kit';
import { run } from '@lxd-ts/host';

/**
 * Finds out whether a driver's program and kernel module are here, and which version of Ceph's programs.
 *
 * @param module - the kernel module; undefined: none is needed
 * @throws LxdError not-implemented
 */
export const probeCeph = async (driver: string, program: string, module?: string): Promise<string> => {
  const debianPackage = program === 'radosgw-admin' ? 'radosgw' : 'ceph-common';
  try {
    const { stdout } = await run([program, '--version'], { debianPackage });
    if (module !== undefined && !existsSync(`/sys/module/${module}`)) {
      await run(['modprobe', module], { debianPackage: 'kmod' });
    }
    return /[0-9]+(\.[0-9]+)+/.exec(stdout)?.[0] ?? stdout.trim();
  } catch (error) {
    throw notImplemented(`The ${driver} driver cannot work here: ${messageOf(error)}`, { cause: error });
  }
};
