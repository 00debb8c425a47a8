import { NO_SETUID_FIXUP } from './fs-ids.ts';
import { setSecureBits } from './syscalls.ts';

/**
 * Runs `work` under other effective ids: those that the peer of a Unix socket sees (SO_PEERCRED, unix(7)) and that permissions
 * are checked for.
 *
 * @param ids.capabilities - keep root's capabilities, for a user that is root in its own user namespace
 * @param work - must be synchronous: the ids are those of the whole process (credentials(7))
 */
export function withEffectiveIds<T>(ids: { uid: number; gid: number; capabilities: boolean }, work: () => T): T {
  if (ids.capabilities) setSecureBits(NO_SETUID_FIXUP);
  process.setegid?.(ids.gid);
  process.seteuid?.(ids.uid);
  try {
    return work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
    if (ids.capabilities) setSecureBits(0);
  }
}
