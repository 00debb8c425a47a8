import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, mountSetattr } from './syscalls.ts';

/** How mount events travel between a mount and its copies (mount_namespaces(7)). */
export type Propagation = 'private' | 'shared' | 'slave' | 'unbindable';

/** What can be set on one mount without touching its file system (mount_setattr(2)). */
export type MountAttribute = 'ro' | 'nosuid' | 'nodev' | 'noexec' | 'noatime' | 'nodiratime' | 'nosymfollow';

/** MS_UNBINDABLE, MS_PRIVATE, … of linux/mount.h; mount(2) and mount_setattr(2) share them. */
export const propagationFlags: Record<Propagation, number> = {
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
};

/** Each attribute's bit for mount_setattr(2) (MOUNT_ATTR_…) and for a remount by mount(2) (MS_…). */
const attributeBits: Record<MountAttribute, { attr: number; legacy: number }> = {
  ro: { attr: 0x01, legacy: 0x01 },
  nosuid: { attr: 0x02, legacy: 0x02 },
  nodev: { attr: 0x04, legacy: 0x04 },
  noexec: { attr: 0x08, legacy: 0x08 },
  noatime: { attr: 0x10, legacy: 0x400 },
  nodiratime: { attr: 0x80, legacy: 0x800 },
  nosymfollow: { attr: 0x200000, legacy: 0x100 },
};
const MOUNT_ATTR_ATIME = 0x70;
const MOUNT_ATTR_IDMAP = 0x100000;

/** The bits of a list of attributes, for both system calls. */
export function mountAttributes(attributes: readonly MountAttribute[]): { attr: number; legacy: number } {
  return attributes.reduce(
    (bits, name) => ({ attr: bits.attr | attributeBits[name].attr, legacy: bits.legacy | attributeBits[name].legacy }),
    { attr: 0, legacy: 0 },
  );
}

export interface AttributeChange {
  set?: readonly MountAttribute[] | undefined;
  clear?: readonly MountAttribute[] | undefined;
  propagation?: Propagation | undefined;
  /** Makes a detached mount id-mapped by this user namespace's fd. */
  userNamespace?: number | undefined;
  /** Applies to all mounts below as well. */
  recursive?: boolean | undefined;
}

/**
 * Changes attributes of a mount (mount_setattr(2), Linux 5.12).
 * @param dirFd a mount's fd together with an empty path, or AT_FDCWD with a path
 */
export function setAttributes(dirFd: number, path: string, change: AttributeChange): void {
  const set = mountAttributes(change.set ?? []).attr;
  const clear = mountAttributes(change.clear ?? []).attr;
  // struct mount_attr: attr_set, attr_clr, propagation, userns_fd, each 64 bits.
  const attributes = Buffer.alloc(32);
  const touchesAtime = ((set | clear) & MOUNT_ATTR_ATIME) !== 0;
  attributes.writeBigUInt64LE(BigInt(set | (change.userNamespace === undefined ? 0 : MOUNT_ATTR_IDMAP)), 0);
  // The access time setting is a field, not a bit: it has to be cleared whole to be set.
  attributes.writeBigUInt64LE(BigInt(touchesAtime ? clear | MOUNT_ATTR_ATIME : clear), 8);
  attributes.writeBigUInt64LE(BigInt(change.propagation ? propagationFlags[change.propagation] : 0), 16);
  attributes.writeBigUInt64LE(BigInt(change.userNamespace ?? 0), 24);
  const flags = (path === '' ? AT_EMPTY_PATH : 0) | (change.recursive ? AT_RECURSIVE : 0);
  mountSetattr(dirFd, path, flags, attributes, attributes.length);
}

/** Changes attributes of the mount at a path: `setMountAttributes('/mnt', { set: ['ro'], recursive: true })`. */
export function setMountAttributes(path: string, change: AttributeChange): void {
  setAttributes(AT_FDCWD, path, change);
}
