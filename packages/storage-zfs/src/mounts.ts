/** Making volumes accessible. Datasets are mounted by a system call, without a program. */
import { chmod, mkdir, rmdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  describeVolume,
  isKind,
  type MountedVolume,
  mountCounter,
  mountFilesystem,
  notFound,
  type PoolSpec,
  unmountLeftovers,
  type Volume,
  volumeDirectory,
  volumeMode,
} from '@lxd-ts/driver-kit';
import { isErrno, isMountPoint, mount, unmount } from '@lxd-ts/host';
import { unless, zfs } from './commands.ts';
import type { Disks } from './disks.ts';
import { type Part, partsOf, snapshotLabel } from './names.ts';

export interface Mounts {
  /**
   * Mounts a volume or snapshot; the last to dispose unmounts.
   *
   * @throws LxdError not-found
   */
  mountVolume(volume: Volume): Promise<MountedVolume>;
  /** Where a volume is mounted now; undefined: nowhere. */
  mountedAt(volume: Volume): Promise<string | undefined>;
  /** Unmounts what an earlier run left mounted of a volume or snapshot, and removes its directory. */
  forget(volume: Volume): Promise<void>;
}

const makePath = async (path: string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await mkdir(path, { recursive: true, mode: 0o700 });
};

/** Removes a directory, and those above it up to (and without) another, as far as nothing is in them. */
const removeEmpty = async (path: string, top: string): Promise<void> => {
  for (let directory = path; directory !== top; directory = dirname(directory)) {
    try {
      await rmdir(directory);
    } catch (error) {
      if (isErrno(error, 'ENOTEMPTY', 'EEXIST')) return;
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
};

/** The full name of a part, or of its snapshot. */
export const nameOf = ({ snapshot }: Volume, { dataset }: Part): string =>
  snapshot === undefined ? dataset : `${dataset}@${snapshotLabel(snapshot)}`;

/** What a dataset of this name is; undefined: there is none. */
export const typeOf = async (dataset: string): Promise<string | undefined> =>
  (await unless('missing', () => zfs(['list', '-H', '-o', 'type', dataset])))?.trim();

/** Whether the directory of a volume belongs to whoever uses it, with its mode; otherwise it is the server's. */
export const isUsers = ({ type }: Volume): boolean => type === 'custom' || type === 'bucket';

/** Instances' directories are closed to other users. */
const closeDirectory = async (volume: Volume, path: string): Promise<void> => {
  if (isUsers(volume)) return;
  const mode = volumeMode('container');
  if (((await stat(path)).mode & 0o7777) !== mode) await chmod(path, mode);
};

/**
 * @param spec - the pool: where its directories are, and whether it is only looked at
 * @param root - the root dataset of the pool
 * @param onRelease - called after a volume was unmounted, with the dataset
 */
export const mountsOf = (
  { path: poolPath, inspect = false }: Pick<PoolSpec, 'path' | 'inspect'>,
  root: string,
  disks: Disks,
  onRelease: (dataset: string) => void,
): Mounts => {
  const counter = mountCounter();
  const pathOf = (volume: Volume): string => volumeDirectory(poolPath, volume);
  const isReadOnly = ({ snapshot }: Volume): boolean => inspect || snapshot !== undefined;

  const mountFormatted = async (volume: Volume, part: Part, path: string): Promise<AsyncDisposable> => {
    await using stack = new AsyncDisposableStack();
    const name = nameOf(volume, part);
    const disk = stack.use(volume.snapshot === undefined ? await disks.device(name) : await disks.clone(name));
    const options = volume.config['block.mount_options'] || 'discard';
    const mountOptions = isReadOnly(volume) ? `${options},ro` : options;
    stack.use(await mountFilesystem(disk.path, path, { mountOptions }));
    const kept = stack.move();
    return { [Symbol.asyncDispose]: () => kept.disposeAsync() };
  };

  /** Mounts the files of a volume. What its configuration says of how they are kept is tried first. */
  const mountFiles = async (volume: Volume, part: Part, path: string): Promise<AsyncDisposable> => {
    if (part.kind === 'dataset') {
      try {
        const options = isReadOnly(volume) ? 'ro' : '';
        return await mount(nameOf(volume, part), path, { type: 'zfs', options });
      } catch (error) {
        if (!isErrno(error, 'ENOENT', 'EINVAL')) throw error;
      }
    }
    const type = await typeOf(part.dataset);
    if (type === undefined) throw notFound(`There is no "${part.dataset}"`);
    if (type === 'volume') return mountFormatted(volume, part, path);
    return mount(nameOf(volume, part), path, { type: 'zfs', options: isReadOnly(volume) ? 'ro' : '' });
  };

  /** What an earlier run left mounted, and an instance may be in. */
  const adopt = async ({ snapshot }: Volume, { dataset, kind }: Part, path: string): Promise<AsyncDisposable> => {
    await using stack = new AsyncDisposableStack();
    if (kind === 'formatted' && snapshot === undefined) stack.use(await disks.device(dataset));
    stack.defer(() => unmount(path));
    const kept = stack.move();
    return { [Symbol.asyncDispose]: () => kept.disposeAsync() };
  };

  const acquireFiles = (volume: Volume, part: Part): Promise<AsyncDisposable> => {
    const path = pathOf(volume);
    return counter.acquire(path, async () => {
      await makePath(path);
      const mounted = await ((await isMountPoint(path)) ? adopt : mountFiles)(volume, part, path);
      if (!isReadOnly(volume)) await closeDirectory(volume, path);
      return {
        [Symbol.asyncDispose]: async () => {
          await mounted[Symbol.asyncDispose]();
          if (inspect) await removeEmpty(path, poolPath);
          else if (volume.snapshot === undefined) onRelease(part.dataset);
        },
      };
    });
  };

  return {
    async mountVolume(volume) {
      await using stack = new AsyncDisposableStack();
      const parts = partsOf(root, volume);
      let disk: string | undefined;
      try {
        if (parts.every(({ kind }) => kind === 'disk')) await makePath(pathOf(volume));
        for (const part of parts) {
          if (part.kind !== 'disk') stack.use(await acquireFiles(volume, part));
          else {
            const device = await disks.device(nameOf(volume, part));
            disk = device.path;
            stack.defer(async () => {
              await device[Symbol.asyncDispose]();
              if (volume.snapshot === undefined) onRelease(part.dataset);
            });
          }
        }
      } catch (error) {
        if (!isKind(error, 'not-found') && !isErrno(error, 'ENOENT')) throw error;
        throw notFound(`${describeVolume(volume)} is not there`, { cause: error });
      }
      const kept = stack.move();
      return {
        path: pathOf(volume),
        ...(disk === undefined ? {} : { disk }),
        [Symbol.asyncDispose]: () => kept.disposeAsync(),
      };
    },

    async mountedAt(volume) {
      const path = pathOf(volume);
      return (await isMountPoint(path)) ? path : undefined;
    },

    async forget(volume) {
      const path = pathOf(volume);
      await unmountLeftovers(path);
      const parent = dirname(path);
      await removeEmpty(path, volume.snapshot === undefined ? parent : dirname(parent));
    },
  };
};
