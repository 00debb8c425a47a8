import { type Cgroup, cgroupProcesses, processStatus } from '@lxd-ts/host';
import { setScheduler } from '../syscalls.ts';
import { CallError, type Caller, capability, readMemory } from './caller.ts';
import type { Answer, Notification } from './message.ts';

const ESRCH = 3;

/** Ids of a process in the nested pid namespaces it is in, the host's first. */
const idsOf = (pid: number): number[] => (processStatus(pid)?.get('NSpid') ?? '').split(/\s+/).map(Number);

/** The host's id of a process that the caller knows by another. */
const onHost = (caller: number, wanted: number, cgroup: Cgroup): number => {
  const level = idsOf(caller).length - 1;
  const found = cgroupProcesses(cgroup).find((pid) => idsOf(pid)[level] === wanted);
  if (found === undefined) throw new CallError(ESRCH);
  return found;
};

/** Sets the scheduling policy of a process of the container, which only the host's root may raise. */
export const schedulerCall = (caller: Caller, { pid, args }: Notification, cgroup: Cgroup): Answer => {
  if (!caller.has(capability.sysNice)) return 'continue';
  const wanted = Number(BigInt.asIntN(32, args[0] ?? 0n));
  const policy = Number(BigInt.asIntN(32, args[1] ?? 0n));
  const priority = readMemory(caller, args[2] ?? 0n, 4).readInt32LE();
  setScheduler(wanted === 0 ? pid : onHost(pid, wanted, cgroup), policy, priority);
  return { value: 0n };
};
