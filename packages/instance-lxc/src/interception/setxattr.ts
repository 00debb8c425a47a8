import { setXattr } from '../syscalls.ts';
import { asDescriptor, CallError, type Caller, capability, inPlaceOf, readMemory, readText } from './caller.ts';
import type { Answer, Notification } from './message.ts';

const AT_FDCWD = -100;
const ERANGE = 34;
const NAME_MAX = 256;
const VALUE_MAX = 64;
/** Marks a directory of an overlay's upper layer as hiding those below. */
const permitted = 'trusted.overlay.opaque';

/**
 * Sets the one trusted attribute that overlay file systems need. All others are left to the kernel.
 *
 * @param kind - the call: of a path, of a symlink itself, of a descriptor
 */
export const setxattrCall = (
  caller: Caller,
  { args }: Notification,
  kind: 'setxattr' | 'lsetxattr' | 'fsetxattr',
): Answer => {
  const [target = 0n, nameAt = 0n, valueAt = 0n, size = 0n, flags = 0n] = args;
  if (readText(caller, nameAt, NAME_MAX) !== permitted || !caller.has(capability.sysAdmin)) return 'continue';
  if (size > VALUE_MAX) throw new CallError(ERANGE);
  const value = readMemory(caller, valueAt, Number(size));
  if (kind === 'fsetxattr') {
    // The file itself, wherever its path leads now.
    const path = `/proc/self/fd/${caller.directory}/fd/${asDescriptor(target)}`;
    setXattr(path, permitted, value, Number(flags), true);
  } else {
    const path = readText(caller, target);
    inPlaceOf(caller, AT_FDCWD, () => setXattr(path, permitted, value, Number(flags), kind === 'setxattr'));
  }
  return { value: 0n };
};
