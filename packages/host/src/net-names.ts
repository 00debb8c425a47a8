import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isErrno } from './errno.ts';

/** A random hardware address that begins with the given prefix (default 00:16:3e, registered for virtual machines). */
export function randomHwaddr(prefix = '00:16:3e'): string {
  const given = prefix.split(':');
  const random = [...randomBytes(6 - given.length)].map((byte) => byte.toString(16).padStart(2, '0'));
  return [...given, ...random].join(':');
}

/** A name for a link that none has in this network namespace: the prefix and eight hexadecimal digits. */
export function freeLinkName(prefix = 'veth'): string {
  for (;;) {
    const name = `${prefix}${randomInt(2 ** 32)
      .toString(16)
      .padStart(8, '0')}`;
    if (!linkExists(name)) return name;
  }
}

/** Says whether this network namespace has a link of that name. */
export function linkExists(name: string): boolean {
  return !name.includes('/') && name !== '' && existsSync(`/sys/class/net/${name}`);
}

/**
 * One value of a link from /sys/class/net (sysfs-class-net): `mtu`, `address`, `statistics/rx_bytes`, …
 * Undefined when there is no such link or value.
 */
export function readLinkValue(link: string, value: string): string | undefined {
  try {
    return readFileSync(`/sys/class/net/${link}/${value}`, 'utf8').trim();
  } catch (error) {
    // EINVAL: the driver has no such value (the speed of a link that is down).
    if (isErrno(error, 'ENOENT', 'EINVAL', 'EOPNOTSUPP')) return undefined;
    throw error;
  }
}
