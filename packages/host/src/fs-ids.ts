import { setfsgid, setfsuid, setSecureBits } from './syscalls.ts';

/** SECBIT_NO_SETUID_FIXUP (capabilities(7)): a change of the file-system user id leaves the capabilities as they are. */
export const NO_SETUID_FIXUP = 1 << 2;

/**
 * Makes file-system calls as another user of this thread: what `work` creates belongs to these ids, and with root's
 * capabilities kept nothing else changes. On a mount with an id map, or one that belongs to a user namespace, only a user it
 * knows may create files (EOVERFLOW otherwise), so root's own id 0 will not do there.
 *
 * `work` must be synchronous: the ids belong to the thread (setfsuid(2)).
 */
export function withFsIds<T>(uid: number, gid: number, work: () => T): T {
  setSecureBits(NO_SETUID_FIXUP);
  setfsgid(gid);
  setfsuid(uid);
  try {
    return work();
  } finally {
    setfsuid(0);
    setfsgid(0);
    setSecureBits(0);
  }
}
