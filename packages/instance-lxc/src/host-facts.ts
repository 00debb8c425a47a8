import { readFile } from 'node:fs/promises';
import { isErrno } from '@lxd-ts/host';
import { type LxcfsFiles, lxcfsFiles } from './lxcfs.ts';

/** What the configuration of a container depends on besides the container. */
export interface HostFacts {
  /** Whether containers are confined by AppArmor: the kernel can, and LXD_SECURITY_APPARMOR does not say `false`. */
  readonly apparmor: boolean;
  readonly lxcfs?: LxcfsFiles;
}

const apparmorEnabled = async (): Promise<boolean> => {
  if (process.env['LXD_SECURITY_APPARMOR'] === 'false') return false;
  try {
    return (await readFile('/sys/module/apparmor/parameters/enabled', 'utf8')).trim() === 'Y';
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
};

export const hostFacts = async (): Promise<HostFacts> => {
  const [apparmor, lxcfs] = await Promise.all([apparmorEnabled(), lxcfsFiles()]);
  return { apparmor, ...(lxcfs ? { lxcfs } : {}) };
};
