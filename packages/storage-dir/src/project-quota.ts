/**
 * Project quotas of ext4 and xfs: every file belongs to a numbered project, new files to that of their directory
 * (ioctl_fs_fsxattr, FS_IOC_FSSETXATTR), and the kernel counts and limits the space of each project (quotactl(2)).
 * Each volume is a project of its own. No program is started for any of it.
 */
import { randomInt } from 'node:crypto';
import { closeSync, constants, openSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { ioctl, quotactl, withDirectory } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';

const PRJQUOTA = 2;
const quotaCommand = (command: number): number => ((command << 8) | PRJQUOTA) >>> 0;
const Q_GETQUOTA = quotaCommand(0x800007);
const Q_SETQUOTA = quotaCommand(0x800008);
const Q_XGETQSTAT = quotaCommand(0x5805);
const FS_QUOTA_PDQ_ACCT = 1 << 4;
const FS_QUOTA_PDQ_ENFD = 1 << 5;
const QIF_BLIMITS = 1;
const QUOTA_BLOCK = 1024;

const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;
const FS_XFLAG_PROJINHERIT = 0x200;
/** struct fsxattr: xflags, extsize, nextents, projid, cowextsize (32 bits each), 8 unused bytes. */
const FSXATTR_SIZE = 28;
const PROJECT_AT = 12;

/** Below are numbers that people give by hand (/etc/projid). */
const FIRST_PROJECT = 65536;
const LAST_PROJECT = 2 ** 31 - 1;

/** Whether the file system that holds a directory counts and limits projects. */
export const limitsProjects = (path: string): boolean =>
  withDirectory(path, (fd) => {
    // struct fs_quota_stat: version (8 bits), a hole, flags (16 bits), …
    const state = Buffer.alloc(128);
    try {
      quotactl(fd, Q_XGETQSTAT, 0, state);
    } catch (error) {
      if (isErrno(error, 'ENOSYS', 'ESRCH', 'EINVAL', 'EPERM', 'EOPNOTSUPP')) return false;
      throw error;
    }
    const needed = FS_QUOTA_PDQ_ACCT | FS_QUOTA_PDQ_ENFD;
    return (state.readUInt16LE(2) & needed) === needed;
  });

interface Quota {
  /** Bytes; 0 means unlimited. */
  readonly limit: number;
  readonly used: number;
  readonly inodes: number;
}

const noQuota: Quota = { limit: 0, used: 0, inodes: 0 };

const quotaOf = (fd: number, project: number): Quota => {
  // struct if_dqblk: hard limit and soft limit in KiB, space in bytes, inode limits, inodes, two times, what is valid.
  const quota = Buffer.alloc(72);
  try {
    quotactl(fd, Q_GETQUOTA, project, quota);
  } catch (error) {
    // Nothing was ever counted for this project.
    if (isErrno(error, 'ENOENT')) return noQuota;
    throw error;
  }
  return {
    limit: Number(quota.readBigUInt64LE(0)) * QUOTA_BLOCK,
    used: Number(quota.readBigUInt64LE(16)),
    inodes: Number(quota.readBigUInt64LE(40)),
  };
};

const setLimit = (fd: number, project: number, limit: number): void => {
  const quota = Buffer.alloc(72);
  quota.writeBigUInt64LE(BigInt(Math.ceil(limit / QUOTA_BLOCK)), 0);
  quota.writeUInt32LE(QIF_BLIMITS, 64);
  quotactl(fd, Q_SETQUOTA, project, quota);
};

const attributesOf = (fd: number): Buffer => {
  const attributes = Buffer.alloc(FSXATTR_SIZE);
  ioctl(fd, FS_IOC_FSGETXATTR, attributes);
  return attributes;
};

const projectOf = (fd: number): number => attributesOf(fd).readUInt32LE(PROJECT_AT);

const putInProject = (fd: number, project: number, isDirectory: boolean): void => {
  const attributes = attributesOf(fd);
  attributes.writeUInt32LE(project, PROJECT_AT);
  if (isDirectory) attributes.writeUInt32LE((attributes.readUInt32LE(0) | FS_XFLAG_PROJINHERIT) >>> 0, 0);
  ioctl(fd, FS_IOC_FSSETXATTR, attributes);
};

/** A number that no file uses and no limit is set for. */
const freeProject = (fd: number): number => {
  for (;;) {
    const project = randomInt(FIRST_PROJECT, LAST_PROJECT);
    const { limit, inodes } = quotaOf(fd, project);
    if (limit === 0 && inodes === 0) return project;
  }
};

/** Makes a new, empty directory a project of its own. What is made in it later belongs to it by itself. */
export const startProject = (path: string): void => {
  withDirectory(path, (fd) => putInProject(fd, freeProject(fd), true));
};

/**
 * Makes a directory with contents a project of its own. Symlinks, devices, FIFOs and sockets stay outside: they take no
 * space, and cannot be opened without consequences. Never leaves the directory, whoever changes it meanwhile.
 */
export const adoptIntoProject = async (path: string): Promise<void> => {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const enter = async (fd: number, project: number): Promise<void> => {
    putInProject(fd, project, true);
    const here = `/proc/self/fd/${fd}`;
    for (const entry of await readdir(here, { withFileTypes: true, encoding: 'buffer' })) {
      if (!entry.isDirectory() && !entry.isFile()) continue;
      const isDirectory = entry.isDirectory();
      const child = openSync(
        Buffer.concat([Buffer.from(`${here}/`), entry.name]),
        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | (isDirectory ? O_DIRECTORY : 0),
      );
      try {
        if (isDirectory) await enter(child, project);
        else putInProject(child, project, false);
      } finally {
        closeSync(child);
      }
    }
  };
  const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    await enter(fd, freeProject(fd));
  } finally {
    closeSync(fd);
  }
};

/** Space used by the project of a directory, and its limit; undefined when it is in none. */
export const projectUsage = (path: string): { used: number; limit: number | undefined } | undefined =>
  withDirectory(path, (fd) => {
    const project = projectOf(fd);
    if (project === 0) return undefined;
    const { used, limit } = quotaOf(fd, project);
    return { used, limit: limit === 0 ? undefined : limit };
  });

/** Limits the project of a directory to a number of bytes; undefined lifts the limit. */
export const limitProject = (path: string, limit: number | undefined): void => {
  withDirectory(path, (fd) => setLimit(fd, projectOf(fd), limit ?? 0));
};

/** Takes the limit of a directory's project away for good; called before the directory is removed. */
export const endProject = (path: string): void => {
  withDirectory(path, (fd) => {
    const project = projectOf(fd);
    if (project !== 0 && quotaOf(fd, project).limit !== 0) setLimit(fd, project, 0);
  });
};
