/** Quota groups (btrfs-qgroup(8)): each subvolume has one, numbered as itself, once quotas are on. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { type DirectoryLimits, withDirectory } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import {
  destroyQuotaGroup,
  enableQuotas,
  FIRST_ID,
  filesystemId,
  hasSubvolume,
  limitReferenced,
  mayManageQuotas,
  quotasCounted,
  recountQuotas,
  subvolumeInfo,
  syncFilesystem,
} from './ioctl.ts';
import { openDirectory } from './subvolumes.ts';

const limitsReferenced = 1;

/** What the kernel shows of a quota group below /sys/fs/btrfs, in bytes. */
interface Group {
  /** All data that can be reached in it. */
  readonly referenced: number;
  /** The data that is in no other subvolume. */
  readonly exclusive: number;
  readonly limit: number | undefined;
}

export interface Quotas extends DirectoryLimits {
  /** Removes the quota group of a deleted subvolume, at once or later. */
  forget(id: bigint): Promise<void>;
  /** The same of all subvolumes deleted earlier whose groups are still there. */
  forgetDeleted(): Promise<void>;
}

/**
 * Quotas of the file system mounted at `root`. They cost time on every write, so they are turned on only when a size is set
 * for the first time. Undefined: inside a container they cannot be had.
 */
export const quotasOf = (root: string): Quotas | undefined => {
  if (!withDirectory(root, mayManageQuotas)) return undefined;
  const groups = `/sys/fs/btrfs/${withDirectory(root, filesystemId)}/qgroups`;

  const areOn = async (): Promise<boolean> => {
    try {
      await stat(groups);
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    }
  };

  const isInconsistent = async (): Promise<boolean> => {
    try {
      return (await readFile(`${groups}/inconsistent`, 'utf8')).trim() === '1';
    } catch (error) {
      // Before Linux 5.9 nothing tells.
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    }
  };

  let turningOn: Promise<void> | undefined;
  const turnOn = async (): Promise<void> => {
    const on = await areOn();
    // The kernel shows them before they can be used.
    if (on || turningOn) return turningOn;
    using top = openDirectory(root);
    turningOn = enableQuotas(top.fd).finally(() => {
      turningOn = undefined;
    });
    return await turningOn;
  };

  /**
   * Turns them on, and has the kernel count anew where it gave up: deleting a large subvolume would keep it busy for too long
   * (`drop_subtree_threshold` beside), and a count may have been cut short. Limits go by what was counted last meanwhile.
   */
  const ensure = async (fd: number): Promise<void> => {
    await turnOn();
    if (await isInconsistent()) await recountQuotas(fd);
  };

  const groupOf = async (path: string): Promise<Group | undefined> => {
    const { id } = withDirectory(path, subvolumeInfo);
    const read = async (name: string): Promise<number> => Number(await readFile(`${groups}/0_${id}/${name}`, 'utf8'));
    try {
      const [referenced, exclusive, limit, flags] = await Promise.all(
        ['referenced', 'exclusive', 'max_referenced', 'limit_flags'].map(read),
      );
      const limited = ((flags ?? 0) & limitsReferenced) !== 0;
      return { referenced: referenced ?? 0, exclusive: exclusive ?? 0, limit: limited ? limit : undefined };
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  };

  /** Quota groups to be removed. Older kernels keep each until the deleted subvolume is cleaned up: it is tried again then. */
  const forgotten = new Set<bigint>();
  const clear = async (): Promise<void> => {
    using top = openDirectory(root);
    for (const id of [...forgotten]) {
      try {
        await destroyQuotaGroup(top.fd, id);
        forgotten.delete(id);
      } catch (error) {
        // Newer kernels remove it themselves.
        if (isErrno(error, 'ENOENT')) forgotten.delete(id);
        else if (!isErrno(error, 'EBUSY')) throw error;
      }
    }
  };

  return {
    async set(path, size) {
      if (size === undefined && !(await areOn())) return;
      using top = openDirectory(root);
      await ensure(top.fd);
      await limitReferenced(top.fd, withDirectory(path, subvolumeInfo).id, size);
    },

    async counted(path) {
      using top = openDirectory(root);
      await ensure(top.fd);
      await quotasCounted(top.fd);
      return (await groupOf(path))?.referenced ?? 0;
    },

    async settle() {
      using top = openDirectory(root);
      await syncFilesystem(top.fd);
    },

    async usage(path) {
      const group = await groupOf(path);
      if (!group) return undefined;
      return { used: group.exclusive, ...(group.limit === undefined ? {} : { total: group.limit }) };
    },

    async forget(id) {
      if (!(await areOn())) return;
      forgotten.add(id);
      await clear();
    },

    async forgetDeleted() {
      if (!(await areOn())) return;
      using top = openDirectory(root);
      for (const name of await readdir(groups)) {
        const id = BigInt(/^0_([0-9]+)$/.exec(name)?.[1] ?? 0);
        if (id >= FIRST_ID && !hasSubvolume(top.fd, id)) forgotten.add(id);
      }
      await clear();
    },
  };
};
