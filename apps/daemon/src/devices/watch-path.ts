import { existsSync, type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '@lxd-ts/host';

/** The nearest directory above a path that exists. */
const nearestDirectory = (path: string): string => {
  const parent = dirname(path);
  return existsSync(parent) || parent === path ? parent : nearestDirectory(parent);
};

/**
 * Tells when a path may have come, gone or changed. Its directory is watched (inotify(7)), or as long as that is missing the
 * nearest one above that exists, so nothing is polled.
 *
 * @param onChange - called at least once after each change; look at the path then
 * @returns dispose it to end the watch
 */
export const watchPath = (path: string, onChange: () => void): Disposable => {
  let watcher: FSWatcher | undefined;
  let watched: string | undefined;
  let disposed = false;

  const watchNearest = (): void => {
    // What is made between the look and the watch is seen by the second look.
    for (let wanted = nearestDirectory(path); wanted !== watched; wanted = nearestDirectory(path)) {
      watcher?.close();
      watched = undefined;
      try {
        watcher = watch(wanted, { persistent: false }, changed);
        // A directory that is removed ends its watch without harm: the event leads to the next one.
        watcher.on('error', changed);
        watched = wanted;
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error;
      }
    }
  };

  const changed = (): void => {
    if (disposed) return;
    // The directory may be another one of the same name by now: the watch would stay with the one that is gone.
    watched = undefined;
    watchNearest();
    onChange();
  };

  watchNearest();
  return {
    [Symbol.dispose]() {
      disposed = true;
      watcher?.close();
    },
  };
};
