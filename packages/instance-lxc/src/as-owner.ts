import { capabilities, setCapabilities, setFsIds } from './syscalls.ts';

/**
 * Runs a function with the file system ids of a container's user: what it makes belongs to them. On file systems that
 * show ids through a map, root of the host has no id at all and can make nothing. All capabilities stay in force.
 * Only the calling thread is affected, so the function must be synchronous.
 *
 * @param uid - on the host, as is `gid`
 */
export const asOwner = <T>(uid: number, gid: number, action: () => T): T => {
  const held = capabilities();
  setFsIds(uid, gid);
  try {
    // Leaving user 0 has taken the capabilities over files away.
    setCapabilities(held);
    return action();
  } finally {
    setFsIds(0, 0);
    setCapabilities(held);
  }
};
