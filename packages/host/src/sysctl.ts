import { readFileSync, writeFileSync } from 'node:fs';
import { isErrno } from './errno.ts';

/** `net/ipv4/conf/br0/forwarding`: names with dots in them make the path form the only unambiguous one. */
function file(path: string): string {
  if (path.split('/').some((part) => part === '' || part === '..')) throw new TypeError(`"${path}" is no sysctl path`);
  return `/proc/sys/${path}`;
}

/** The value of a kernel parameter below /proc/sys; undefined when this kernel has no such one. */
export function getSysctl(path: string): string | undefined {
  try {
    return readFileSync(file(path), 'utf8').trim();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/**
 * Sets a kernel parameter; one that already has the value is left alone.
 * @throws errno-coded error: ENOENT when this kernel has no such parameter, EINVAL when it refuses the value
 */
export function setSysctl(path: string, value: string | number): void {
  if (getSysctl(path) !== `${value}`) writeFileSync(file(path), `${value}`, { flag: 'r+' });
}
