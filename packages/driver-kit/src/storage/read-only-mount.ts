import { bindMount, isMountPoint, mountsBelow, unmount } from '@lxd-ts/host';

/**
 * Mounts a directory read-only on itself, so that nobody changes what is kept below it. For snapshots that are plain
 * directories. One that an earlier run left mounted is taken over.
 */
export const mountReadOnly = async (path: string): Promise<AsyncDisposable> =>
  (await isMountPoint(path))
    ? { [Symbol.asyncDispose]: () => unmount(path) }
    : bindMount(path, path, { attributes: ['ro'] });

/** Unmounts what an earlier run left mounted at or below a directory that is about to be removed. */
export const unmountLeftovers = async (path: string): Promise<void> => {
  for (const { target } of mountsBelow(path)) await unmount(target, { lazy: true });
};
