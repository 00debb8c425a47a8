import { type Cgroup, type IdMap, isErrno } from '@lxd-ts/host';
import { CallError, describeCaller } from './caller.ts';
import { callOf } from './calls.ts';
import type { Answer, Notification } from './message.ts';
import { mknodCall } from './mknod.ts';
import { mountCall, type RunInside } from './mount.ts';
import type { MountPolicy } from './rules.ts';
import { schedulerCall } from './scheduler.ts';
import { setxattrCall } from './setxattr.ts';
import { sysinfoCall } from './sysinfo.ts';

/** What the handlers know of a container. */
export interface Intercepted {
  readonly idmap: IdMap;
  readonly cgroup: Cgroup;
  readonly mounts: MountPolicy;
  readonly runInside: RunInside;
}

const carryOut = async (
  notification: Notification,
  directory: number,
  memory: number,
  { idmap, cgroup, mounts, runInside }: Intercepted,
): Promise<Answer> => {
  const call = callOf(notification.architecture, notification.number);
  if (call === undefined) return 'continue';
  const caller = describeCaller(directory, memory);
  switch (call) {
    case 'mknod':
    case 'mknodat':
      return mknodCall(caller, notification, idmap, call === 'mknodat');
    case 'setxattr':
    case 'lsetxattr':
    case 'fsetxattr':
      return setxattrCall(caller, notification, call);
    case 'sched_setscheduler':
      return schedulerCall(caller, notification, cgroup);
    case 'sysinfo':
      return sysinfoCall(caller, notification, cgroup);
    case 'mount':
      return mountCall(caller, notification, mounts, idmap, runInside);
  }
};

/**
 * Does for a container what it asks the kernel in vain.
 *
 * @param directory - descriptor of the caller's /proc/<pid>
 * @param memory - descriptor of its memory
 */
export const handleCall = async (
  notification: Notification,
  directory: number,
  memory: number,
  container: Intercepted,
): Promise<Answer> => {
  try {
    return await carryOut(notification, directory, memory, container);
  } catch (error) {
    if (error instanceof CallError) return { errno: error.errno };
    // What the kernel says to us is the answer to the caller.
    if (isErrno(error)) return { errno: -error.errno };
    throw error;
  }
};
