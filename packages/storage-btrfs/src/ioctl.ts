/**
 * The control calls of btrfs (linux/btrfs.h), with their structures as plain values. Those that wait for the disk run on a
 * thread of their own. All throw errno-coded errors.
 */
import { ioctl, ioctlAsync } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';

const BTRFS = 0x94;
const request = (direction: number, size: number, number: number): number =>
  ((direction << 30) | (size << 16) | (BTRFS << 8) | number) >>> 0;
const none = (number: number): number => request(0, 0, number);
const write = (size: number, number: number): number => request(1, size, number);
const read = (size: number, number: number): number => request(2, size, number);
const both = (size: number, number: number): number => request(3, size, number);

const PAGE = 4096;
const SYNC = none(8);
const TREE_SEARCH = both(PAGE, 17);
const SNAP_CREATE_V2 = write(PAGE, 23);
const SUBVOL_CREATE_V2 = write(PAGE, 24);
const SUBVOL_GETFLAGS = read(8, 25);
const SUBVOL_SETFLAGS = write(8, 26);
const FS_INFO = read(1024, 31);
const SET_RECEIVED_SUBVOL = both(200, 37);
const QUOTA_CTL = both(16, 40);
const QGROUP_CREATE = write(16, 42);
const QGROUP_LIMIT = read(48, 43);
const QUOTA_RESCAN = write(64, 44);
const QUOTA_RESCAN_STATUS = read(64, 45);
const QUOTA_RESCAN_WAIT = none(46);
const GET_SUBVOL_INFO = read(504, 60);
const GET_SUBVOL_ROOTREF = both(PAGE, 61);
const INO_LOOKUP_USER = both(PAGE, 62);
const SNAP_DESTROY_V2 = write(PAGE, 63);

/** BTRFS_FIRST_FREE_OBJECTID: subvolumes that users make, and the top directory in each, are numbered from here on. */
export const FIRST_ID = 256n;
const SUBVOL_RDONLY = 2n;
const QUOTA_ENABLE = 1n;
const QGROUP_MAX_REFERENCED = 1n;
const HIGHEST = 0xffff_ffff_ffff_ffffn;
const ROOT_TREE = 1n;
const ROOT_ITEM = 132;

/** A name of a directory entry; names on disk are bytes. */
export type Name = string | Uint8Array;

/** struct btrfs_ioctl_vol_args_v2: fd, transaction, flags (64 bits each), 32 unused bytes, name. */
const volumeArguments = (name: Name, fd: number, flags: bigint): Buffer => {
  const bytes = Buffer.from(name);
  const buffer = Buffer.alloc(PAGE);
  buffer.writeBigInt64LE(BigInt(fd), 0);
  buffer.writeBigUInt64LE(flags, 16);
  if (bytes.copy(buffer, 56) < bytes.length) throw new RangeError(`the name is too long: ${bytes}`);
  return buffer;
};

/** Makes a subvolume in a directory. */
export const createSubvolume = (parentFd: number, name: Name): Promise<number> =>
  ioctlAsync(parentFd, SUBVOL_CREATE_V2, volumeArguments(name, 0, 0n), String(name));

/** Makes a snapshot of the subvolume `fd` in a directory. Subvolumes nested in it are left out. */
export const createSnapshot = (parentFd: number, name: Name, fd: number, readOnly: boolean): Promise<number> =>
  ioctlAsync(parentFd, SNAP_CREATE_V2, volumeArguments(name, fd, readOnly ? SUBVOL_RDONLY : 0n), String(name));

/** Deletes a subvolume that has no others in it. Its space is freed in the background. */
export const destroySubvolume = (parentFd: number, name: Name): Promise<number> =>
  ioctlAsync(parentFd, SNAP_DESTROY_V2, volumeArguments(name, 0, 0n), String(name));

export const isReadOnly = (fd: number): boolean => {
  const flags = Buffer.alloc(8);
  ioctl(fd, SUBVOL_GETFLAGS, flags);
  return (flags.readBigUInt64LE() & SUBVOL_RDONLY) !== 0n;
};

export const setReadOnly = async (fd: number, readOnly: boolean): Promise<void> => {
  const flags = Buffer.alloc(8);
  flags.writeBigUInt64LE(readOnly ? SUBVOL_RDONLY : 0n);
  await ioctlAsync(fd, SUBVOL_SETFLAGS, flags);
};

export interface SubvolumeInfo {
  readonly id: bigint;
  readonly uuid: Buffer;
  /** The UUID of what it was received from, by which differences refer to it; all zero for one that was not received. */
  readonly receivedUuid: Buffer;
  /** The sender's transaction that it was received from. */
  readonly sentTransaction: bigint;
  /** When it was made, in nanoseconds. */
  readonly created: bigint;
}

/** About the subvolume that a directory lies in (Linux 4.18). */
export const subvolumeInfo = (fd: number): SubvolumeInfo => {
  const info = Buffer.alloc(504);
  ioctl(fd, GET_SUBVOL_INFO, info);
  return {
    id: info.readBigUInt64LE(0),
    uuid: Buffer.from(info.subarray(296, 312)),
    receivedUuid: Buffer.from(info.subarray(328, 344)),
    sentTransaction: info.readBigUInt64LE(360),
    created: info.readBigUInt64LE(392) * 1_000_000_000n + BigInt(info.readUInt32LE(400)),
  };
};

/** Whether the file system has a subvolume of this id, or is still cleaning it up after it was deleted. */
export const hasSubvolume = (fd: number, id: bigint): boolean => {
  // struct btrfs_ioctl_search_key: tree; least and most object, offset, transaction (64 bits each), type; how many items (32 bits).
  const search = Buffer.alloc(PAGE);
  search.writeBigUInt64LE(ROOT_TREE, 0);
  search.writeBigUInt64LE(id, 8);
  search.writeBigUInt64LE(id, 16);
  search.writeBigUInt64LE(HIGHEST, 32);
  search.writeBigUInt64LE(HIGHEST, 48);
  search.writeUInt32LE(ROOT_ITEM, 56);
  search.writeUInt32LE(ROOT_ITEM, 60);
  search.writeUInt32LE(1, 64);
  ioctl(fd, TREE_SEARCH, search);
  return search.readUInt32LE(64) > 0;
};

/** Makes a subvolume count as received, so that later differences can build on it. It must be writable. */
export const setReceived = async (fd: number, uuid: Uint8Array, sentTransaction: bigint): Promise<void> => {
  const received = Buffer.alloc(200);
  received.set(uuid, 0);
  received.writeBigUInt64LE(sentTransaction, 16);
  await ioctlAsync(fd, SET_RECEIVED_SUBVOL, received);
};

interface Child {
  readonly id: bigint;
  /** The inode of the directory it is in. */
  readonly directory: bigint;
}

/** The subvolumes directly in the subvolume `fd`. */
export const childSubvolumes = (fd: number): Child[] => {
  const children: Child[] = [];
  const buffer = Buffer.alloc(PAGE);
  for (let more = true; more; ) {
    more = false;
    try {
      ioctl(fd, GET_SUBVOL_ROOTREF, buffer);
    } catch (error) {
      // It has more than fit; the next call goes on after the last one.
      if (!isErrno(error, 'EOVERFLOW')) throw error;
      more = true;
    }
    const count = buffer.readUInt8(4088);
    for (let at = 0; at < count; at++) {
      children.push({ id: buffer.readBigUInt64LE(8 + at * 16), directory: buffer.readBigUInt64LE(16 + at * 16) });
    }
    const last = children.at(-1);
    if (more && last) buffer.writeBigUInt64LE(last.id + 1n, 0);
  }
  return children;
};

const cText = (buffer: Buffer): Buffer => Buffer.from(buffer.subarray(0, buffer.indexOf(0)));

/** The path of a child below the subvolume `fd`. */
export const childPath = (fd: number, child: Child): Buffer => {
  const lookup = Buffer.alloc(PAGE);
  lookup.writeBigUInt64LE(child.directory, 0);
  lookup.writeBigUInt64LE(child.id, 8);
  ioctl(fd, INO_LOOKUP_USER, lookup);
  return Buffer.concat([cText(lookup.subarray(272)), cText(lookup.subarray(16, 272))]);
};

/** Writes everything to disk, and with it brings the counts of quota groups up to date. */
export const syncFilesystem = (fd: number): Promise<number> => ioctlAsync(fd, SYNC, null);

/** The id of the file system, as in /sys/fs/btrfs. */
export const filesystemId = (fd: number): string => {
  const info = Buffer.alloc(1024);
  ioctl(fd, FS_INFO, info);
  return info.toString('hex', 16, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
};

/** Whether this process may manage quotas: inside a container it may not. */
export const mayManageQuotas = (fd: number): boolean => {
  try {
    ioctl(fd, QUOTA_RESCAN_STATUS, Buffer.alloc(64));
    return true;
  } catch (error) {
    if (isErrno(error, 'EPERM')) return false;
    throw error;
  }
};

/** Turns quotas on and waits until what is there has been counted. */
export const enableQuotas = async (fd: number): Promise<void> => {
  const control = Buffer.alloc(16);
  control.writeBigUInt64LE(QUOTA_ENABLE, 0);
  await ioctlAsync(fd, QUOTA_CTL, control);
  await quotasCounted(fd);
};

/** Begins to count anew what every subvolume refers to, unless that is under way. */
export const recountQuotas = async (fd: number): Promise<void> => {
  try {
    await ioctlAsync(fd, QUOTA_RESCAN, Buffer.alloc(64));
  } catch (error) {
    if (!isErrno(error, 'EINPROGRESS')) throw error;
  }
};

/** Waits for a count that is under way. */
export const quotasCounted = async (fd: number): Promise<void> => {
  await ioctlAsync(fd, QUOTA_RESCAN_WAIT, null);
};

/** Limits what a subvolume refers to; undefined lifts the limit. Its quota group is numbered as itself. */
export const limitReferenced = async (fd: number, id: bigint, size: number | undefined): Promise<void> => {
  const limit = Buffer.alloc(48);
  limit.writeBigUInt64LE(id, 0);
  limit.writeBigUInt64LE(QGROUP_MAX_REFERENCED, 8);
  limit.writeBigUInt64LE(size === undefined ? HIGHEST : BigInt(size), 16);
  await ioctlAsync(fd, QGROUP_LIMIT, limit);
};

/** Removes the quota group of a subvolume. */
export const destroyQuotaGroup = async (fd: number, id: bigint): Promise<void> => {
  const group = Buffer.alloc(16);
  group.writeBigUInt64LE(id, 8);
  await ioctlAsync(fd, QGROUP_CREATE, group);
};
