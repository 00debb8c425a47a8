import { statfs } from 'node:fs/promises';

/** Magic numbers of statfs(2) (linux/magic.h). ext2, ext3 and ext4 share one. */
const types: Record<number, string> = {
  61267: 'ext4',
  2435016766: 'btrfs',
  1481003842: 'xfs',
  801189825: 'zfs',
  16914836: 'tmpfs',
  2035054128: 'overlayfs',
  26985: 'nfs',
  1702057286: 'fuse',
  12805120: 'ceph',
  1936814952: 'squashfs',
  3774210530: 'erofs',
  4076150800: 'f2fs',
  1382369651: 'reiserfs',
  1667723888: 'cgroup2',
  2613483: 'cgroup',
  40864: 'proc',
  1650812274: 'sysfs',
  19780: 'vfat',
  38496: 'iso9660',
  4266872130: 'cifs',
  4283649346: 'cifs',
  3393526350: 'bcachefs',
};

/**
 * The kernel's name of the file system that holds a path (`ext4`, `btrfs`, `tmpfs`, …).
 * One that is not in the table gives its magic number, `0x…`.
 */
export async function filesystemType(path: string): Promise<string> {
  const { type } = await statfs(path);
  return types[type] ?? `0x${type.toString(16)}`;
}

/** Use of a file system, in bytes and inodes. `available` is what users other than root may still take. */
export interface DiskUsage {
  total: number;
  used: number;
  available: number;
  inodes: { total: number; used: number };
}

/** Reads the use of the file system that holds a path (statfs(2)). */
export async function diskUsage(path: string): Promise<DiskUsage> {
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(path);
  return {
    total: blocks * bsize,
    used: (blocks - bfree) * bsize,
    available: bavail * bsize,
    inodes: { total: files, used: files - ffree },
  };
}
