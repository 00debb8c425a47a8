import { mkdir } from 'node:fs/promises';
import {
  badRequest,
  type Config,
  conflict,
  copyTree,
  type DirectoryLimits,
  directoryVolumes,
  exists,
  incompleteDirectory,
  makePoolDirectories,
  type PoolSpec,
  removePoolDirectories,
  type StoragePool,
} from '@lxd-ts/driver-kit';
import { diskUsage, isErrno, mountsBelow, removeTree, unmount } from '@lxd-ts/host';
import {
  adoptIntoProject,
  endProject,
  limitProject,
  limitsProjects,
  projectUsage,
  startProject,
} from './project-quota.ts';

const projectLimits: DirectoryLimits = {
  async set(path, size) {
    // Made before the file system had quotas.
    if (projectUsage(path) === undefined) await adoptIntoProject(path);
    limitProject(path, size);
  },
  async counted(path) {
    if (projectUsage(path) === undefined) await adoptIntoProject(path);
    return projectUsage(path)?.used ?? 0;
  },
  async usage(path) {
    const usage = projectUsage(path);
    return usage && { used: usage.used, ...(usage.limit === undefined ? {} : { total: usage.limit }) };
  },
};

/** Opens the pool whose directories are, or get, made in `source`, which is visible at `spec.path`. */
export const openPool = async (spec: PoolSpec, source: string): Promise<StoragePool> => {
  const root = spec.path;
  let config: Config = spec.config;
  if (!spec.inspect) await makePoolDirectories(root);
  /** Whether volumes are projects. Looked up once: it follows from how the file system is mounted. */
  const quotas = limitsProjects(root);

  const make = async (path: string, mode: number): Promise<void> => {
    await mkdir(path, { mode });
    if (quotas) startProject(path);
  };
  const remove = async (path: string): Promise<void> => {
    if (quotas) endProject(path);
    await removeTree(path);
  };
  if (!spec.inspect) await removeTree(incompleteDirectory(root));

  return {
    name: spec.name,
    path: root,

    ...directoryVolumes(root, {
      make,
      remove,
      async copy(from, target, { snapshot }, work) {
        await make(target, 0o700);
        await copyTree(from, target, {
          ...work,
          bandwidthLimit: config['rsync.bwlimit'],
          // The volume may be in use: what goes away while a snapshot is taken is not part of it.
          allowInconsistent: snapshot,
        });
      },
      limits: quotas ? projectLimits : undefined,
      unlimited: `Storage pool "${spec.name}" cannot limit volumes: its file system has no project quotas (ext4 and xfs mounted with prjquota do)`,
    }),

    async resources() {
      const { total, used, inodes } = await diskUsage(root);
      return { space: { total, used }, inodes };
    },

    async update(next, changed) {
      if (changed.includes('source')) throw badRequest('The source of a storage pool cannot be changed');
      config = next;
    },

    async delete() {
      const mounts = mountsBelow(root).filter(({ target }) => target !== root);
      if (mounts[0]) throw conflict(`Storage pool "${spec.name}" is in use: "${mounts[0].target}" is mounted`);
      if (!(await exists(root))) return;
      await removePoolDirectories(root);
      if (source !== root) await unmount(root);
      await removeTree(root);
    },

    async [Symbol.asyncDispose]() {
      if (source === root) return;
      try {
        await unmount(root);
      } catch (error) {
        // Others use volumes in it: it stays, and the next open finds it so.
        if (!isErrno(error, 'EBUSY')) throw error;
      }
    },
  };
};
